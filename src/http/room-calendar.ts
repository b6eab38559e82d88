/** A room's day and week with both sides. */
import { createRoute, z } from '@hono/zod-openapi';
import type { createRoomReports } from '../sync/report/room-reports.ts';
import { calendarStates, type createRoomCalendar } from '../sync/report/room-calendar.ts';
import { isDate } from '../sync/report/search-dates.ts';
import { fieldNames } from '../sync/plan/plan-words.ts';
import { noRoom } from './problem.ts';
import { answeredId, answers, instant, instantOrNull, newRoutes, resourceId } from './schema.ts';
import { shownItem, shownSide } from './sides.ts';

export interface RoomCalendarParts {
  readonly rooms: ReturnType<typeof createRoomReports>;
  readonly roomCalendar: ReturnType<typeof createRoomCalendar>;
}

const date = z
  .string()
  .refine(isDate, {
    error: ({ input }) => `'${String(input).slice(0, 60)}' is not a date; write it as 2026-05-17`,
  })
  .openapi({ format: 'date', description: 'In BOOKING_TIMEZONE; default: today.' });

const item = z
  .object({
    mapping_id: z.number().int().nullable(),
    reservation_type: z.string().nullable(),
    reservation_id: answeredId.nullable(),
    outlook_event_id: z.string().nullable(),
    status: z.string().nullable().openapi({ description: 'Its sync_status; null: no mapping.' }),
    state: z.enum(calendarStates).openapi({
      description:
        'equal; different: see `fields`; waiting: on its way to the other side; failed: it could not be synced; ' +
        'conflict: a person has to choose; shadowed: not shown in Outlook because a more important item takes its whole time; ' +
        'outlook_only: an event without a reservation; booking_only: a reservation without an event',
    }),
    fields: z.array(z.string()),
    message: z.string().nullable(),
    hint: z.string().nullable(),
    organizer: z
      .string()
      .nullable()
      .openapi({ description: 'The organiser of the booking, else of the meeting.' }),
    url: z
      .string()
      .nullable()
      .openapi({ description: 'Its address in the booking system, if the adapter has one.' }),
    booking: shownItem,
    outlook: shownItem,
    explain: z.string().nullable().openapi({ example: '/mappings/1/explain' }),
  })
  .openapi('CalendarItem');

const calendarRoute = (span: 'day' | 'week') =>
  createRoute({
    method: 'get',
    path: `/rooms/{resource}/${span}`,
    tags: ['Rooms'],
    summary: `The ${span} of a room on both sides${span === 'week' ? ', from Monday to Sunday' : ''}`,
    request: { params: z.object({ resource: resourceId }), query: z.object({ date: date.optional() }) },
    responses: answers(
      'Items of both sides within these days, by start; Outlook’s as last read.',
      z.object({
        success: z.literal(true),
        resource_id: z.number().int(),
        room: z.string(),
        sync_direction: z.string(),
        timezone: z.string(),
        from: z.string(),
        to: z.string().openapi({ description: 'The last day.' }),
        starts_at: instant,
        ends_at: instant,
        outlook_as_of: instantOrNull.openapi({
          description: 'The time of the last read of the calendar; null: never.',
        }),
        count: z.number().int(),
        total: z.number().int().openapi({ description: 'The total number; at most 1000 are listed.' }),
        items: z.array(item),
      }),
      [404],
    ),
  });

export function roomCalendarRoutes({ rooms, roomCalendar }: RoomCalendarParts) {
  async function calendar(resource: number, span: 'day' | 'week', wanted: string | undefined) {
    const room = await rooms.find(resource);
    if (room === null) throw noRoom(resource);
    const read = await roomCalendar.read(resource, span, wanted ?? null);
    return {
      success: true as const,
      resource_id: resource,
      room: room.outlook_item_name ?? room.outlook_item_id,
      sync_direction: room.sync_direction,
      timezone: read.timezone,
      from: read.from,
      to: read.to,
      starts_at: read.opens,
      ends_at: read.closes,
      outlook_as_of: read.outlook_as_of,
      count: read.items.length,
      total: read.total,
      items: read.items.map((one) => ({
        ...one,
        fields: fieldNames(one.fields),
        booking: shownSide(one.booking),
        outlook: shownSide(one.outlook),
        explain: one.mapping_id === null ? null : `/mappings/${one.mapping_id}/explain`,
      })),
    };
  }
  return newRoutes()
    .openapi(calendarRoute('day'), async (c) =>
      c.json(await calendar(c.req.valid('param').resource, 'day', c.req.valid('query').date), 200),
    )
    .openapi(calendarRoute('week'), async (c) =>
      c.json(await calendar(c.req.valid('param').resource, 'week', c.req.valid('query').date), 200),
    );
}
