/** One mapping as a person asks for it: both sides as they are now, and what was done to it, when and why. Reads only. */
import type { Database } from '../../database.ts';
import type { Item } from '../../item.ts';
import { itemsOf, unreadableHint, unreadableText } from '../store/readable-items.ts';
import type { PendingItem } from './reports.ts';
import { differing, type Sides } from './room-calendar.ts';

export interface LogLine {
  readonly at: Date;
  readonly action: string;
  readonly reason: string | null;
  /** Who asked for it through the API; of lines with the action 'asked'. */
  readonly who: string | null;
  readonly latency_ms: number | null;
  readonly call_ms: number | null;
  readonly outlook_event_id: string | null;
  readonly request_id: string | null;
  /** Of a change: the side that was followed as it was before and after it. Null: not known. */
  readonly change: Change | null;
}

/** Without its text, of which only is known whether it changed. */
export interface Change {
  readonly was: Omit<Item, 'description'>;
  readonly is: Omit<Item, 'description'>;
  readonly text: boolean;
}

export interface ExplainedMapping extends PendingItem {
  readonly sync_direction: string;
  readonly due_at: Date | null;
  readonly last_sync_at: Date | null;
}

/** Where it stands, and what each side shows. */
interface Standing {
  /** The room's name, else its mailbox. */
  readonly room: string;
  /** The sync_direction of its room. */
  readonly direction: string;
  /** Its room is paused: nothing is done. */
  readonly paused: boolean;
  /** As the booking system knows it, else who invited the room. */
  readonly organizer: string | null;
  /** Where the booking system shows it, of an adapter that says so. */
  readonly url: string | null;
  /** Null: it is not there. */
  readonly booking: Item | null;
  readonly outlook: Item | null;
  /** What they show differently, though they agreed otherwise. */
  readonly fields: readonly (keyof Item)[];
  /** When the room's calendar was last read; null: never. */
  readonly outlook_as_of: Date | null;
}

export interface Explained {
  readonly mapping: ExplainedMapping | null;
  readonly standing: Standing | null;
  readonly lines: readonly LogLine[];
}

/** One mapping and its log, the newest last; at most `limit` lines. Null: never heard of. */
export async function explainMapping(db: Database, id: number, limit: number): Promise<Explained | null> {
  const [mappings, log] = await Promise.all([
    db.query<ExplainedMapping & Omit<Standing, 'fields'> & Sides>({
      name: 'explain_mapping',
      text: explainText,
      values: [id],
    }),
    db.query<LogLine>({ name: 'explain_lines', text: linesText, values: [id, limit] }),
  ]);
  const [row] = mappings.rows;
  if (row === undefined)
    return log.rows.length === 0 ? null : { mapping: null, standing: null, lines: log.rows };
  const {
    room,
    direction,
    paused,
    organizer,
    url,
    booking,
    outlook,
    outlook_as_of,
    booking_base,
    outlook_base,
    ...mapping
  } = row;
  const fields = differing({ booking, outlook, booking_base, outlook_base });
  const standing = { room, direction, paused, organizer, url, booking, outlook, fields, outlook_as_of };
  return { mapping, standing, lines: log.rows };
}

const explainText = `
  SELECT m.id, m.reservation_type, m.reservation_id, m.resource_id, m.outlook_item_id, m.outlook_event_id, m.sync_status,
    m.sync_direction, m.priority_level, coalesce(m.booking_seen, m.booking_base, m.outlook_base, m.outlook_seen) ->> 'title' AS title,
    m.starts_at, m.ends_at, m.attempt, coalesce(m.error_message, ${unreadableText('i')}) AS error_message,
    coalesce(m.hint, CASE WHEN i.unreadable IS NOT NULL THEN '${unreadableHint}' END) AS hint, m.due_at, m.last_sync_at,
    coalesce(r.outlook_item_name, m.outlook_item_id) AS room, coalesce(r.active = 0, false) AS paused, coalesce(r.sync_direction, 'both') AS direction,
    coalesce(nullif(i.organizer_name, ''), nullif(i.organizer_email, ''), m.outlook_organizer) AS organizer, i.url, m.booking_base, m.outlook_base,
    CASE WHEN i.active THEN
      bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private) END AS booking,
    CASE WHEN m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled' AND coalesce(m.conflict ->> 'kind', '') <> 'deleted'
      THEN coalesce(nullif(m.conflict -> 'outlook', 'null'), m.outlook_seen, m.outlook_base) END AS outlook,
    s.pulled_at AS outlook_as_of
  FROM bridge_mappings m
  LEFT JOIN LATERAL (SELECT * FROM bridge_resource_mappings r WHERE r.resource_id = m.resource_id
    ORDER BY r.active DESC, r.id DESC LIMIT 1) r ON true
  LEFT JOIN bridge_room_state s ON s.resource_mapping_id = r.id
  LEFT JOIN LATERAL ${itemsOf('i', 'm.reservation_type', 'm.reservation_id', 'm.resource_id')} ON true
  WHERE m.id = $1`;

const linesText = `
  SELECT at, action, reason, who, latency_ms, call_ms, outlook_event_id, request_id, change FROM (
    SELECT id, at, action, reason, who, latency_ms, call_ms, outlook_event_id, request_id,
      CASE WHEN detail ? 'was' THEN detail END AS change
    FROM bridge_log WHERE mapping_id = $1 ORDER BY id DESC LIMIT $2) newest
  ORDER BY id`;
