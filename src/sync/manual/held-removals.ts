/**
 * Removals held by the brake, and a person's decision about them. A held mapping has the status 'conflict', no conflict of another kind
 * than 'gone', and a row in bridge_removals that was neither released nor applied: its reservation is gone and its event exists, or (side 'booking') the reverse.
 *
 * Released: exactly the listed removals are decided again and carried out, unless the reservation is back.
 *
 * Refused: a reservation without its event gets a new one. An event without its reservation stays: its mapping becomes 'cancelled'
 * with the intent to keep the event, and nothing changes the event again. The generation is not raised, so if the reservation is
 * restored, its create has the idempotency key of the kept event, which is adopted.
 */
import type { Database, Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import { queryRows } from '../../query.ts';
import { makeDue, underFoldLock } from './requests.ts';
import type { BeginCall } from './call.ts';
import { failingAs } from '../store/failing.ts';
import { isHeld } from '../../waits-for-person.ts';
import { heldByResource } from '../store/mapping-sql.ts';
import { chosenColumns, type Chosen, type ItemOutcome } from './outcomes.ts';

/** A removal that waits for a decision. */
export interface HeldRemoval {
  readonly mapping_id: number;
  readonly reservation_type: string;
  readonly reservation_id: Id;
  readonly outlook_event_id: string;
  /** The side of the removal: an event in Outlook, or a reservation in the booking system. */
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

/** The held removals that a person chose: of the room $1, only these ($2), or all. */
const isChosen = `m.resource_id = $1 AND ${isHeld} AND ($2::bigint[] IS NULL OR m.id = ANY ($2))`;

/** The number of held removals in each active room that has some, or in one (`resourceId`). */
export const readHeld = (db: Queryable, resourceId: number | null) =>
  queryRows<{ resource_id: number; n: number }>(db, {
    name: 'rooms_held',
    text: `
      SELECT held.resource_id, held.n FROM (${heldByResource}) held
      JOIN bridge_resource_mappings r ON r.resource_id = held.resource_id AND r.active = 1
      WHERE $1::integer IS NULL OR held.resource_id = $1 ORDER BY 1`,
    values: [resourceId],
  });

export function createHeldRemovals(db: Database, begin: BeginCall) {
  /** The resources of the active rooms with held removals. */
  const rooms = async (): Promise<number[]> =>
    (await readHeld(db, null)).map(({ resource_id: resource }) => resource);

  /** The held removals of a room, the soonest first. */
  const list = (resourceId: number) =>
    queryRows<HeldRemoval>(db, {
      name: 'held',
      text: `
        SELECT m.id AS mapping_id, m.reservation_type, m.reservation_id, m.outlook_event_id, d.side,
          coalesce(m.booking_seen, m.booking_base, m.outlook_base) ->> 'title' AS title, m.starts_at, m.ends_at, d.wanted_at
        FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
        WHERE m.resource_id = $1 AND ${isHeld}
        ORDER BY m.starts_at, m.id LIMIT 1000`,
      values: [resourceId],
    });

  /** Releases held removals, waits for them and returns their outcomes. */
  async function release({ resourceId, mappings }: HeldChoice, signal: AbortSignal): Promise<ItemOutcome[]> {
    const call = await begin(signal);
    const chosen = await underFoldLock(db, async (client) => {
      const rows = await queryRows<Chosen>(client, {
        name: 'release_held',
        text: releaseText,
        values: [resourceId, mappings],
      });
      await makeDue(client, rows);
      return rows;
    });
    const outcomes = await call.settled(chosen);
    await deleteUnused(chosen);
    return outcomes;
  }

  /** A release applies once: it is deleted where the reservation was back and nothing was removed. */
  async function deleteUnused(chosen: readonly Chosen[]): Promise<void> {
    await db.query({
      name: 'forget_unused_releases',
      text: `DELETE FROM bridge_removals d USING bridge_mappings m
        WHERE m.id = d.mapping_id AND d.mapping_id = ANY ($1) AND d.applied_at IS NULL AND m.due_at IS NULL`,
      values: [chosen.map((one) => one.mappingId)],
    });
  }

  /** Refuses held removals for good. Returns their number. */
  async function refuse({ resourceId, mappings }: HeldChoice): Promise<number> {
    const { rowCount } = await db.query({
      name: 'refuse_held',
      text: refuseText,
      values: [resourceId, mappings],
    });
    return rowCount ?? 0;
  }

  return {
    rooms: failingAs('list the held removals', rooms),
    list: failingAs('list the held removals', list),
    release: failingAs('release held removals', release),
    refuse: failingAs('refuse held removals', refuse),
  };
}

const releaseText = `
  WITH released AS (
    UPDATE bridge_removals d SET released_at = now() FROM bridge_mappings m
    WHERE m.id = d.mapping_id AND ${isChosen}
    RETURNING m.id)
  UPDATE bridge_mappings m SET sync_status = 'pending', due_at = now(), error_message = NULL, hint = NULL,
    conflict = NULL, revision = revision + 1,
    -- an event that was found to be gone is verified once more
    outlook_news = CASE WHEN m.outlook_news IS NOT NULL THEN 'missing' END
  FROM released WHERE m.id = released.id
  RETURNING ${chosenColumns}`;

const refuseText = `
  WITH refused AS (
    DELETE FROM bridge_removals d USING bridge_mappings m
    WHERE m.id = d.mapping_id AND ${isChosen}
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
    'a person refused its removal' FROM (SELECT * FROM kept UNION ALL SELECT * FROM restored) both_sides`;
