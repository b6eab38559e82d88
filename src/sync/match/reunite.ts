/**
 * Events that are there again under another id: a mailbox that was restored or moved, a calendar that was exported and
 * imported, a person who cut and pasted. Their reservations would be taken for abandoned, and the events for new ones.
 */
import type { Database } from '../../database.ts';
import { inTransaction } from '../../database.ts';
import type { Item } from '../../item.ts';
import { sameTitle } from './candidates.ts';
import type { LeasedRoom } from '../store/mappings.ts';

/** An event that was verified to be gone, and one nobody knows yet, at the same time. */
interface Pair {
  readonly id: number;
  readonly before: Item;
  readonly newborn: number;
  readonly now: Item;
}

/**
 * Gives to each mapping whose event is gone the new event that shows what that one showed last, if there is one: the same
 * time and the same title, as people compare titles. It is read before anything else is decided. Returns how many.
 */
export async function reunite(db: Database, room: LeasedRoom): Promise<number> {
  const { rows } = await db.query<Pair>({
    name: 'lost_and_found',
    text: `
      SELECT g.id, g.outlook_base AS before, n.id AS newborn, n.outlook_seen AS now
      FROM bridge_mappings g
      JOIN bridge_mappings n ON n.resource_id = g.resource_id AND n.reservation_id IS NULL AND n.outlook_event_id IS NOT NULL
        AND n.outlook_seen ->> 'startsAt' = g.outlook_base ->> 'startsAt' AND n.outlook_seen ->> 'endsAt' = g.outlook_base ->> 'endsAt'
        AND coalesce(n.conflict ->> 'kind', '') <> 'moved'
      WHERE g.resource_id = $1 AND g.outlook_item_id = $2 AND g.outlook_news = 'gone' AND g.reservation_id IS NOT NULL
        AND g.sync_status <> 'cancelled' AND NOT g.removing
      ORDER BY g.id, n.id`,
    values: [room.resourceId, room.outlookItemId],
  });
  const pairs = matched(rows);
  if (pairs.length === 0) return 0;
  return await inTransaction(db, async (client) => {
    // see bridge_settle
    await client.query('SELECT pg_advisory_xact_lock_shared(7230912, 2)');
    const { rowCount } = await client.query({
      name: 'reunite',
      text: `
        WITH pairs AS (
          SELECT * FROM jsonb_to_recordset($3) AS p (id bigint, newborn bigint)
          WHERE EXISTS (SELECT FROM bridge_room_state s WHERE s.resource_mapping_id = $1 AND s.lease_epoch = $2)
        ), newborn AS (
          DELETE FROM bridge_mappings n USING pairs p, bridge_mappings g
          WHERE n.id = p.newborn AND n.reservation_id IS NULL AND g.id = p.id AND g.outlook_news = 'gone'
          RETURNING p.id AS taker, n.outlook_event_id, n.is_organizer, n.ical_uid, n.original_start, n.series_master_id
        ), given AS (
          UPDATE bridge_mappings g SET outlook_event_id = b.outlook_event_id, is_organizer = b.is_organizer, ical_uid = b.ical_uid,
            original_start = b.original_start, series_master_id = b.series_master_id, outlook_news = 'look', outlook_etag = NULL,
            sync_status = 'pending', conflict = NULL, error_message = NULL, hint = NULL, due_at = now(), lane = 0, attempt = 0,
            revision = g.revision + 1, updated_at = now()
          FROM newborn b WHERE g.id = b.taker RETURNING g.*
        )
        INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, action, reason)
        SELECT id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, 'adopted',
          'its event is there again, under another id' FROM given`,
      values: [room.id, room.epoch, JSON.stringify(pairs.map(({ id, newborn }) => ({ id, newborn })))],
    });
    return rowCount ?? 0;
  });
}

/** Of all that could be, each mapping and each event once. */
function matched(pairs: readonly Pair[]): Pair[] {
  const taken = new Set<number>();
  const given = new Set<number>();
  return pairs.filter(({ id, newborn, before, now }) => {
    if (given.has(id) || taken.has(newborn) || !sameTitle(before.title, now.title)) return false;
    given.add(id);
    taken.add(newborn);
    return true;
  });
}
