/**
 * The work list: what is due, who holds it, what became of it. The queries are functions of our own schema
 * (`database/functions`), so that from wake to work and from work to done it is one round trip each.
 */
import type { Queryable } from '../../database.ts';
import type { PullAction, PushAction } from '../../facts.ts';
import type { BookedChange, BookedItem } from '../../appearance.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { RoomSettings } from '../../room-settings.ts';

/** How many days around today both sides are kept equal. */
export interface Window {
  readonly pastDays: number;
  readonly futureDays: number;
}

/** A mapping with work to do, and its item as the booking system shows it now. */
export interface Due {
  readonly id: number;
  readonly reservationType: string;
  readonly reservationId: Id;
  readonly eventId: string | null;
  readonly status: string;
  readonly direction: string;
  readonly generation: number;
  readonly revision: number;
  /** Since when the mapping is there, ISO. */
  readonly createdAt: string;
  readonly attempt: number;
  /** 0: a change made now, 1: backfill. */
  readonly lane: 0 | 1;
  /** What both sides last agreed on. A field that is missing was sent and not answered: nobody knows who shows what. */
  readonly bookingBase: BookedChange | null;
  readonly outlookBase: Item | null;
  readonly outlookSeen: Item | null;
  /** The reservation's active flag; null when it has no row in this room any more. */
  readonly active: boolean | null;
  readonly booking: BookedItem | null;
  readonly inWindow: boolean | null;
  readonly covered: boolean;
  readonly coverConfirmed: boolean;
  /** The item lies in the past. */
  readonly ended: boolean | null;
  /** It has no row in this room any more, but in others: it was moved there. */
  readonly elsewhere: boolean;
  readonly news: News | null;
  /** The room organises the event; false: it was invited. */
  readonly isOrganizer: boolean;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  /** The version of the event that was last seen. */
  readonly etag: string | null;
  /** Its event carries the extended properties of the reservation that this one replaced. */
  readonly renames?: boolean;
  /** We were about to delete or decline the event: should it be gone, nobody else did that. */
  readonly removing: boolean;
  readonly waitsFor: WaitsFor | null;
  readonly conflict: ConflictNote | null;
  /** Why it waits or failed. */
  readonly error: string | null;
  /** Which side a person chose. */
  readonly resolution: 'booking' | 'outlook' | null;
  /** A person asked for its import. */
  readonly importAsked: boolean;
  /** ISO instant of the booking's last change. */
  readonly bookingChangedAt: string | null;
}

/**
 * What Outlook reported of an event that nobody has dealt with yet. look: read it; missing: reported as removed, not
 * verified; vacated: read, it does not occupy the room any more; gone: read, it is not there.
 */
export type News = 'look' | 'missing' | 'vacated' | 'gone';

/**
 * What neither we nor a retry can bring about. answer: the room has not answered the invitation, or not again since it was
 * changed; free: an event that nobody imported is shown as free; import: a person has to ask for its import.
 */
export type WaitsFor = 'answer' | 'free' | 'import';

/** What is told of a mapping that waits. */
export const waitHints: Readonly<Record<WaitsFor, string>> = {
  answer: 'The room has not answered this invitation: it is followed once the room, or its delegate, does.',
  free: 'It is shown as free in Outlook: show it as busy there, or set FREE_EVENTS, to have it imported.',
  import: 'IMPORT_MODE is manual: POST /booking/process-imports imports it.',
};

/** What is told of an event that is there, and that nobody can understand. */
export const unreadableHint = 'Open the event in Outlook, correct its times and save it.';

/**
 * Why a mapping waits for a person. fields: both sides changed them; deleted: one side deleted, the other changed; overlap:
 * an event lies on a taken time; moved: the booking system moved away from somebody's meeting (`mapping`); refused: the
 * booking system cannot take the change; rejected: Outlook cannot; orphan: the event carries marks of a reservation that
 * is not there; free: somebody's meeting is shown as free; gone: held by the brake.
 */
export interface ConflictNote {
  readonly kind:
    'fields' | 'deleted' | 'overlap' | 'moved' | 'refused' | 'rejected' | 'orphan' | 'free' | 'gone';
  readonly fields?: readonly string[];
  /** As Outlook showed it when the choice was put; null: it was not there. */
  readonly outlook?: Item | null;
  /** moved: the mapping of the reservation, and the reservation. */
  readonly mapping?: number;
  readonly reservation?: ReservationKey;
  /** rejected, and again when a person kept the booking: a new event takes the place of the old one. */
  readonly replace?: boolean;
}

/**
 * Where the reservation is that moved away from an event. here: in this room; cancelled: it does not want the room any more;
 * unsettled: its rows are gone, or back, and what that means is still to be found out; unknown: nothing tells.
 */
export type Whereabouts = 'here' | 'cancelled' | 'unsettled' | 'unknown';

/** An event that parts from its mapping and begins anew in one of its own. */
interface Counterpart {
  readonly eventId: string;
  readonly status: 'conflict' | 'imported';
  readonly news: News | null;
  /** What a person chose before it parted. */
  readonly resolution: 'booking' | 'outlook' | null;
  readonly item: Item | null;
  readonly isOrganizer: boolean;
  readonly conflict: ConflictNote | null;
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
  readonly due: readonly Due[];
}

export interface Taken {
  /** Outbox rows folded. */
  readonly folded: number;
  /** More rooms are due than were taken. */
  readonly more: boolean;
  readonly rooms: readonly LeasedRoom[];
  /** Rooms we hold that were switched off or removed meanwhile. */
  readonly stopped: readonly number[];
}

/** What was done to one mapping, as it is written down. */
export interface Settled {
  readonly id: number;
  readonly revision: number;
  /** 'forget' drops a mapping that has nothing to show on either side. */
  readonly status:
    'pending' | 'synced' | 'error' | 'conflict' | 'cancelled' | 'shadowed' | 'imported' | 'forget';
  readonly eventId: string | null;
  readonly generation: number;
  readonly bookingBase: BookedChange | null;
  readonly outlookBase: Item | null;
  readonly bookingSeen: BookedItem | null;
  readonly outlookSeen: Item | null;
  readonly error: string | null;
  readonly hint: string | null;
  /** Due again after this long; null: done. */
  readonly dueInMs: number | null;
  readonly attempt: number;
  readonly action: PushAction | PullAction | 'delayed' | 'parked';
  readonly reason: string | null;
  /** What is still to be dealt with; null: nothing. */
  readonly news: News | null;
  readonly removing: boolean;
  /** Its event carries its own extended properties now. */
  readonly renamed?: boolean;
  readonly waitsFor: WaitsFor | null;
  readonly conflict: ConflictNote | null;
  /** What is known of the event now; absent: as before. */
  readonly isOrganizer?: boolean;
  readonly iCalUId?: string;
  readonly originalStart?: string | null;
  readonly seriesMasterId?: string | null;
  readonly etag?: string | null;
  readonly outlookChangedAt?: string | null;
  readonly counterpart?: Counterpart;
  /** How long ago Graph accepted it, on our monotonic clock; the server counts latency back from it. */
  readonly sinceAcceptedMs: number | null;
  readonly callMs: number | null;
  readonly requestId: string | null;
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

/** Folds the outbox, leases due rooms to the session and reads their first due mappings. */
export async function takeRooms(session: Queryable, options: TakeOptions): Promise<Taken> {
  const { rows } = await session.query<{ taken: Taken }>({
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
  return rows[0]!.taken;
}

/** The next due mappings of a leased room, live changes before backfill, then by priority and start. */
export async function dueMappings(
  session: Queryable,
  resourceId: number,
  most: number,
  window: Window,
): Promise<Due[]> {
  const { rows } = await session.query<{ due: Due[] }>({
    name: 'due_mappings',
    text: `SELECT bridge_due($1, $2, w.opens, w.closes, '{}', NULL) AS due FROM bridge_window($3, $4) w`,
    values: [resourceId, most, window.pastDays, window.futureDays],
  });
  return rows[0]!.due;
}

/** For a query that may take longer than all others. (pg knows `query_timeout` of a query, its types do not.) */
const slow = { query_timeout: 120_000 };

/** Compares the room's whole window in the booking system with its mappings; what differs is due afterwards. */
export async function reconcileRoom(
  session: Queryable,
  room: LeasedRoom,
  window: Window,
): Promise<{ added: number; changed: number; gone: number }> {
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
 * Lets go of a room in the middle of its work: nobody knows what of it was sent. It stays marked as held, so whoever
 * takes it next looks at Outlook first, and not before `rest` is over.
 */
export async function abandonRoom(session: Queryable, room: LeasedRoom, rest: Rest | null): Promise<void> {
  await session.query({
    name: 'abandon_room',
    text: `
      WITH rested AS (
        UPDATE bridge_room_state SET retry_at = clock_timestamp() + $3::float8 * interval '1 millisecond',
          attempt = attempt + 1, health = $4, error_message = $5, hint = $6, updated_at = now()
        WHERE resource_mapping_id = $1 AND lease_epoch = $2 AND $3::float8 IS NOT NULL)
      SELECT pg_advisory_unlock(7230911, $1)`,
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

/**
 * After the lease session was lost: had the server crashed, it may have forgotten that we took these rooms and what we
 * folded, while their writes were on their way. Whoever takes them next looks at Outlook first.
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
