/** Mappings as a person looks for them: of one reservation, of one room, or of one status. Reads only. */
import type { Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import { failingAs } from '../store/failing.ts';
import type { ExplainedMapping } from './reports.ts';

export interface ListedMapping extends ExplainedMapping {
  /** The room's name, else its mailbox. */
  readonly room: string;
}

/** Null: of any. */
export interface MappingChoice {
  readonly type: string | null;
  readonly reservationId: Id | null;
  readonly resourceId: number | null;
  readonly status: string | null;
  readonly limit: number;
}

export function createMappingList(db: Database) {
  /** Those that were chosen, the soonest first and what is over last, and how many there are. */
  async function list(choice: MappingChoice): Promise<{ total: number; mappings: ListedMapping[] }> {
    const { type, reservationId, resourceId, status, limit } = choice;
    const { rows } = await db.query<ListedMapping & { total: number }>({
      // unnamed: which index serves depends on what was chosen, so the plan is made for that
      text: listText,
      values: [type, reservationId, resourceId, status, limit],
    });
    return { total: rows[0]?.total ?? 0, mappings: rows.map(({ total: _total, ...mapping }) => mapping) };
  }

  return { list: failingAs('list mappings', list) };
}

const listText = `
  SELECT m.id, m.reservation_type, m.reservation_id, m.resource_id, m.outlook_item_id, m.outlook_event_id, m.sync_status,
    m.sync_direction, m.priority_level, coalesce(m.booking_seen, m.booking_base, m.outlook_base, m.outlook_seen) ->> 'title' AS title,
    m.starts_at, m.ends_at, m.attempt, m.error_message, m.hint, m.due_at, m.last_sync_at, m.total,
    coalesce(r.outlook_item_name, m.outlook_item_id) AS room
  FROM (
    SELECT *, count(*) OVER () AS total FROM bridge_mappings
    WHERE ($1::text IS NULL OR reservation_type = $1) AND ($2::bigint IS NULL OR reservation_id = $2)
      AND ($3::integer IS NULL OR resource_id = $3) AND ($4::text IS NULL OR sync_status = $4)
    ORDER BY ends_at < now(), starts_at, id LIMIT $5) m
  LEFT JOIN LATERAL (SELECT * FROM bridge_resource_mappings r WHERE r.resource_id = m.resource_id
    ORDER BY r.active DESC, r.id DESC LIMIT 1) r ON true
  ORDER BY m.ends_at < now(), m.starts_at, m.id`;
