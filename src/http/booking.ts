/** Imports from Outlook: waiting events, imported ones, and an immediate import. */
import { createRoute, z } from '@hono/zod-openapi';
import { everything, type ImportChoice, type ImportRow, type Imports } from '../sync/manual/imports.ts';
import type { Planner } from '../sync/plan/plan.ts';
import type { Planned } from '../sync/plan/plan-words.ts';
import type { Polling } from '../sync/manual/polling.ts';
import { Invalid } from '../errors.ts';
import { mappingColumns } from './mapping-schema.ts';
import { answeredId, answers, instantOrNull, limit, newRoutes, resourceId } from './schema.ts';

export interface BookingParts {
  readonly imports: Imports;
  readonly polling: Polling;
  readonly planner: Planner;
  /** With false, nothing reads Outlook until it is requested. */
  readonly autoSync: boolean;
  /** The booking system's time zone. */
  readonly timezone: string;
  readonly stopping: AbortSignal;
}

const tags = ['Imports'];

const wallTime = z.string().nullable().openapi({ example: '2026-01-13 14:00:00' });
const importColumns = {
  id: z.number().int(),
  ...mappingColumns,
  outlook_event_id: z.string(),
  sync_status: z.string().openapi({
    description:
      'imported: pending; conflict: a person has to decide; error: the booking system refused it, or failed and is tried again at `due_at`; synced: done',
  }),
  start_time: wallTime,
  end_time: wallTime,
  noticed_at: instantOrNull,
  due_at: instantOrNull.openapi({
    description: 'The time of the next try; null: a person has to act first, or it is done.',
  }),
  imported_at: instantOrNull,
};
const importSchema = z.object(importColumns).openapi('ImportedEvent');
const foundSchema = z.object({ ...importColumns, id: z.number().int().nullable() }).openapi('EventToImport');

const listSchema = z.object({
  success: z.literal(true),
  count: z.number().int(),
  imports: z.array(importSchema),
});

const detail = z.object({
  outlook_item_id: z.string().openapi({ description: 'The event id; the predecessor had it in this field.' }),
  reservation_id: answeredId.nullable(),
  title: z.string().nullable(),
  start_time: wallTime,
  end_time: wallTime,
  resource_id: z.number().int(),
  status: z.enum(['created', 'conflict', 'error', 'pending']),
  error: z.string().optional(),
  hint: z.string().optional(),
});

const processed = z
  .object({
    processed: z.number().int(),
    successful: z.number().int(),
    errors: z.number().int(),
    success_rate: z.string().openapi({ example: '100%' }),
    reservation_ids: z.array(answeredId),
    details: z.array(detail),
  })
  .openapi('ProcessedImports');

const choice = z.object({ limit: limit(100), resource_id: resourceId.optional() });
const noDate = {
  error: ({ input }: { readonly input?: unknown }) =>
    `'${String(input).slice(0, 60)}' is not a date like 2026-06-01`,
};
// PostgreSQL has no year 0
const isoDate = z.iso
  .date(noDate)
  .refine((date) => !date.startsWith('0000'), noDate)
  .openapi({ format: 'date', example: '2026-06-01' });
const dated = choice.extend({ from_date: isoDate.optional(), to_date: isoDate.optional() });

const processRoute = createRoute({
  method: 'post',
  path: '/booking/process-imports',
  tags,
  summary: 'Import pending events as reservations',
  request: { query: choice },
  responses: answers(
    'The result for each item.',
    z.object({ success: z.literal(true), message: z.string(), results: processed }),
  ),
});

const pendingRoute = createRoute({
  method: 'get',
  path: '/booking/pending-imports',
  tags,
  summary: 'Events in Outlook that are not in the booking system',
  request: { query: choice },
  responses: answers('Pending, conflicting and refused events, soonest first.', listSchema),
});

const processedRoute = createRoute({
  method: 'get',
  path: '/booking/processed-imports',
  tags,
  summary: 'Events that became reservations',
  request: { query: choice },
  responses: answers('With their reservation ids, the latest first.', listSchema),
});

const statsRoute = createRoute({
  method: 'get',
  path: '/booking/processing-stats',
  tags,
  summary: 'Number of imported events',
  responses: answers(
    'The statistics.',
    z.object({
      success: z.literal(true),
      statistics: z.object({
        total_imports: z.number().int(),
        successful_imports: z.number().int(),
        pending_imports: z.number().int(),
        conflicts: z.number().int(),
        errors: z.number().int(),
        success_rate: z.string(),
        reservation_id_range: z.object({
          first: answeredId.nullable(),
          last: answeredId.nullable(),
        }),
        first_processed_at: instantOrNull,
        last_processed_at: instantOrNull,
      }),
    }),
  ),
});

const outlookEventsRoute = createRoute({
  method: 'get',
  path: '/sync/outlook-events',
  tags,
  summary: 'Events in Outlook between two dates that are not in the booking system',
  request: { query: dated },
  description:
    'With AUTO_SYNC=off the calendars are read first, for 20 s at most; nothing is stored. An event that was found so has no id yet.',
  responses: answers(
    'Soonest first.',
    z.object({
      success: z.literal(true),
      count: z.number().int(),
      events: z.array(foundSchema),
      unread: z
        .array(z.string())
        .optional()
        .openapi({ description: 'Calendars that could not be read in time.' }),
    }),
  ),
});

const fromOutlookRoute = createRoute({
  method: 'post',
  path: '/sync/from-outlook',
  tags,
  summary: 'Compare every calendar with the booking system now, and import what is new',
  request: { query: dated },
  responses: answers(
    'The imported events, and those still missing in the booking system.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      results: z.object({
        processed: z.number().int(),
        imported: z.number().int(),
        updated: z.number().int(),
        cancelled: z.number().int(),
        pending: z.number().int(),
        errors: z.number().int(),
        details: z.array(importSchema),
      }),
    }),
  ),
});

export function bookingRoutes(parts: BookingParts) {
  const { imports, polling, stopping } = parts;
  const waiting = (request: Request) => AbortSignal.any([request.signal, stopping]);
  return newRoutes()
    .openapi(processRoute, async (c) => {
      const rows = await imports.process(choiceOf(c.req.valid('query')), waiting(c.req.raw));
      return c.json(
        { success: true as const, message: 'Import processing completed', results: summary(rows) },
        200,
      );
    })
    .openapi(pendingRoute, async (c) => {
      const rows = await imports.pending(choiceOf(c.req.valid('query')));
      return c.json({ success: true as const, count: rows.length, imports: rows }, 200);
    })
    .openapi(processedRoute, async (c) => {
      const rows = await imports.processed(choiceOf(c.req.valid('query')));
      return c.json({ success: true as const, count: rows.length, imports: rows }, 200);
    })
    .openapi(statsRoute, async (c) => {
      const { first_reservation_id, last_reservation_id, total_imports, ...counts } =
        await imports.statistics();
      const statistics = {
        ...counts,
        total_imports: total_imports + counts.errors,
        successful_imports: total_imports,
        success_rate: rate(total_imports, total_imports + counts.errors),
        reservation_id_range: { first: first_reservation_id, last: last_reservation_id },
      };
      return c.json({ success: true as const, statistics }, 200);
    })
    .openapi(outlookEventsRoute, async (c) => {
      const wanted = datedChoice(c.req.valid('query'));
      const rows = await imports.pending(wanted);
      if (parts.autoSync) return c.json({ success: true as const, count: rows.length, events: rows }, 200);
      const { found, unread } = await readUnknown(parts, wanted, waiting(c.req.raw));
      const known = new Set(rows.map(({ outlook_event_id }) => outlook_event_id));
      const events = [...rows, ...found.filter((one) => !known.has(one.outlook_event_id))]
        .toSorted((a, b) => ((a.start_time ?? '') < (b.start_time ?? '') ? -1 : 1))
        .slice(0, wanted.limit);
      return c.json({ success: true as const, count: events.length, events, unread }, 200);
    })
    .openapi(fromOutlookRoute, async (c) => {
      const query = c.req.valid('query');
      const polled = await polling.poll('compare', query.resource_id ?? null, waiting(c.req.raw));
      const left = await imports.pending(datedChoice(query));
      const total = (of: (one: (typeof polled)[number]) => number) =>
        polled.reduce((sum, one) => sum + of(one), 0);
      const late = polled.filter((one) => !one.done).length;
      const results = {
        processed: total((one) => one.imported + one.changed + one.cancelled) + left.length,
        imported: total((one) => one.imported),
        updated: total((one) => one.changed),
        cancelled: total((one) => one.cancelled),
        pending: left.length,
        errors: left.filter((row) => row.sync_status === 'error').length,
        details: left,
      };
      const message =
        late === 0
          ? 'Import from Outlook completed'
          : `${late} of ${polled.length} calendars are still pending`;
      return c.json({ success: true as const, message, results }, 200);
    });
}

/** Rooms not reached within this time are not read. */
const readWithinMs = 18_000;

/** The events that a sync would import, read from Outlook now, and the calendars that could not be read. */
async function readUnknown(
  { planner, timezone }: BookingParts,
  { resourceId, from, to }: ImportChoice,
  signal: AbortSignal,
) {
  const wish = { resourceId, itemsMost: Number.POSITIVE_INFINITY, withinMs: readWithinMs };
  const rooms = (await planner.plan(wish, signal))?.rooms ?? [];
  const wall = (at: string | null) => (at === null ? null : wallTimeIn(timezone, at));
  const found = rooms.flatMap(({ resource_id, outlook_item_id, items }) =>
    items.filter(isUnknown).map((one) => ({
      id: null,
      resource_id,
      outlook_item_id,
      outlook_event_id: one.outlook_event_id,
      reservation_type: null,
      reservation_id: null,
      sync_status: 'imported',
      title: one.title,
      start_time: wall(one.starts_at),
      end_time: wall(one.ends_at),
      error_message: null,
      hint: null,
      noticed_at: null,
      due_at: null,
      imported_at: null,
    })),
  );
  const isWanted = ({ start_time: start, end_time: end }: (typeof found)[number]) =>
    (from === null || (end ?? '') > from) && (to === null || (start ?? '').slice(0, 10) <= to);
  const unread = rooms.filter(({ state }) => state !== 'planned').map((room) => room.outlook_item_id);
  return { found: found.filter(isWanted), unread };
}

/** An event without a reservation. */
const isUnknown = (one: Planned): one is Planned & { readonly outlook_event_id: string } =>
  ['import', 'conflict', 'waiting'].includes(one.action) &&
  one.reservation_id === null &&
  one.outlook_event_id !== null;

/** 'YYYY-MM-DD HH:MM:SS' */
const wallTimeIn = (timeZone: string, at: string): string =>
  new Date(at).toLocaleString('sv-SE', { timeZone });

const choiceOf = (query: z.output<typeof choice>) => ({
  ...everything,
  limit: query.limit,
  resourceId: query.resource_id ?? null,
});

function datedChoice(query: z.output<typeof dated>) {
  if (query.from_date !== undefined && query.to_date !== undefined && query.from_date > query.to_date)
    throw new Invalid(
      'to_date',
      `to_date: '${query.to_date}' is before from_date.`,
      'Write the earlier date first.',
    );
  return { ...choiceOf(query), from: query.from_date ?? null, to: query.to_date ?? null };
}

const rate = (done: number, of: number) => `${of === 0 ? 100 : Math.round((done / of) * 100)}%`;

function summary(rows: readonly ImportRow[]): z.input<typeof processed> {
  const details = rows.map((row) => ({
    outlook_item_id: row.outlook_event_id,
    reservation_id: row.reservation_id,
    title: row.title,
    start_time: row.start_time,
    end_time: row.end_time,
    resource_id: row.resource_id,
    status: statusOf(row),
    ...(row.error_message === null ? {} : { error: row.error_message }),
    ...(row.hint === null ? {} : { hint: row.hint }),
  }));
  const successful = details.filter(({ status }) => status === 'created');
  const errors = details.filter(({ status }) => status === 'error' || status === 'conflict').length;
  return {
    processed: successful.length + errors,
    successful: successful.length,
    errors,
    success_rate: rate(successful.length, successful.length + errors),
    reservation_ids: successful.map((one) => one.reservation_id!),
    details,
  };
}

const statusOf = (row: ImportRow): z.input<typeof detail>['status'] =>
  row.reservation_id !== null
    ? 'created'
    : row.sync_status === 'error'
      ? 'error'
      : row.sync_status === 'conflict'
        ? 'conflict'
        : 'pending';
