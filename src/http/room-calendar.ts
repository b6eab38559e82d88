/** A room's day and week, both sides side by side. */
import { createRoute, z } from '@hono/zod-openapi';
import type { createRoomReports } from '../sync/report/room-reports.ts';
import { calendarStates, type createRoomCalendar } from '../sync/report/room-calendar.ts';
import { isDate } from '../sync/report/search-dates.ts';
import { fieldNames } from '../sync/plan/plan-words.ts';
import { noRoom } from './room-problem.ts';
import { answeredId, answers, instant, instantOrNull, newRoutes, resourceId } from './schema.ts';
import { shownItem, shownSide } from './sides.ts';

export interface RoomCalendarParts {
  readonly rooms: ReturnType<typeof createRoomReports>;
  readonly roomCalendar: ReturnType<typeof createRoomCalendar>;
}

const date = z
  .string()
  .refine(isDate, {
    error: ({ input }) => `'${String(input).slice(0, 60)}' is no date; write it as 2026-05-17`,
  })
  .openapi({ format: 'date', description: 'In BOOKING_TIMEZONE; without it today.' });

const item = z
  .object({
    mapping_id: z.number().int().nullable(),
    reservation_type: z.string().nullable(),
    reservation_id: answeredId.nullable(),
    outlook_event_id: z.string().nullable(),
    status: z.string().nullable().openapi({ description: 'Its sync_status; null: it has no mapping.' }),
    state: z.enum(calendarStates).openapi({
      description:
        'equal; different: `fields` says in what; waiting: it is on its way to the other side; failed: it could not be brought over; ' +
        'conflict: a person has to choose; shadowed: not shown in Outlook, because something more important takes its whole time; ' +
        'outlook_only: an event that is no reservation; booking_only: a reservation without an event',
    }),
    fields: z.array(z.string()),
    message: z.string().nullable(),
    hint: z.string().nullable(),
    organizer: z.string().nullable().openapi({ description: 'Who booked, else who invited the room.' }),
    url: z
      .string()
      .nullable()
      .openapi({ description: 'Where the booking system shows it, if its adapter says so.' }),
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
    summary: `The ${span} of a room as both sides show it${span === 'week' ? ', from Monday to Sunday' : ''}`,
    request: { params: z.object({ resource: resourceId }), query: z.object({ date: date.optional() }) },
    responses: answers(
      'What either side shows within these days, by start; what Outlook shows is as of its last reading.',
      z.object({
        success: z.literal(true),
        resource_id: z.number().int(),
        room: z.string(),
        timezone: z.string(),
        from: z.string(),
        to: z.string().openapi({ description: 'The last day.' }),
        starts_at: instant,
        ends_at: instant,
        outlook_as_of: instantOrNull.openapi({
          description: 'When the calendar was last read; null: never.',
        }),
        count: z.number().int(),
        total: z.number().int().openapi({ description: 'How many there are; at most 1000 are listed.' }),
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
