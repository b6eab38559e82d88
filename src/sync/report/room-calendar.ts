/** A day or week of one room as both sides show it, item by item. Reads only our tables and the adapter's view. */
import type { Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import { differingFields, type BothSides, type Item } from '../../item.ts';
import { queryRow, queryRows } from '../../query.ts';
import { failingAs } from '../store/failing.ts';
import { itemsIn, itemsOf } from '../store/readable-items.ts';
import { linkOf, linksOf } from './booking-links.ts';
import { outlookShown, reasonOf } from '../store/mapping-sql.ts';
import { addDays, mondayOf } from './search-dates.ts';

export const calendarStates = [
  'equal',
  'different',
  'waiting',
  'failed',
  'conflict',
  'shadowed',
  'outlook_only',
  'booking_only',
] as const;
type CalendarState = (typeof calendarStates)[number];

interface CalendarItem {
  readonly mapping_id: number | null;
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
  readonly outlook_event_id: string | null;
  /** Null: it has no mapping. */
  readonly status: string | null;
  readonly state: CalendarState;
  /** The fields that differ. */
  readonly fields: readonly (keyof Item)[];
  readonly message: string | null;
  readonly hint: string | null;
  readonly organizer: string | null;
  /** Its address in the booking system, if the adapter knows it. */
  readonly url: string | null;
  /** Null: does not exist. */
  readonly booking: Item | null;
  readonly outlook: Item | null;
}

export interface RoomCalendar {
  readonly timezone: string;
  /** Days in that zone, inclusive. */
  readonly from: string;
  readonly to: string;
  /** The start and end of these days. */
  readonly opens: Date;
  readonly closes: Date;
  /** The last read of the room's calendar; null: never. */
  readonly outlook_as_of: Date | null;
  readonly total: number;
  readonly items: readonly CalendarItem[];
}

interface Row extends Omit<CalendarItem, 'state' | 'fields' | 'url'>, BothSides {
  /** The booking system cannot show it; `message` has the reason. */
  readonly unreadable: boolean;
  readonly due: boolean;
}

const mostCalendarItems = 1_000;

export function createRoomCalendar(db: Database) {
  /** The day or week (from Monday) of `date` (YYYY-MM-DD; null: today). */
  async function read(resourceId: number, span: 'day' | 'week', date: string | null): Promise<RoomCalendar> {
    const { timezone, today, asOf } = await queryRow<{ timezone: string; today: string; asOf: Date | null }>(
      db,
      {
        name: 'calendar_settings',
        text: settingsText,
        values: [resourceId],
      },
    );
    const asked = date ?? today;
    const from = span === 'day' ? asked : mondayOf(asked);
    const to = span === 'day' ? asked : addDays(from, 6);
    const rows = await queryRows<Row & { total: number; opens: Date; closes: Date }>(db, {
      name: 'room_calendar',
      text: calendarText,
      values: [resourceId, timezone, from, to, mostCalendarItems],
    });
    const { total, opens, closes } = rows[0]!;
    // without items there is one row with only the days
    const shown = rows.filter((row) => row.booking !== null || row.outlook !== null || row.unreadable);
    const links = await linksOf(db, shown);
    return {
      timezone,
      from,
      to,
      opens,
      closes,
      outlook_as_of: asOf,
      total,
      items: shown.map((row) => itemOf(row, linkOf(links, row))),
    };
  }

  return { read: failingAs('read the calendar of a room', read) };
}

function itemOf(row: Row, url: string | null): CalendarItem {
  const { mapping_id, reservation_type, reservation_id, outlook_event_id, status, message, hint } = row;
  const { organizer, booking, outlook } = row;
  const fields = differingFields(row);
  return {
    mapping_id,
    reservation_type,
    reservation_id,
    outlook_event_id,
    status,
    state: stateOf(row, fields),
    fields,
    message,
    hint,
    organizer,
    url,
    booking,
    outlook,
  };
}

function stateOf(row: Row, fields: readonly string[]): CalendarState {
  if (row.status === 'conflict') return 'conflict';
  if (row.status === 'error' || row.unreadable) return 'failed';
  if (row.status === 'shadowed') return 'shadowed';
  if (row.reservation_id === null) return 'outlook_only';
  if (row.status === 'pending' || row.due) return 'waiting';
  if (row.outlook === null) return 'booking_only';
  if (row.booking === null) return 'outlook_only';
  return fields.length === 0 ? 'equal' : 'different';
}

const settingsText = `
  SELECT zone AS timezone, (now() AT TIME ZONE zone)::date::text AS today,
    (SELECT s.pulled_at FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id
     WHERE r.resource_id = $1 ORDER BY r.active DESC, r.id DESC LIMIT 1) AS "asOf"
  FROM (SELECT coalesce((SELECT value FROM bridge_settings WHERE name = 'timezone'), 'UTC') AS zone) settings`;

const [mappedReason, reason] = [reasonOf('c', 'b'), reasonOf(null, 'b')];

// An item belongs to a day if either side shows it there: one that was moved in Outlook is on both days.
const calendarText = `
  WITH days AS MATERIALIZED (
    SELECT $3::date::timestamp AT TIME ZONE $2::text AS opens, ($4::date + 1)::timestamp AT TIME ZONE $2::text AS closes
  ), mapping AS (
    SELECT m.*, ${outlookShown} AS outlook
    FROM bridge_mappings m WHERE m.resource_id = $1 AND m.sync_status <> 'cancelled'
  ), booked AS (
    SELECT i.* FROM days, ${itemsIn('i', '$1', 'days.opens', 'days.closes')}
  ), chosen AS (
    SELECT m.* FROM mapping m, days
    WHERE m.starts_at < days.closes AND greatest(m.ends_at, m.starts_at + interval '1 second') > days.opens
      OR (m.outlook ->> 'startsAt')::timestamptz < days.closes
        AND greatest((m.outlook ->> 'endsAt')::timestamptz, (m.outlook ->> 'startsAt')::timestamptz + interval '1 second') > days.opens
      OR EXISTS (SELECT FROM booked b WHERE b.reservation_type = m.reservation_type AND b.reservation_id = m.reservation_id)
  ), shown AS (
    SELECT c.id AS mapping_id, c.reservation_type, c.reservation_id, c.outlook_event_id, c.sync_status AS status,
      ${mappedReason.message} AS message, ${mappedReason.hint} AS hint,
      b.unreadable IS NOT NULL AS unreadable, c.starts_at AS placed_at,
      c.due_at IS NOT NULL AS due, c.booking_base, c.outlook_base, c.outlook,
      b.starts_at, b.ends_at, b.all_day, b.title, b.description, b.is_private,
      coalesce(nullif(b.organizer_name, ''), nullif(b.organizer_email, ''), c.outlook_organizer) AS organizer
    FROM chosen c LEFT JOIN LATERAL (
      SELECT * FROM ${itemsOf('i', 'c.reservation_type', 'c.reservation_id', '$1')} WHERE i.active OR i.unreadable IS NOT NULL) b ON true
    UNION ALL
    SELECT NULL, b.reservation_type, b.reservation_id, NULL, NULL, ${reason.message}, ${reason.hint},
      b.unreadable IS NOT NULL, days.opens,
      false, NULL, NULL, NULL,
      b.starts_at, b.ends_at, b.all_day, b.title, b.description, b.is_private,
      coalesce(nullif(b.organizer_name, ''), nullif(b.organizer_email, ''))
    FROM booked b, days WHERE NOT EXISTS (SELECT FROM chosen c
      WHERE c.reservation_type = b.reservation_type AND c.reservation_id = b.reservation_id)
  ), printed AS (
    SELECT mapping_id, reservation_type, reservation_id, outlook_event_id, status, message, hint, unreadable, due, booking_base, outlook_base,
      CASE WHEN starts_at IS NOT NULL THEN bridge_item_state(starts_at, ends_at, all_day, title, description, is_private) END AS booking,
      outlook, organizer,
      coalesce(least(starts_at, (outlook ->> 'startsAt')::timestamptz), CASE WHEN unreadable THEN placed_at END) AS first
    FROM shown
  )
  SELECT days.opens, days.closes, p.*, count(p.first) OVER () AS total FROM days LEFT JOIN printed p ON p.first IS NOT NULL
  ORDER BY p.first, p.mapping_id LIMIT $5`;
