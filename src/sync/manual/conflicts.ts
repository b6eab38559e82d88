/** What waits for a person because the two sides disagree, and what that person says. */
import { inTransaction, type Database, type Queryable } from '../../database.ts';
import type { Item } from '../../item.ts';
import { lockFold } from './requests.ts';
import { failingAs } from '../store/failing.ts';
import type { Manual } from './manual.ts';
import type { ConflictNote } from '../store/mappings.ts';
import type { Outcome } from './outcomes.ts';

export interface OpenConflict {
  readonly id: number;
  readonly reservation_type: string | null;
  readonly reservation_id: number | null;
  readonly resource_id: number;
  readonly room: string;
  readonly outlook_event_id: string | null;
  readonly kind: ConflictNote['kind'];
  readonly fields: readonly string[];
  readonly message: string | null;
  readonly hint: string | null;
  readonly since: Date;
  /** The room organises the event; false: it was invited. */
  readonly is_organizer: boolean;
  /** Another one once either side shows something else. */
  readonly version: string;
  /** As each side shows it; null: not there. */
  readonly booking: Item | null;
  readonly outlook: Item | null;
}

/** Its reservation is cancelled or gone: the room is about to say what becomes of it. */
const hasEnded = ({ kind, booking }: OpenConflict) =>
  booking === null && (kind === 'fields' || kind === 'deleted' || kind === 'moved' || kind === 'refused');

export type Conflicts = ReturnType<typeof createConflicts>;

export function createConflicts(db: Database, manual: Pick<Manual, 'begin' | 'foldAll' | 'settled'>) {
  /** The open ones, the soonest to take place first. What the brake holds is listed with its room. */
  const list = (limit: number, id: number | null = null) => read(db, limit, id);

  async function read(reader: Queryable, limit: number, id: number | null): Promise<OpenConflict[]> {
    const { rows } = await reader.query<OpenConflict>({
      name: 'open_conflicts',
      text: `
        SELECT c.*, md5(concat_ws('|', c.kind, c.fields, c.booking, c.outlook)) AS version FROM (
        SELECT m.id, coalesce(m.reservation_type, o.reservation_type) AS reservation_type,
          coalesce(m.reservation_id, o.reservation_id) AS reservation_id, m.resource_id,
          coalesce(r.outlook_item_name, m.outlook_item_id) AS room, m.outlook_event_id, m.is_organizer,
          m.conflict ->> 'kind' AS kind, coalesce(m.conflict -> 'fields', '[]') AS fields,
          coalesce(m.error_message, 'The booking system moved this reservation away from its meeting.') AS message,
          coalesce(m.hint, 'Choose which side to keep.') AS hint, m.updated_at AS since,
          CASE WHEN b.reservation_id IS NOT NULL THEN
            bridge_item_state(b.starts_at, b.ends_at, b.all_day, b.title, b.description, b.is_private) END AS booking,
          CASE WHEN m.conflict ->> 'kind' = 'deleted' OR m.outlook_news IN ('gone', 'vacated') THEN NULL
            ELSE coalesce(nullif(m.conflict -> 'outlook', 'null'), m.outlook_seen, m.outlook_base) END AS outlook
        FROM bridge_mappings m
        -- what waited in a room that was taken away is about nothing any more
        JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
        LEFT JOIN bridge_mappings o ON o.id = (m.conflict ->> 'mapping')::bigint
        -- of an event on a taken time, what takes it
        LEFT JOIN LATERAL (
          SELECT i.* FROM bridge_items i
          WHERE i.resource_id = m.resource_id AND i.active AND CASE
            WHEN m.reservation_id IS NOT NULL THEN i.reservation_type = m.reservation_type AND i.reservation_id = m.reservation_id
            WHEN o.id IS NOT NULL THEN i.reservation_type = o.reservation_type AND i.reservation_id = o.reservation_id
            ELSE m.conflict ->> 'kind' = 'overlap' AND i.starts_at < (m.outlook_seen ->> 'endsAt')::timestamptz
              AND i.ends_at > (m.outlook_seen ->> 'startsAt')::timestamptz END
          ORDER BY i.priority_level, i.starts_at LIMIT 1) b ON true
        WHERE m.sync_status = 'conflict' AND m.conflict ->> 'kind' <> 'gone' AND ($2::bigint IS NULL OR m.id = $2)
        ORDER BY coalesce(m.starts_at, 'infinity'), m.id LIMIT $1) c`,
      values: [limit, id],
    });
    return rows;
  }

  /**
   * Keeps one side, carries it out and says what came of it. `version`: of the conflict as the person saw it. Null: there is no
   * such open conflict; 'changed': it is another one by now, and nothing was done.
   */
  async function resolve(
    id: number,
    keep: 'booking' | 'outlook',
    version: string | null,
    signal: AbortSignal,
  ): Promise<{ readonly conflict: OpenConflict; readonly outcome: Outcome } | 'changed' | null> {
    const call = await manual.begin(signal);
    // what a clerk did just now counts: a conflict that it ends is not to be chosen in
    await manual.foldAll(call);
    const conflict = await inTransaction(db, async (client) => {
      await client.query(lockFold);
      const [open] = await read(client, 1, id);
      if (open === undefined) return null;
      if (hasEnded(open) || (version !== null && open.version !== version)) return 'changed';
      await client.query({
        name: 'resolve_conflict',
        text: `
          WITH chosen AS (
            UPDATE bridge_mappings SET resolution = $2, due_at = now(), lane = 0, attempt = 0, revision = revision + 1
            WHERE id = $1 AND sync_status = 'conflict' RETURNING resource_id)
          UPDATE bridge_room_state s SET push_due_at = now(), push_lane = 0, asked_at = now(), retry_at = NULL
          FROM bridge_resource_mappings r JOIN chosen USING (resource_id)
          WHERE r.id = s.resource_mapping_id AND r.active = 1`,
        values: [id, keep],
      });
      return open;
    });
    if (conflict === null || conflict === 'changed') return conflict;
    const [outcome] = await manual.settled(
      [
        {
          mappingId: id,
          type: conflict.reservation_type,
          reservationId: conflict.reservation_id,
          resourceId: conflict.resource_id,
        },
      ],
      call,
    );
    return { conflict, outcome: outcome! };
  }

  return {
    list: failingAs('list conflicts', list),
    resolve: failingAs('resolve a conflict', resolve),
  };
}
