/** What was done since a moment, taken back: the plan first, then the undo. */
import { createRoute, z } from '@hono/zod-openapi';
import { undoable, type Undo, type UndoChoice, type UndoItem } from '../sync/manual/undo.ts';
import { callerOf } from './auth.ts';
import {
  answeredId,
  answers,
  bodyResourceId,
  instant,
  instantOrNull,
  newRoutes,
  resourceId,
} from './schema.ts';

export interface UndoParts {
  readonly undo: Undo;
  /** Throws Conflict while nothing may be written. */
  readonly start: { needWrites(): Promise<void> };
}

const tags = ['Undo'];
const since = z
  .string()
  .refine(
    (text) => !Number.isNaN(Date.parse(text)) && /^\d{4}-\d\d-\d\d(T.+(Z|[+-]\d\d:?\d\d))?$/.test(text),
    {
      error: 'is no instant; write for example 2031-05-04T12:00:00Z',
    },
  )
  .openapi({ format: 'date-time', description: 'What was done from this moment on.' });
const until = since.optional().openapi({
  format: 'date-time',
  description: 'What was done after this moment is left alone: `as_of` of a plan.',
});
const what = z
  .string()
  .default('cancelled,deleted,imported')
  .refine((text) => kindsOf(text).every((kind) => undoable.includes(kind)), {
    error: `is no list of ${undoable.join(', ')}`,
  })
  .openapi({ description: `With commas between them: ${undoable.join(', ')} (an undo, taken back).` });
const kindsOf = (text: string) => text.split(',').map((kind) => kind.trim()) as UndoChoice['what'];

const answer = z
  .object({
    success: z.literal(true),
    message: z.string(),
    dry_run: z.boolean(),
    as_of: instant.openapi({
      description: 'What was done later was not looked at: `until` of the undo that was planned.',
    }),
    count: z.number().int().openapi({ description: 'How many are undone.' }),
    refused: z.number().int(),
    items: z.array(
      z.object({
        reservation_type: z.string(),
        reservation_id: answeredId,
        resource_id: z.number().int(),
        title: z.string().nullable(),
        starts_at: instantOrNull,
        what: z.string(),
        done_at: instant,
        step: z.string().openapi({
          description:
            're-enable: the reservation, and its event is made anew; cancel: with its event; take-back: cancelled, and the event stays',
        }),
        refused: z.string().nullable().openapi({ description: 'Why it stays as it is; null: it is undone.' }),
      }),
    ),
  })
  .openapi('Undo');

const planRoute = createRoute({
  method: 'get',
  path: '/undo/plan',
  tags,
  summary: 'What an undo would do; writes nothing',
  request: { query: z.object({ since, until, what, resource_id: resourceId.optional() }) },
  responses: answers('The newest first, at most 1000.', answer),
});

const undoRoute = createRoute({
  method: 'post',
  path: '/undo',
  tags,
  summary: 'Take back what was done since a moment',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.object({
            since,
            until,
            what,
            resource_id: bodyResourceId.optional(),
            dry_run: z.boolean().default(false),
          }),
        },
      },
    },
  },
  responses: answers('The reservations are written; their rooms follow by themselves.', answer, [409, 422]),
});

export function undoRoutes({ undo, start }: UndoParts) {
  /** The choice up to a moment that the answer says, so that the same one can be asked for again. */
  const upToNow = async (given: Parameters<typeof choiceOf>[0]) => {
    const choice = choiceOf(given);
    return { ...choice, until: await undo.asOf(choice.until ?? null) };
  };
  return newRoutes()
    .openapi(planRoute, async (c) => {
      const choice = await upToNow(c.req.valid('query'));
      return c.json(printed(await undo.plan(choice), true, choice.until), 200);
    })
    .openapi(undoRoute, async (c) => {
      const { dry_run: dryRun, ...body } = c.req.valid('json');
      if (!dryRun) await start.needWrites();
      const choice = await upToNow(body);
      const items = dryRun ? await undo.plan(choice) : await undo.apply(choice, callerOf(c) ?? '');
      return c.json(printed(items, dryRun, choice.until), 200);
    });
}

const choiceOf = (given: {
  since: string;
  until?: string | undefined;
  what: string;
  resource_id?: number | undefined;
}): UndoChoice => ({
  since: new Date(given.since),
  until: given.until === undefined ? null : new Date(given.until),
  resourceId: given.resource_id ?? null,
  what: kindsOf(given.what),
});

function printed(items: readonly UndoItem[], dryRun: boolean, asOf: Date): z.input<typeof answer> {
  const count = items.filter(({ refused }) => refused === null).length;
  const message = dryRun ? `${count} would be undone` : `${count} undone; their rooms follow`;
  const listed = items.map(({ undid: _, ...item }) => item);
  return {
    success: true,
    message,
    dry_run: dryRun,
    as_of: asOf,
    count,
    refused: items.length - count,
    items: listed,
  };
}
