/**
 * The work list: what is due, who holds it, what became of it. The queries are functions of our own schema
 * (`database/functions`), so that from wake to work and from work to done it is one round trip each.
 */
import { databaseFailure, isContended, type Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { RoomSettings } from '../../room-settings.ts';
import { isRefusedForGood } from './failing.ts';
import { workItemOf, type WorkItem, type WorkRow } from './work-item.ts';
import { locks } from '../../locks.ts';

/** How many days around today both sides are kept equal. */
export interface Window {
  readonly pastDays: number;
  readonly futureDays: number;
}

/** More hints of one room than these are not worth a call each: they are one delta round. */
export const hintsMost = 8;

/** An event that a notification named. */
export interface Hint {
  readonly eventId: string;
  /** The notification said that it was deleted. */
  readonly deleted: boolean;
  /** The version that the notification named. */
  readonly etag: string | null;
  /** As PostgreSQL prints it: tells this hint from a later one of the same event. */
  readonly hintedAt: string;
}

/** A room under our lease. `epoch` fences everything we write down about it. */
export interface LeasedRoom {
  readonly id: number;
  readonly resourceId: number;
  /** Object id of the mailbox, or what the operator wrote until that is known. */
  readonly mailbox: string;
  readonly outlookItemId: string;
  readonly name: string;
  readonly direction: 'both' | 'booking_to_outlook' | 'outlook_to_booking';
  /** What this room does differently from the environment. */
  readonly own?: Partial<RoomSettings>;
  readonly baselined: boolean;
  readonly reconciled: boolean;
  /** Its last holder vanished in the middle of its work: a create may have been sent that nobody wrote down. */
  readonly abandoned: boolean;
  /** Its calendar is to be asked for changes. */
  readonly pulls: boolean;
  /** Events that notifications named, to be read by their ids. */
  readonly hints: readonly Hint[];
  /** Something was reported as removed, and nothing came of it yet. */
  readonly missing: boolean;
  readonly attempt: number;
  readonly epoch: number;
  readonly due: readonly WorkItem[];
}

/** Whether Outlook is listened to in this room; elsewhere it only shows what the booking system says. */
export const isFollowed = ({ direction }: Pick<LeasedRoom, 'direction'>): boolean =>
  direction !== 'booking_to_outlook';

export interface Taken {
  /** Outbox rows folded. */
  readonly folded: number;
  /** More rooms are due than were taken. */
  readonly more: boolean;
  readonly rooms: readonly LeasedRoom[];
  /** Rooms we hold that were switched off or removed meanwhile. */
  readonly stopped: readonly number[];
}

export interface TakeOptions {
  readonly replica: string;
  readonly held: readonly number[];
  readonly rooms: number;
  readonly items: number;
  readonly window: Window;
  /** Take rooms that have nothing but backfill to do as well. */
  readonly anyLane: boolean;
  readonly askedOnly: boolean;
  /** When something was folded, take only the rooms that it concerns; the next take is for all of them. */
  readonly changedFirst: boolean;
}

/** At most this many outbox rows are folded at a time; the rest follows in the next take, and what is due goes between. */
export const foldMost = 300;

/** Folds the outbox, leases due rooms to the session and reads their first due mappings. One that throws leases none. */
export async function takeRooms(session: Queryable, options: TakeOptions): Promise<Taken> {
  try {
    return await leaseRooms(session, options);
  } catch (error) {
    await unlockOthers(session, options.held);
    if (!mayConcernOne(error)) throw error;
  }
  await foldEach(session, options.window, foldMost);
  try {
    return await leaseRooms(session, options);
  } catch (error) {
    await unlockOthers(session, options.held);
    throw error;
  }
}

/** One row of the booking system fails, or somebody's open transaction has a row of ours: it need not concern the others. */
function mayConcernOne(error: unknown): boolean {
  if (isContended(error)) return true;
  const failure = databaseFailure(error, 'take what is due');
  return isRefusedForGood(error) && !(failure instanceof Permanent && failure.reach === 'side');
}

/**
 * Folds what waits in the outbox change by change, at most `most` outbox rows, and what was put aside and is to be tried again.
 * What fails is put aside with the reason. Returns how many that were.
 */
async function foldEach(session: Queryable, window: Window, most: number): Promise<number> {
  const { rows } = await session.query<{ failed: number }>({
    name: 'fold_each',
    text: 'SELECT bridge_fold_each($1, $2, $3) AS failed',
    values: [window.pastDays, window.futureDays, most],
  });
  return rows[0]!.failed;
}

/** Tries again what could not be folded, where it is time for that. Returns whether there was something to try. */
export async function foldAgain(db: Queryable, window: Window): Promise<boolean> {
  const { rows } = await db.query<{ waits: boolean }>({
    name: 'read_unfolded',
    text: 'SELECT EXISTS (SELECT FROM bridge_unfolded WHERE retry_at <= clock_timestamp()) AS waits',
  });
  if (rows[0]!.waits) await foldEach(db, window, 0);
  return rows[0]!.waits;
}

/** A lock that is taken a second time would be freed once, and nobody else would ever get that room. */
async function unlockOthers(session: Queryable, held: readonly number[]): Promise<void> {
  try {
    await session.query({
      name: 'unlock_other_rooms',
      text: 'SELECT bridge_unlock_other_rooms($1)',
      values: [held],
    });
  } catch (error) {
    if (!isContended(error)) throw error;
    throw new Retryable('the locks of rooms could not be freed', { reach: 'side', cause: error });
  }
}

async function leaseRooms(session: Queryable, options: TakeOptions): Promise<Taken> {
  interface Answer extends Omit<Taken, 'rooms'> {
    readonly rooms: readonly (Omit<LeasedRoom, 'due'> & { readonly due: readonly WorkRow[] })[];
  }
  const { rows } = await session.query<{ taken: Answer }>({
    name: 'lease_rooms',
    text: 'SELECT bridge_lease($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS taken',
    values: [
      options.replica,
      options.held,
      options.rooms,
      options.items,
      options.window.pastDays,
      options.window.futureDays,
      foldMost,
      options.anyLane,
      options.askedOnly,
      options.changedFirst,
    ],
  });
  const { taken } = rows[0]!;
  const rooms: LeasedRoom[] = [];
  for (const room of taken.rooms) rooms.push({ ...room, due: await workItems(session, room.due) });
  return { ...taken, rooms };
}

/**
 * The rows as work items. One that names neither side, as a person may leave it behind, is dropped, and its room compared anew
 * with both sides: what it stood for may be there.
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
  const { rows } = await session.query<{ due: WorkRow[] }>({
    name: 'due_mappings',
    text: `SELECT bridge_due($1, $2, w.opens, w.closes, '{}', NULL) AS due FROM bridge_window($3, $4) w`,
    values: [resourceId, most, window.pastDays, window.futureDays],
  });
  return await workItems(session, rows[0]!.due);
}

/** For a query that may take longer than all others. (pg knows `query_timeout` of a query, its types do not.) */
const slow = { query_timeout: 120_000 };

/** Compares the room's whole window in the booking system with its mappings; what differs is due afterwards. */
export async function reconcileRoom(
  session: Queryable,
  room: LeasedRoom,
  window: Window,
): Promise<{ added: number; changed: number; gone: number }> {
  // statements of their own: the fold waits for each to end, and is not to wait for the comparison as well
  const { rows: prepared } = await session.query<{ replaces: boolean }>({
    name: 'number_room',
    text: `SELECT bridge_number_room($1), bridge_view_has('{replaces}') AS replaces`,
    values: [room.id],
  });
  if (prepared[0]!.replaces)
    await session.query({
      ...slow,
      name: 'hand_over',
      text: 'SELECT bridge_hand_over($1, NULL)',
      values: [room.resourceId],
    });
  const { rows } = await session.query<{ answer: { added: number; changed: number; gone: number } }>({
    ...slow,
    name: 'reconcile_room',
    text: 'SELECT bridge_reconcile($1, $2, $3, $4) AS answer',
    values: [room.id, room.epoch, window.pastDays, window.futureDays],
  });
  return rows[0]!.answer;
}

/** Why a room rests, and how long; `ms` null: that much of it does not work, and the rest goes on. */
export interface Rest {
  readonly ms: number | null;
  /** Graph asked for it (Retry-After): nobody may cut it short. */
  readonly throttled: boolean;
  /** `held`: not ours to work on until a person decides. */
  readonly condition: 'waiting' | 'refused' | 'held';
  /** The mailbox is not there under the name it was called by. */
  readonly unknownMailbox?: boolean;
  readonly why: string;
  readonly hint: string | null;
}

/** Gives a room back; it is due again when its earliest due mapping is, or after its rest. */
export async function releaseRoom(session: Queryable, room: LeasedRoom, rest: Rest | null): Promise<void> {
  await session.query({
    name: 'release_room',
    text: 'SELECT bridge_release($1, $2, $3, $4, $5, $6, $7)',
    values: [
      room.id,
      room.epoch,
      rest?.ms ?? null,
      rest?.throttled ?? false,
      rest?.why ?? null,
      rest?.hint ?? null,
      rest?.condition ?? 'ok',
    ],
  });
}

/**
 * What is known of a room's mailbox does not hold any more: it is called by `objectId` from now on (null: by its address), and
 * its calendar is compared before anything else. `isNew`: in this one everything is shown again, and nothing is cancelled.
 */
export async function replaceMailbox(
  db: Queryable,
  room: LeasedRoom,
  objectId: string | null,
  isNew: boolean,
): Promise<void> {
  await db.query({
    name: 'replace_mailbox',
    text: 'SELECT bridge_replace_mailbox($1, $2, $3, $4)',
    values: [room.id, room.epoch, objectId, isNew],
  });
}

/**
 * Lets go of a room in the middle of its work: nobody knows what of it was sent. It stays marked as held, so the daemon that
 * takes it next reads Outlook first, and not before `rest` is over.
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

/** Frees the lock of a room and writes nothing down: the room stays marked as held. */
export async function unlockRoom(session: Queryable, room: LeasedRoom): Promise<void> {
  await session.query({ name: 'unlock_room', text: 'SELECT bridge_unlock_room($1)', values: [room.id] });
}

/**
 * After the lease session was lost: had the server crashed, it may have forgotten that we took these rooms and what we
 * folded, while their writes were on their way. The daemon that takes them next reads Outlook first.
 */
export async function doubtRooms(
  session: Queryable,
  rooms: readonly number[],
  replica: string,
): Promise<void> {
  await session.query({
    name: 'doubt_rooms',
    text: `
      UPDATE bridge_room_state SET lease_owner = $2, push_due_at = least(push_due_at, now()), updated_at = now()
      WHERE lease_owner IS NULL AND resource_mapping_id IN (
        SELECT r.id FROM bridge_resource_mappings r WHERE r.id = ANY ($1) AND r.active = 1)`,
    values: [rooms, replica],
  });
}
