/**
 * The work list: due rooms, their leases and work items. The queries are functions of our schema (`database/functions`), so
 * taking work and storing its outcome is one round trip each.
 */
import { combined } from '../../calls.ts';
import { isContended, queryEarly, type Queryable } from '../../database.ts';
import { Retryable } from '../../errors.ts';
import { callFunction, queryRow, queryValue } from '../../query.ts';
import type { RoomSettings } from '../../room-settings.ts';
import { isRefusedForGood } from './failing.ts';
import type { SentInRoom } from './sent.ts';
import { workItemOf, type WorkItem, type WorkRow } from './work-item.ts';
import { locks } from '../../locks.ts';

/** The synced days before and after today. */
export interface Window {
  readonly pastDays: number;
  readonly futureDays: number;
}

/** An event that a notification named. */
export interface Hint {
  readonly eventId: string;
  /** It was reported as deleted. */
  readonly deleted: boolean;
  /** The versions in the notifications, separated by spaces; null: unknown. */
  readonly etag: string | null;
  /** As PostgreSQL prints it: distinguishes later hints of the same event. */
  readonly hintedAt: string;
  /** The number of reads that did not show what was reported. */
  readonly misses: number;
}

/** A room under our lease. `epoch` fences everything we store about it. */
export interface LeasedRoom {
  readonly id: number;
  readonly resourceId: number;
  /** Object id of the mailbox; its address until that is known. */
  readonly mailbox: string;
  readonly outlookItemId: string;
  readonly name: string;
  readonly direction: 'both' | 'booking_to_outlook' | 'outlook_to_booking';
  /** Settings of the room that override the environment. */
  readonly own?: Partial<RoomSettings>;
  /** A full scan was made. */
  readonly baselined: boolean;
  /** Its mappings were compared with the booking system. */
  readonly reconciled: boolean;
  /** The last daemon vanished during its work: a create may have been sent and not stored. */
  readonly abandoned: boolean;
  /** A delta round was requested. */
  readonly pulls: boolean;
  /** Events of notifications, to be read by their ids. */
  readonly hints: readonly Hint[];
  /** An event was reported as removed, and that is not decided about yet. */
  readonly missing: boolean;
  readonly attempt: number;
  readonly epoch: number;
  readonly due: readonly WorkItem[];
}

/** Whether changes in Outlook are followed in this room. */
export const isFollowed = ({ direction }: Pick<LeasedRoom, 'direction'>): boolean =>
  direction !== 'booking_to_outlook';

export interface Taken {
  /** Outbox rows folded. */
  readonly folded: number;
  /** More rooms are due than were taken. */
  readonly more: boolean;
  readonly rooms: readonly LeasedRoom[];
  /** Rooms under our lease that were switched off or removed meanwhile. */
  readonly stopped: readonly number[];
  /** Resolves when the leases and the fold are committed. */
  readonly recorded: Promise<void>;
}

export interface TakeOptions {
  readonly replica: string;
  /** Rooms under our lease. */
  readonly held: readonly number[];
  readonly rooms: number;
  readonly items: number;
  readonly window: Window;
  /** Also rooms with nothing but backfill. */
  readonly anyLane: boolean;
  readonly askedOnly: boolean;
  /** If something was folded, only the rooms that it concerns; the next take is for all. */
  readonly changedFirst: boolean;
  /** Many changes wait: they are folded in a transaction of their own, so that settlements need not wait for the leases as well. */
  readonly foldsApart?: boolean;
}

/** Outbox rows folded at a time; the rest follows in the next take, with due items in between. */
export const foldMost = 300;

/** Folds the outbox, leases due rooms to the session and reads their first due mappings. Leases none if it throws. */
export async function takeRooms(session: Queryable, options: TakeOptions): Promise<Taken> {
  try {
    return await leaseRooms(session, options);
  } catch (error) {
    await unlockOthers(session, options.held);
    if (!mayConcernOne(error)) throw error;
  }
  await foldEach(session, options.window, foldMost);
  try {
    // a change that came meanwhile may fail as well: the next take folds it
    return await leaseRooms(session, { ...options, foldsApart: false }, 0);
  } catch (error) {
    await unlockOthers(session, options.held);
    throw error;
  }
}

/** The failure of one row of the booking system, or a row of ours locked by an open transaction: others may work. */
const mayConcernOne = (error: unknown): boolean => isContended(error) || isRefusedForGood(error);

/**
 * Folds at most `most` outbox rows change by change, and changes put aside earlier whose retry is due. A failing change is put aside
 * with the reason. Returns the number of failures.
 */
const foldEach = (session: Queryable, window: Window, most: number) =>
  callFunction<number>(session, 'bridge_fold_each', window.pastDays, window.futureDays, most);

/** Folds changes put aside earlier whose retry is due. Returns whether there were any. */
export async function foldAgain(db: Queryable, window: Window): Promise<boolean> {
  const waits = await queryValue<boolean>(db, {
    name: 'read_unfolded',
    text: 'SELECT EXISTS (SELECT FROM bridge_unfolded WHERE retry_at <= clock_timestamp())',
  });
  if (waits) await foldEach(db, window, 0);
  return waits;
}

/** A lock that is taken twice and freed once would keep its room from other daemons for ever. */
async function unlockOthers(session: Queryable, held: readonly number[]): Promise<void> {
  try {
    await callFunction(session, 'bridge_unlock_other_rooms', held);
  } catch (error) {
    if (!isContended(error)) throw error;
    throw new Retryable('the locks of rooms could not be freed', { reach: 'side', cause: error });
  }
}

async function leaseRooms(session: Queryable, options: TakeOptions, most = foldMost): Promise<Taken> {
  interface Answer extends Omit<Taken, 'rooms' | 'recorded'> {
    readonly rooms: readonly (Omit<LeasedRoom, 'due'> & { readonly due: readonly WorkRow[] })[];
  }
  const folded = options.foldsApart === true ? await fold(session, options.window) : 0;
  const answered = Promise.withResolvers<Answer>();
  const recorded = queryEarly<{ answer: Answer }>(
    session,
    {
      name: 'lease_rooms',
      text: `
        WITH lease AS MATERIALIZED (SELECT * FROM bridge_lease_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10))
        SELECT answer FROM lease
        UNION ALL SELECT bridge_record_one($1, mapping_id, present_, priority, begins, ends, digest, state, since, places, room_id) FROM lease WHERE room_id IS NOT NULL`,
      values: [
        options.replica,
        options.held,
        options.rooms,
        options.items,
        options.window.pastDays,
        options.window.futureDays,
        options.foldsApart === true ? 0 : most,
        options.anyLane,
        options.askedOnly,
        options.changedFirst,
      ],
    },
    ({ answer }) => answered.resolve(answer),
  );
  recorded.catch(answered.reject);
  const answer = await answered.promise;
  const rooms: LeasedRoom[] = [];
  for (const room of answer.rooms) rooms.push({ ...room, due: await workItems(session, room.due) });
  return { ...answer, folded: folded + answer.folded, rooms, recorded };
}

/** Folds the outbox, and makes the rooms of the changes due. Returns the number of rows. */
export const fold = (session: Queryable, window: Window, most = foldMost) =>
  callFunction<number>(session, 'bridge_fold', window.pastDays, window.futureDays, most);

/**
 * The rows as work items. A row without a reservation and an event, left by a manual edit, is deleted and its room compared with both
 * sides again, because either may exist.
 */
async function workItems(session: Queryable, rows: readonly WorkRow[]): Promise<WorkItem[]> {
  const items = rows.map(workItemOf).filter((item) => item !== null);
  if (items.length < rows.length)
    await session.query({
      name: 'drop_empty_mappings',
      text: `
        WITH dropped AS (
          DELETE FROM bridge_mappings WHERE id = ANY ($1::bigint[]) AND reservation_id IS NULL AND outlook_event_id IS NULL
          RETURNING resource_id)
        UPDATE bridge_room_state s
        SET baselined_at = NULL, reconciled_at = NULL, push_due_at = now(), push_lane = 0, updated_at = now()
        FROM bridge_resource_mappings r
        WHERE r.id = s.resource_mapping_id AND r.active = 1 AND r.resource_id IN (SELECT resource_id FROM dropped)`,
      values: [rows.map(({ id }) => id)],
    });
  return items;
}

/** The next due mappings of a leased room, live changes before backfill, then by priority and start. */
export async function dueMappings(
  session: Queryable,
  resourceId: number,
  most: number,
  window: Window,
): Promise<WorkItem[]> {
  const rows = await queryValue<WorkRow[]>(session, {
    name: 'due_mappings',
    text: `SELECT bridge_due($1, $2, w.opens, w.closes, '{}', NULL) FROM bridge_window($3, $4) w`,
    values: [resourceId, most, window.pastDays, window.futureDays],
  });
  return await workItems(session, rows);
}

/** For a query that may take longer than all others. (Missing in the types of pg.) */
const slow = { query_timeout: 120_000 };

/** Compares the room's whole window in the booking system with its mappings; those that differ are due afterwards. */
export async function reconcileRoom(session: Queryable, room: LeasedRoom, window: Window) {
  // statements of their own: the fold waits for each to end, and is not to wait for the comparison as well
  const { replaces } = await queryRow<{ replaces: boolean }>(session, {
    name: 'number_room',
    text: `SELECT bridge_number_room($1), bridge_view_has('{replaces}') AS replaces`,
    values: [room.id],
  });
  if (replaces)
    await session.query({
      ...slow,
      name: 'hand_over',
      text: 'SELECT bridge_hand_over($1, NULL)',
      values: [room.resourceId],
    });
  return await queryValue<{ added: number; changed: number; gone: number }>(session, {
    ...slow,
    name: 'reconcile_room',
    text: 'SELECT bridge_reconcile($1, $2, $3, $4)',
    values: [room.id, room.epoch, window.pastDays, window.futureDays],
  });
}

/** The rest of a room; `ms` null: a partial failure, and the rest of the work goes on. */
export interface Rest {
  readonly ms: number | null;
  /** Requested by Graph (Retry-After): must not be shortened. */
  readonly throttled: boolean;
  /** `held`: until a person decides. */
  readonly condition: 'waiting' | 'refused' | 'held';
  /** The mailbox does not exist under the address that was used. */
  readonly unknownMailbox?: boolean;
  readonly why: string;
  readonly hint: string | null;
}

type Released = Pick<LeasedRoom, 'id' | 'epoch'>;

/** The most rooms that are released in one statement. */
const releasedTogether = 16;

/**
 * Ends the lease of a room; it is due again with its earliest due mapping, or after its rest. Rooms without a rest that arrive while a
 * statement is under way are released in one.
 */
export function createRelease(session: Queryable) {
  const releaseTogether = combined((rooms: readonly Released[]) => releaseRooms(session, rooms), {
    most: releasedTogether,
  });
  return async (room: Released, rest: Rest | null): Promise<void> => {
    if (rest === null && (await releaseTogether(room))) return;
    await callFunction(
      session,
      'bridge_release',
      room.id,
      room.epoch,
      rest?.ms ?? null,
      rest?.throttled ?? false,
      rest?.why ?? null,
      rest?.hint ?? null,
      rest?.condition ?? 'ok',
    );
  };
}

/** Returns of each whether it was released; the rows of the others are locked by another transaction. */
async function releaseRooms(session: Queryable, rooms: readonly Released[]): Promise<boolean[]> {
  const released = await callFunction<number[]>(
    session,
    'bridge_release_rooms',
    rooms.map(({ id }) => id),
    rooms.map(({ epoch }) => epoch),
  );
  return rooms.map(({ id }) => released.includes(id));
}

/**
 * Discards what is known of a room's mailbox: it is addressed by `objectId` from now on (null: by its address), and a full scan comes
 * first. `isNew`: everything is shown again in this mailbox, and nothing is cancelled.
 */
export const replaceMailbox = (db: Queryable, room: LeasedRoom, objectId: string | null, isNew: boolean) =>
  callFunction(db, 'bridge_replace_mailbox', room.id, room.epoch, objectId, isNew);

/**
 * Abandons a room during its work, when it is unknown what was sent. It stays marked as leased, so the next daemon reads Outlook
 * first, after `rest`.
 */
export async function abandonRoom(session: Queryable, room: LeasedRoom, rest: Rest | null): Promise<void> {
  await session.query({
    name: 'abandon_room',
    text: `
      WITH rested AS (
        UPDATE bridge_room_state SET retry_at = clock_timestamp() + $3::float8 * interval '1 millisecond',
          attempt = attempt + 1, health = $4, error_message = $5, hint = $6, updated_at = now()
        WHERE resource_mapping_id = $1 AND lease_epoch = $2 AND $3::float8 IS NOT NULL)
      SELECT pg_advisory_unlock(${locks.room}, $1)`,
    values: [
      room.id,
      room.epoch,
      rest?.ms ?? null,
      rest?.condition ?? 'ok',
      rest?.why ?? null,
      rest?.hint ?? null,
    ],
  });
}

/** Frees the lock of a room and stores nothing: the room stays marked as leased. */
export const unlockRoom = (session: Queryable, room: LeasedRoom) =>
  callFunction(session, 'bridge_unlock_room', room.id);

/**
 * After the lease session was lost: see `bridge_store_doubt`. Returns the rooms that another transaction has locked, for which nothing
 * is stored.
 */
export const doubtRooms = (
  session: Queryable,
  rooms: readonly number[],
  sent: readonly SentInRoom[],
  replica: string,
) => callFunction<number[]>(session, 'bridge_store_doubt', rooms, replica, JSON.stringify(sent));
