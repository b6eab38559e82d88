/** The queries of `cancellations.ts`, on our tables and the booking system. */
import { readAbilities } from '../../abilities.ts';
import { Permanent } from '../../errors.ts';
import type { Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import { findRow, queryColumn, queryRows, queryValue } from '../../query.ts';
import { lockRooms, noteChanges, ofMappings } from './requests.ts';
import { queryItems } from '../store/readable-items.ts';
import type { Window } from '../store/work-list.ts';
import { chosenColumns, type Chosen } from './outcomes.ts';

/** A mapping whose reservation and event differ in whether they exist. */
export interface Differing extends Chosen {
  readonly title: string | null;
  readonly active: boolean;
  readonly eventId: string | null;
  readonly status: string;
}

/** The note added to a reservation that is cancelled here. */
const note = 'Cancelled through the bridge';
const askedForReason = 'asked for through the API';
const detectMost = 10_000;

/** Differing mappings of the rooms that show the booking system. Reservations that cannot be read are left out: their state is unknown. */
export async function findDiffering(db: Queryable, window: Window): Promise<Differing[]> {
  const values = [window.pastDays, window.futureDays, detectMost];
  // unnamed: planned for the tables as they are
  return await queryItems<Differing>(
    db,
    values,
    (items) => `
      SELECT ${chosenColumns},
        i.title, i.active, m.outlook_event_id AS "eventId", m.sync_status AS status
      FROM bridge_window($1, $2) w
      CROSS JOIN bridge_resource_mappings r
      JOIN bridge_mappings m ON m.resource_id = r.resource_id
      JOIN LATERAL ${items.of('m')} i ON true
      WHERE r.active = 1 AND r.sync_direction <> 'outlook_to_booking' AND i.unreadable IS NULL
        AND CASE WHEN i.active THEN m.sync_status = 'cancelled' AND i.ends_at > w.opens AND i.starts_at < w.closes
                 ELSE m.sync_status <> 'cancelled' AND m.outlook_event_id IS NOT NULL END
      ORDER BY m.priority_level, m.starts_at, m.id LIMIT $3`,
  );
}

/** Makes a new event due for each. An event that a person kept is searched first. Requires the fold lock. */
export async function resetMappings(db: Queryable, ids: readonly number[]): Promise<void> {
  await db.query({
    name: 'rooms_of_reenabled',
    text: `
      UPDATE bridge_room_state s SET push_due_at = least(s.push_due_at, now()), push_lane = 0, updated_at = now()
      WHERE s.resource_mapping_id IN (${lockRooms(ofMappings)})`,
    values: [ids],
  });
  // present: the fold found it active; with a new revision the trigger for changes by hand does nothing
  await db.query({
    name: 'reset_reenabled',
    text: `
      UPDATE bridge_mappings m SET sync_status = 'pending', outlook_event_id = NULL, outlook_base = NULL, outlook_seen = NULL,
        outlook_news = NULL, agreement = CASE m.event_intent WHEN 'keep' THEN 'unanswered' ELSE 'never' END, event_intent = NULL,
        due_at = now(), lane = 0, attempt = 0, revision = m.revision + 1, error_message = NULL, hint = NULL, updated_at = now()
      WHERE m.id = ANY ($1) AND m.sync_status = 'cancelled' AND m.present`,
    values: [ids],
  });
}

/** Those of these that are still cancelled. */
export const stillCancelled = async (db: Queryable, ids: readonly number[]) =>
  new Set(
    await queryColumn<number>(db, {
      name: 'still_cancelled',
      text: `SELECT id FROM bridge_mappings WHERE id = ANY ($1) AND sync_status = 'cancelled'`,
      values: [ids],
    }),
  );

/** Cancels one reservation, adds it to the outbox and logs it. Returns whether it was active. */
export async function cancelReservation(db: Queryable, type: string, id: Id): Promise<boolean> {
  if ((await readAbilities(db)).known.has('one-way'))
    throw new Permanent('The booking system is only read from: its adapter is declared one-way.', {
      hint: 'Cancel the reservation in the booking system.',
    });
  const wasActive = await queryValue<boolean>(db, {
    name: 'cancel_item',
    text: 'SELECT bridge_cancel_item($1, $2::bigint, $3)',
    values: [type, id, note],
  });
  await noteChanges(db, [{ type, id }]);
  if (!wasActive) return false;
  await db.query({
    name: 'log_cancel',
    text: `
      INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id,
        action, reason)
      SELECT m.id, m.resource_id, $1, $2, m.outlook_item_id, m.outlook_event_id, 'cancelled', $3
      FROM (SELECT 1) one LEFT JOIN bridge_mappings m ON m.reservation_type = $1 AND m.reservation_id = $2`,
    values: [type, id, askedForReason],
  });
  return true;
}

/** The mappings of these reservations with an event. */
export const liveMappings = (
  db: Queryable,
  reservations: readonly { readonly type: string; readonly id: Id }[],
) =>
  queryRows<Chosen>(db, {
    name: 'mappings_of_cancelled',
    text: `
      SELECT DISTINCT ${chosenColumns}
      FROM unnest($1::text[], $2::bigint[]) AS a (type, id)
      JOIN bridge_mappings m ON m.reservation_type = a.type AND m.reservation_id = a.id
      JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1 AND r.sync_direction <> 'outlook_to_booking'
      WHERE m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled'
      ORDER BY m.id`,
    values: [reservations.map((one) => one.type), reservations.map((one) => one.id)],
  });

/** The mapping of an event. `room`: its room; null: that is switched off or takes no changes from Outlook. */
export interface MappedEvent extends Chosen {
  readonly status: string;
  readonly room: number | null;
}

export const findByEvent = (db: Queryable, eventId: string) =>
  // mailbox by mailbox, which the index begins with; mappings of former rooms are included
  findRow<MappedEvent>(db, {
    name: 'find_by_event',
    text: `
      WITH RECURSIVE mailbox AS (
        (SELECT outlook_item_id AS id FROM bridge_mappings ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT n.outlook_item_id FROM bridge_mappings n WHERE n.outlook_item_id > mailbox.id ORDER BY 1 LIMIT 1)
        FROM mailbox WHERE mailbox.id IS NOT NULL)
      SELECT ${chosenColumns}, m.sync_status AS status, r.id AS room
      FROM mailbox JOIN bridge_mappings m ON m.outlook_item_id = mailbox.id AND m.outlook_event_id = $1
      LEFT JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
        AND r.sync_direction <> 'booking_to_outlook'
      ORDER BY m.id LIMIT 1`,
    values: [eventId],
  });

/**
 * Makes the verification of an event due that is said to be deleted, as if Outlook had reported it, and a delta round of its room,
 * whatever its back-off, but not before the end of a Retry-After. Requires the fold lock.
 */
export async function requestVerification(db: Queryable, room: number, mapping: number): Promise<void> {
  await db.query({
    name: 'ask_for_pull',
    text: `UPDATE bridge_room_state SET pull_due_at = least(pull_due_at, now()), asked_at = now(), retry_at = NULL,
      updated_at = now() WHERE resource_mapping_id = $1`,
    values: [room],
  });
  await db.query({
    name: 'ask_to_verify',
    text: `UPDATE bridge_mappings SET outlook_news = coalesce(outlook_news, 'missing'),
        noticed_at = coalesce(noticed_at, clock_timestamp()), revision = revision + 1
      WHERE id = $1 AND sync_status NOT IN ('cancelled', 'conflict')`,
    values: [mapping],
  });
}

/** Whether the event of this mapping is still to be verified, or the result to be settled. */
export async function stillUnverified(db: Queryable, mapping: number): Promise<boolean> {
  const mapped = await findRow<{ open: boolean }>(db, {
    name: 'still_unseen',
    text: `SELECT sync_status NOT IN ('cancelled', 'error') AND (sync_status <> 'conflict' AND outlook_news IS NOT NULL
        OR coalesce(due_at <= clock_timestamp(), false)) AS open
      FROM bridge_mappings WHERE id = $1`,
    values: [mapping],
  });
  return mapped?.open === true;
}
