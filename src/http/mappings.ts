/** Mappings: list, and the history of one in words. */
import { createRoute, z } from '@hono/zod-openapi';
import type { createMappingReports, Explained, LogLine } from '../sync/report/mapping-reports.ts';
import { changeInWords, inWords } from '../sync/report/item-words.ts';
import { fieldNames } from '../sync/plan/plan-words.ts';
import { syncStatuses } from '../sync/report/reports.ts';
import { Problem } from './problem.ts';
import { shownItem, shownSide } from './sides.ts';
import { workColumns } from './mapping-schema.ts';
import {
  answers,
  instant,
  instantOrNull,
  limit,
  mappingId,
  newRoutes,
  reservationId,
  knownType,
  reservationType,
  type TypeParts,
  resourceId,
} from './schema.ts';

export interface MappingParts extends TypeParts {
  readonly mappings: ReturnType<typeof createMappingReports>;
  /** The booking system's time zone. */
  readonly timezone: string;
}

const mapping = z
  .object({
    id: z.number().int(),
    ...workColumns,
    sync_direction: z.string(),
    due_at: instantOrNull,
    last_sync_at: instantOrNull,
  })
  .openapi('Mapping');

export const who = z.string().nullable().openapi({
  description: 'For the action asked: the name of the key, with the user’s name from a proxy.',
});

const line = z
  .object({
    at: instant,
    text: z.string(),
    action: z.string(),
    reason: z.string().nullable(),
    why: z.string().openapi({ description: 'The reason in words, with old and new values.' }),
    who,
    latency_ms: z.number().nullable(),
    call_ms: z.number().nullable(),
    outlook_event_id: z.string().nullable(),
    request_id: z.string().nullable().openapi({ description: 'Microsoft needs it in a support case.' }),
  })
  .openapi('LogLine');

const standing = z
  .object({
    room: z.string(),
    direction: z.string().openapi({ description: 'The sync_direction of its room.' }),
    paused: z.boolean().openapi({ description: 'Its room is paused.' }),
    organizer: z.string().nullable(),
    url: z.string().nullable().openapi({ description: 'Its address in the booking system.' }),
    booking: shownItem,
    outlook: shownItem,
    fields: z.array(z.string()).openapi({ description: 'The fields that differ.' }),
    outlook_as_of: instantOrNull.openapi({
      description: 'The time of the last read of the room’s calendar.',
    }),
  })
  .nullable()
  .openapi({ description: 'The current state of both sides. Null: the mapping no longer exists.' });

const listRoute = createRoute({
  method: 'get',
  path: '/mappings',
  tags: ['Mappings'],
  summary: 'Mappings of a reservation, a room, or a status',
  request: {
    query: z.object({
      reservation_type: reservationType.optional(),
      reservation_id: reservationId.optional(),
      resource_id: resourceId.optional(),
      status: z.enum(syncStatuses).optional(),
      limit: limit(50),
    }),
  },
  responses: answers(
    'The mappings, soonest first, past ones last.',
    z.object({
      success: z.literal(true),
      count: z.number().int().openapi({ description: 'The number of listed items.' }),
      total: z.number().int().openapi({ description: 'The total number.' }),
      mappings: z.array(z.object({ ...mapping.shape, room: z.string() }).openapi('ListedMapping')),
    }),
  ),
});

const explainRoute = createRoute({
  method: 'get',
  path: '/mappings/{id}/explain',
  tags: ['Mappings'],
  summary: 'The history of one mapping',
  request: { params: z.object({ id: mappingId }), query: z.object({ limit: limit(100) }) },
  responses: answers(
    'The mapping (null: it no longer exists) and its newest lines, newest last.',
    z.object({
      success: z.literal(true),
      count: z.number().int(),
      mapping: mapping.nullable(),
      standing,
      lines: z.array(line),
    }),
    [404],
  ),
});

export function mappingRoutes(parts: MappingParts) {
  const { mappings } = parts;
  return newRoutes()
    .openapi(listRoute, async (c) => {
      const query = c.req.valid('query');
      if (query.reservation_type !== undefined)
        await knownType(parts, query.reservation_type, 'reservation_type');
      const found = await mappings.list({
        type: query.reservation_type ?? null,
        reservationId: query.reservation_id ?? null,
        resourceId: query.resource_id ?? null,
        status: query.status ?? null,
        limit: query.limit,
      });
      return c.json({ success: true as const, count: found.mappings.length, ...found }, 200);
    })
    .openapi(explainRoute, async (c) => {
      const { id } = c.req.valid('param');
      const explained = await mappings.explain(id, c.req.valid('query').limit);
      if (explained === null)
        throw new Problem(404, `There is no mapping ${id}.`, 'GET /mappings finds them by reservation.');
      const { mapping: found } = explained;
      return c.json({ success: true as const, ...printed(explained, parts.timezone), mapping: found }, 200);
    });
}

/** The history of one mapping, for the API and the command line. */
export function printed({ standing: stands, lines }: Explained, zone: string) {
  return {
    count: lines.length,
    standing: stands && {
      ...stands,
      fields: fieldNames(stands.fields),
      booking: shownSide(stands.booking),
      outlook: shownSide(stands.outlook),
    },
    lines: lines.map(({ change, ...entry }) => ({
      ...entry,
      text: sentence({ ...entry, change }, zone),
      why: whyOf({ ...entry, change }, zone),
    })),
  };
}

const sentences: Readonly<Record<string, string>> = {
  created: 'Its event was created in Outlook',
  adopted: 'An event that was in Outlook already was recognised as its own',
  updated: 'Its event was changed in Outlook',
  deleted: 'Its event was deleted in Outlook',
  shadowed: 'It is not shown: a more important item takes its whole time',
  waiting: 'It waits',
  forgotten: 'It has nothing to show',
  delayed: 'It failed and is tried again',
  parked: 'It was set aside until a person or a change of the booking helps',
  kept: 'Its event is kept',
  declined: 'The meeting was declined, so its organiser knows',
  imported: 'It was imported from Outlook',
  joined: 'A further room of its meeting was added',
  'booking-updated': 'It was changed, as in Outlook',
  'booking-cancelled': 'It was cancelled, because its event is gone from Outlook',
  cancelled: 'It was cancelled in the booking system',
  undone: 'It was undone',
};

type Told = Pick<LogLine, 'action' | 'reason' | 'who' | 'latency_ms' | 'call_ms'> &
  Partial<Pick<Explained['lines'][number], 'change'>>;

/** One line of the log in words; `zone` is used for times, which only lines with a change have. */
export function sentence(
  { action, reason, who: caller, latency_ms: latencyMs, call_ms: callMs, change = null }: Told,
  zone = 'UTC',
): string {
  if (action === 'asked')
    return `${caller === null ? 'Request' : `Request from ${caller}`}: ${reason ?? ''}.`;
  const took = latencyMs === null ? '' : `, ${Math.round(latencyMs)} ms after the change`;
  const call = callMs === null || callMs === 0 ? '' : ` (the call took ${Math.round(callMs)} ms)`;
  const why = whyOf({ reason, change }, zone);
  return `${sentences[action] ?? action}${took}${call}${why === '' ? '' : `: ${why}`}.`;
}

/** The reason with old and new values; empty: unknown. */
export function whyOf({ reason, change = null }: Pick<Told, 'reason' | 'change'>, zone = 'UTC'): string {
  const changed = change === null ? '' : changeInWords(change, zone);
  return changed === '' ? inWords(reason ?? '') : changed + restOf(reason ?? '');
}

/** The part of a reason after its leading field names. */
function restOf(reason: string): string {
  const rest = reason.replace(/^(?:(?:startsAt|endsAt|allDay|title|description|isPrivate)(?:, )?)+/, '');
  return rest === '' || rest.startsWith(' ') ? inWords(rest) : `; ${inWords(rest)}`;
}
