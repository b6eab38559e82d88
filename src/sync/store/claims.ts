/** Claims in our tables (see decide/claim.ts), mailboxes named by two rows, and the rooms that are held because of either. */
import type { Queryable } from '../../database.ts';
import { callFunction, findRow, queryRow, queryRows } from '../../query.ts';
import type { LeasedRoom } from './work-list.ts';

/** Our own records of a room's claim. */
export interface OwnClaim {
  readonly installation: string;
  /** Former ids of this installation, from before it was moved or set back. */
  readonly formers: readonly string[];
  readonly resource: number;
  /** The highest number this database has given out. */
  readonly number: number;
  /** Our claim was once read in this mailbox. */
  readonly wasRead: boolean;
  /** A claim that a person declared void. */
  readonly declaredVoid: string | null;
}

/** An older active row with the same mailbox. */
interface EarlierRoom {
  readonly resourceId: number;
  readonly outlookItemId: string;
}

export interface KnownClaim extends OwnClaim {
  readonly earlier: EarlierRoom | null;
}

export async function readKnownClaim(db: Queryable, room: LeasedRoom): Promise<KnownClaim> {
  const known = await queryRow<Omit<KnownClaim, 'resource'>>(db, {
    name: 'known_claim',
    text: `
      SELECT coalesce((SELECT value FROM bridge_settings WHERE name = 'installation_id'), '') AS installation,
        array_remove(string_to_array(
          coalesce((SELECT value FROM bridge_settings WHERE name = 'former_installations'), ''), ' '), '') AS formers,
        (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM bridge_claim_seq) AS number,
        s.claim_read_at IS NOT NULL AS "wasRead", s.claim_void AS "declaredVoid",
        (SELECT jsonb_build_object('resourceId', e.resource_id, 'outlookItemId', e.outlook_item_id)
         FROM bridge_resource_mappings e WHERE e.id = bridge_earlier_room($1)) AS earlier
      FROM bridge_room_state s WHERE s.resource_mapping_id = $1`,
    values: [room.id],
  });
  return { ...known, resource: room.resourceId };
}

/** Stores the result of reading the claim; `found`: another installation's or resource's, which holds the room. */
export const noteClaim = (
  db: Queryable,
  room: LeasedRoom,
  read: { readonly isOurs: boolean; readonly refused: string | null; readonly found: string | null },
) => callFunction(db, 'bridge_claim_read', room.id, room.epoch, read.isOurs, read.refused, read.found);

/** The next number of the installation, committed before it is written to a mailbox; null: the lease is lost. */
export async function raiseClaim(db: Queryable, room: LeasedRoom): Promise<number | null> {
  const raised = await findRow<{ number: number }>(db, {
    name: 'raise_claim',
    text: `UPDATE bridge_room_state SET claim_number = nextval('bridge_claim_seq')
      WHERE resource_mapping_id = $1 AND lease_epoch = $2 RETURNING claim_number AS number`,
    values: [room.id, room.epoch],
  });
  return raised?.number ?? null;
}

/** Records that this database was set back: no daemon writes until a person confirms. */
export async function holdSetBack(
  db: Queryable,
  room: LeasedRoom,
  found: number,
  ours: number,
): Promise<void> {
  await db.query(
    `INSERT INTO bridge_settings (name, value) VALUES ('set_back', jsonb_build_object(
       'room', $1::text, 'resource', $2::integer, 'found', $3::bigint, 'known', $4::bigint)::text) ON CONFLICT (name) DO NOTHING`,
    [room.outlookItemId, room.resourceId, found, ours],
  );
}

/** Rows older than this room's whose mailbox is not resolved yet, at most `most`. */
export const unresolvedBefore = (db: Queryable, room: LeasedRoom, most: number) =>
  queryRows<{ id: number; outlookItemId: string }>(db, {
    name: 'unresolved_before',
    text: `SELECT id, outlook_item_id AS "outlookItemId" FROM bridge_resource_mappings
      WHERE active = 1 AND id < $1 AND outlook_object_id IS NULL ORDER BY id LIMIT $2`,
    values: [room.id, most],
  });

/** Stores the object id of a mailbox beside its address. */
export const storeMailbox = (
  db: Queryable,
  row: { readonly id: number; readonly outlookItemId: string },
  objectId: string,
) => callFunction(db, 'bridge_resolved', row.id, row.outlookItemId, objectId);

/**
 * Gives the mappings of a room its mailbox (see bridge_follow_mailbox): a fold concurrent with the change of the room may have made
 * some with the former mailbox.
 */
export async function followMailbox(db: Queryable, room: LeasedRoom): Promise<void> {
  await db.query({
    name: 'follow_mailbox',
    // see bridge_settle
    text: 'SELECT bridge_lock_for_settlement(), bridge_follow_mailbox($1, NULL)',
    values: [room.id],
  });
}

/**
 * A person confirms that a room which is held because of a foreign claim belongs here: our claim overwrites it. Returns the claim
 * that is void now; null: there was none.
 */
export async function takeOver(db: Queryable, resourceId: number): Promise<string | null> {
  const held = await findRow<{ found: string }>(
    db,
    `WITH held AS (
       SELECT s.resource_mapping_id AS id, s.claim_found AS found FROM bridge_room_state s
       JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
       WHERE r.resource_id = $1 AND r.active = 1 AND s.claim_found IS NOT NULL FOR UPDATE OF s
     ), taken AS (
       UPDATE bridge_room_state s SET claim_void = held.found, claim_found = NULL, claim_read_at = NULL, baselined_at = NULL,
         push_due_at = now(), retry_at = NULL, asked_at = now(), updated_at = now()
       FROM held WHERE s.resource_mapping_id = held.id)
     SELECT found, bridge_wake() FROM held`,
    [resourceId],
  );
  return held?.found ?? null;
}
