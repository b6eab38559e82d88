/**
 * What the brake holds, and what a person says about it. A held mapping has the status 'conflict' and a row in
 * bridge_removals that was neither released nor applied: the rows of its reservation are gone and its event is there, or
 * (side 'booking') its event is gone and the reservation is there.
 *
 * Released: exactly the listed ones are decided again and their events deleted, unless the reservation is back.
 *
 * Refused, of a reservation whose event is gone: it gets a fresh event. Of an event: it stays. The mapping becomes 'cancelled' and
 * its event is to be kept (`event_intent`): it is never touched again, no sweep reads it, and `cleanUpMappings` leaves it alone. Its generation is not raised, so should the reservation come back (a restored
 * table), the create carries the idempotency key of the event that was kept, and that event is adopted, not doubled.
 */
import { inTransaction, type Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import { lockFold, makeDue } from './requests.ts';
import { failingAs } from '../store/failing.ts';
import type { Manual } from './manual.ts';
import type { Chosen, Outcome } from './outcomes.ts';

/** A removal that waits for a person. */
export interface HeldRemoval {
  readonly mapping_id: number;
  readonly reservation_type: string;
  readonly reservation_id: Id;
  readonly outlook_event_id: string;
  /** What would be taken away: an event in Outlook, or a reservation in the booking system. */
  readonly side: 'outlook' | 'booking';
  readonly title: string | null;
  readonly starts_at: Date | null;
  readonly ends_at: Date | null;
  readonly wanted_at: Date;
}

export interface HeldChoice {
  readonly resourceId: number;
  /** Only these; null: all that are held now. */
  readonly mappings: readonly number[] | null;
}

export function createHeldRemovals(db: Database, manual: Pick<Manual, 'begin' | 'settled'>) {
  /** What is held in a room, the soonest first. */
  async function list(resourceId: number): Promise<HeldRemoval[]> {
    const { rows } = await db.query<HeldRemoval>({
      name: 'held',
      text: `
        SELECT m.id AS mapping_id, m.reservation_type, m.reservation_id, m.outlook_event_id, d.side,
          coalesce(m.booking_seen, m.booking_base, m.outlook_base) ->> 'title' AS title, m.starts_at, m.ends_at, d.wanted_at
        FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
        WHERE m.resource_id = $1 AND m.sync_status = 'conflict' AND d.released_at IS NULL AND d.applied_at IS NULL
        ORDER BY m.starts_at, m.id LIMIT 1000`,
      values: [resourceId],
    });
    return rows;
  }

  /** Lets go what is held, waits for it, and says what became of each. */
  async function release({ resourceId, mappings }: HeldChoice, signal: AbortSignal): Promise<Outcome[]> {
    const call = await manual.begin(signal);
    const chosen = await inTransaction(db, async (client) => {
      await client.query(lockFold);
      const { rows } = await client.query<Chosen>({
        name: 'release_held',
        text: `
          WITH released AS (
            UPDATE bridge_removals d SET released_at = now() FROM bridge_mappings m
            WHERE m.id = d.mapping_id AND m.resource_id = $1 AND m.sync_status = 'conflict' AND d.released_at IS NULL
              AND d.applied_at IS NULL AND ($2::bigint[] IS NULL OR m.id = ANY ($2))
            RETURNING m.id)
          UPDATE bridge_mappings m SET sync_status = 'pending', due_at = now(), error_message = NULL, hint = NULL,
            conflict = NULL, revision = revision + 1,
            -- an event that was found to be gone is looked for once more
            outlook_news = CASE WHEN m.outlook_news IS NOT NULL THEN 'missing' END
          FROM released WHERE m.id = released.id
          RETURNING m.id AS "mappingId", m.reservation_type AS type, m.reservation_id AS "reservationId",
            m.resource_id AS "resourceId"`,
        values: [resourceId, mappings],
      });
      await makeDue(client, rows);
      return rows;
    });
    const outcomes = await manual.settled(chosen, call);
    await forgetUnused(chosen);
    return outcomes;
  }

  /** A release is for this time: where the reservation turned out to be back, nothing was removed and none is left over. */
  async function forgetUnused(chosen: readonly Chosen[]): Promise<void> {
    await db.query({
      name: 'forget_unused_releases',
      text: `DELETE FROM bridge_removals d USING bridge_mappings m
        WHERE m.id = d.mapping_id AND d.mapping_id = ANY ($1) AND d.applied_at IS NULL AND m.due_at IS NULL`,
      values: [chosen.map((one) => one.mappingId)],
    });
  }

  /** Keeps the events of what is held for good. Returns how many. */
  async function refuse({ resourceId, mappings }: HeldChoice): Promise<number> {
    const { rowCount } = await db.query({
      name: 'refuse_held',
      text: `
        WITH refused AS (
          DELETE FROM bridge_removals d USING bridge_mappings m
          WHERE m.id = d.mapping_id AND m.resource_id = $1 AND m.sync_status = 'conflict' AND d.released_at IS NULL
            AND d.applied_at IS NULL AND ($2::bigint[] IS NULL OR m.id = ANY ($2))
          RETURNING m.id, d.side
        ), restored AS (
          UPDATE bridge_mappings m SET sync_status = 'pending', due_at = now(), lane = 0, attempt = 0, revision = revision + 1,
            generation = generation + 1, outlook_event_id = NULL, agreement = 'never', outlook_base = NULL, outlook_news = NULL,
            is_organizer = true, conflict = NULL, error_message = NULL, hint = NULL, updated_at = now()
          FROM refused WHERE m.id = refused.id AND refused.side = 'booking' RETURNING m.*
        ), requested AS (
          UPDATE bridge_room_state s SET push_due_at = now(), push_lane = 0, asked_at = now()
          FROM bridge_resource_mappings r
          WHERE r.id = s.resource_mapping_id AND r.active = 1 AND r.resource_id IN (SELECT resource_id FROM restored)
        ), kept AS (
          UPDATE bridge_mappings m SET sync_status = 'cancelled', due_at = NULL, attempt = 0, revision = revision + 1,
            event_intent = 'keep', outlook_base = coalesce(m.outlook_base, m.outlook_seen, m.booking_base),
            error_message = NULL, hint = NULL, updated_at = now()
          FROM refused WHERE m.id = refused.id AND refused.side = 'outlook' RETURNING m.*
        )
        INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id,
          outlook_event_id, action, reason)
        SELECT id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, 'kept',
          'a person refused its removal' FROM (SELECT * FROM kept UNION ALL SELECT * FROM restored) both_sides`,
      values: [resourceId, mappings],
    });
    return rowCount ?? 0;
  }

  return {
    list: failingAs('list what is held', list),
    release: failingAs('release what is held', release),
    refuse: failingAs('refuse what is held', refuse),
  };
}
