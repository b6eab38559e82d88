/** Mappings: lists, and one mapping with both sides as they are now and its history. Reads only. */
import type { Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import { differingFields, type BothSides, type Item, type ItemChange } from '../../item.ts';
import { findRow, queryPage, queryRows } from '../../query.ts';
import { failingAs } from '../store/failing.ts';
import {
  itemState,
  joinItem,
  joinRoom,
  mappingColumns,
  mappingError,
  mappingTitle,
  organizer,
  outlookShown,
} from '../store/mapping-sql.ts';

export interface MappingReport {
  readonly id: number;
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
  readonly resource_id: number;
  readonly outlook_item_id: string;
  readonly outlook_event_id: string | null;
  readonly sync_status: string;
  readonly priority_level: number;
  readonly title: string | null;
  readonly starts_at: Date | null;
  readonly ends_at: Date | null;
  readonly attempt: number;
  readonly error_message: string | null;
  readonly hint: string | null;
}

interface FullMapping extends MappingReport {
  readonly sync_direction: string;
  readonly due_at: Date | null;
  readonly last_sync_at: Date | null;
}

export interface ListedMapping extends FullMapping {
  /** The room's name, else its mailbox. */
  readonly room: string;
}

/** Null: any. */
export interface MappingChoice {
  readonly type: string | null;
  readonly reservationId: Id | null;
  readonly resourceId: number | null;
  readonly status: string | null;
  readonly limit: number;
}

/** One line of bridge_log. */
export interface LogLine {
  readonly at: Date;
  readonly action: string;
  readonly reason: string | null;
  /** The caller of the API, if the action is 'asked'. */
  readonly who: string | null;
  readonly latency_ms: number | null;
  readonly call_ms: number | null;
  readonly outlook_event_id: string | null;
  readonly request_id: string | null;
}

/**
 * The followed side before and after a change, as far as there was an agreement on its fields. Of its text only is known whether it
 * changed.
 */
export interface LoggedChange {
  readonly was: Omit<ItemChange, 'description'>;
  readonly is: Omit<ItemChange, 'description'>;
  readonly text: boolean;
}

/** The current state of both sides. */
interface Standing {
  /** The room's name, else its mailbox. */
  readonly room: string;
  /** The sync_direction of its room. */
  readonly direction: string;
  /** Its room is paused. */
  readonly paused: boolean;
  readonly organizer: string | null;
  /** Its address in the booking system, if the adapter knows it. */
  readonly url: string | null;
  /** Null: does not exist. */
  readonly booking: Item | null;
  readonly outlook: Item | null;
  /** The fields that differ although nothing else was agreed on. */
  readonly fields: readonly (keyof Item)[];
  /** The last read of the room's calendar; null: never. */
  readonly outlook_as_of: Date | null;
}

export interface Explained {
  readonly mapping: FullMapping | null;
  readonly standing: Standing | null;
  /** `change` null: none, or not known. */
  readonly lines: readonly (LogLine & { readonly change: LoggedChange | null })[];
}

export function createMappingReports(db: Database) {
  /** The chosen mappings, the soonest first and past ones last, and their number. */
  async function list(choice: MappingChoice): Promise<{ total: number; mappings: ListedMapping[] }> {
    const { type, reservationId, resourceId, status, limit } = choice;
    const { total, rows: mappings } = await queryPage<ListedMapping>(db, {
      // unnamed: the choice decides which index helps, so PostgreSQL plans each query by itself
      text: listText,
      values: [type, reservationId, resourceId, status, limit],
    });
    return { total, mappings };
  }

  /** One mapping and at most `limit` lines of its log, the newest last. Null: unknown. */
  async function explain(id: number, limit: number): Promise<Explained | null> {
    const [row, lines] = await Promise.all([
      findRow<FullMapping & Omit<Standing, 'fields'> & BothSides>(db, {
        name: 'explain_mapping',
        text: explainText,
        values: [id],
      }),
      queryRows<Explained['lines'][number]>(db, {
        name: 'explain_lines',
        text: linesText,
        values: [id, limit],
      }),
    ]);
    if (row === null) return lines.length === 0 ? null : { mapping: null, standing: null, lines };
    const { room, direction, paused, organizer: who, url, booking, outlook, outlook_as_of, ...rest } = row;
    const { booking_base: _booking, outlook_base: _outlook, ...mapping } = rest;
    const fields = differingFields(row);
    const standing = {
      room,
      direction,
      paused,
      organizer: who,
      url,
      booking,
      outlook,
      fields,
      outlook_as_of,
    };
    return { mapping, standing, lines };
  }

  return { list: failingAs('list mappings', list), explain: failingAs('explain a mapping', explain) };
}

const fullColumns = `${mappingColumns}, ${mappingTitle} AS title, m.sync_direction, m.due_at, m.last_sync_at`;

const listText = `
  SELECT ${fullColumns}, m.error_message, m.hint, m.total, coalesce(r.outlook_item_name, m.outlook_item_id) AS room
  FROM (
    SELECT *, count(*) OVER () AS total FROM bridge_mappings
    WHERE ($1::text IS NULL OR reservation_type = $1) AND ($2::bigint IS NULL OR reservation_id = $2)
      AND ($3::integer IS NULL OR resource_id = $3) AND ($4::text IS NULL OR sync_status = $4)
    ORDER BY ends_at < now(), starts_at, id LIMIT $5) m
  ${joinRoom('m')}
  ORDER BY m.ends_at < now(), m.starts_at, m.id`;

const explainText = `
  SELECT ${fullColumns}, ${mappingError}, coalesce(r.outlook_item_name, m.outlook_item_id) AS room, coalesce(r.active = 0, false) AS paused,
    coalesce(r.sync_direction, 'both') AS direction,
    ${organizer} AS organizer, i.url, m.booking_base, m.outlook_base,
    CASE WHEN i.active THEN ${itemState} END AS booking, ${outlookShown} AS outlook, s.pulled_at AS outlook_as_of
  FROM bridge_mappings m ${joinRoom('m')}
  LEFT JOIN bridge_room_state s ON s.resource_mapping_id = r.id
  ${joinItem}
  WHERE m.id = $1`;

const linesText = `
  SELECT at, action, reason, who, latency_ms, call_ms, outlook_event_id, request_id, change FROM (
    SELECT id, at, action, reason, who, latency_ms, call_ms, outlook_event_id, request_id,
      CASE WHEN detail ? 'was' THEN detail END AS change
    FROM (
      SELECT * FROM bridge_log WHERE mapping_id = $1
      UNION ALL
      -- an event that an unrecorded create had made had a mapping of its own
      SELECT l.* FROM bridge_mappings m JOIN bridge_log l
        ON l.reservation_type = m.reservation_type AND l.reservation_id = m.reservation_id AND l.resource_id = m.resource_id
      WHERE m.id = $1 AND l.mapping_id <> m.id AND l.action = 'deleted') own
    ORDER BY id DESC LIMIT $2) newest
  ORDER BY id`;
