/** Reverts the changes since a given time: plan and undo. */
import { createRoute, z } from '@hono/zod-openapi';
import {
  noTimeLeft,
  readMoment,
  undoable,
  type Undo,
  type UndoChoice,
  type UndoItem,
} from '../sync/manual/undo.ts';
import { callerOf } from './auth.ts';
import {
  answeredId,
  answers,
  bodyResourceId,
  instant,
  instantOrNull,
  newRoutes,
  resourceId,
  json,
} from './schema.ts';

export interface UndoParts {
  readonly undo: Undo;
  /** Throws Conflict while writes are not allowed. */
  readonly start: { needWrites(): Promise<void> };
}

const tags = ['Undo'];
const since = z
  .string()
  .refine((text) => readMoment(text) !== null, {
    error: 'is no instant; write for example 2031-05-04T12:00:00Z',
  })
  .openapi({ format: 'date-time', description: 'Changes from this time on.' });
const until = since.optional().openapi({
  format: 'date-time',
  description: 'Changes after this time are not reverted: `as_of` of a plan.',
});
const what = z
  .string()
  .default('cancelled,deleted,imported')
  .refine((text) => kindsOf(text).every((kind) => undoable.includes(kind)), {
    error: `is not a list of ${undoable.join(', ')}`,
  })
  .openapi({ description: `Separated by commas: ${undoable.join(', ')} (the undo of an undo).` });
const kindsOf = (text: string) => text.split(',').map((kind) => kind.trim()) as UndoChoice['what'];

const answer = z
  .object({
    success: z.literal(true),
    message: z.string(),
    dry_run: z.boolean(),
    as_of: instant.openapi({
      description: 'The end of the considered period: use it as `until` of the undo.',
    }),
    count: z.number().int().openapi({ description: 'The number of reverted reservations.' }),
    refused: z.number().int(),
    pending: z.number().int().openapi({
      description: 'Of the refused: how many there was no time for, in 20 s; another undo goes on with them.',
    }),
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
            're-enable: the reservation, with a new event; cancel: with its event; take-back: cancelled, and the event stays',
        }),
        refused: z
          .string()
          .nullable()
          .openapi({ description: 'Why it is not reverted; null: it is reverted.' }),
      }),
    ),
  })
  .openapi('Undo');

const planRoute = createRoute({
  method: 'get',
  path: '/undo/plan',
  tags,
  summary: 'What an undo would do, without writing',
  request: { query: z.object({ since, until, what, resource_id: resourceId.optional() }) },
  responses: answers('The newest first, at most 1000.', answer),
});

const undoRoute = createRoute({
  method: 'post',
  path: '/undo',
  tags,
  summary: 'Revert the changes since a given time',
  request: {
    body: {
      required: true,
      content: json(
        z.object({
          since,
          until,
          what,
          resource_id: bodyResourceId.optional(),
          dry_run: z.boolean().default(false),
        }),
      ),
    },
  },
  responses: answers('The reservations are written; their rooms follow by themselves.', answer, [409, 422]),
});

export function undoRoutes({ undo, start }: UndoParts) {
  /** The choice with an explicit end, which the answer contains for a repetition. */
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
  const pending = items.filter(({ refused }) => refused === noTimeLeft).length;
  const message = dryRun ? `${count} would be undone` : `${count} undone; their rooms follow`;
  const listed = items.map(({ undid: _, ...item }) => item);
  return {
    success: true,
    message,
    dry_run: dryRun,
    as_of: asOf,
    count,
    refused: items.length - count,
    pending,
    items: listed,
  };
}
