/** Settlements: the outcome of the work on a mapping, and its storage by functions of our schema (`database/functions`). */
import type { BookedItem } from '../../appearance.ts';
import { combined } from '../../calls.ts';
import { isContended, isFenced, type Queryable } from '../../database.ts';
import type { PullAction, PushAction } from '../../facts.ts';
import type { Item, ItemChange, ReservationKey } from '../../item.ts';
import { callFunction } from '../../query.ts';
import { agreementColumns, type Agreement } from './agreement.ts';
import type { LeasedRoom } from './work-list.ts';
import { isRefusedForGood, oneByOne } from './failing.ts';
import type { WaitsFor } from './waits.ts';
import type { ConflictNote, EventIntent, News } from './work-item.ts';

/** An event that its mapping gives up, and that becomes an unmapped event. */
interface Counterpart {
  readonly eventId: string;
  readonly status: 'conflict' | 'imported';
  readonly news: News | null;
  /** A person's choice that is still to be carried out. */
  readonly resolution: 'booking' | 'outlook' | null;
  readonly item: Item | null;
  readonly isOrganizer: boolean;
  readonly conflict: ConflictNote | null;
}

/**
 * Changes to the settlement that depend on the result of a write into the booking system (the stored fields, the reservation
 * then, whether it existed before), which only its transaction knows: see `bridge_merged`.
 */
export interface BookingMerge {
  /** The written fields, and the adapter's key of each. A field that is not stored is not agreed on. */
  readonly written: readonly { readonly field: keyof Item; readonly key: string }[];
  /** Fields that are not agreed on in any case, and their former agreement. */
  readonly unagreed: readonly string[];
  readonly kept: ItemChange;
  /** If both sides do not agree on all fields. */
  readonly partly: Change;
  /** The beginning of the reason if fields were not stored; their names follow. */
  readonly lostReason?: string;
  /** If the event joined the reservation of its meeting in another room, or a reservation that was activated again. */
  readonly joined?: Change;
  readonly revived?: Change;
}
type Change = Partial<Pick<Settlement, 'action' | 'reason' | 'dueInMs'>>;

/** The reason of a settlement: Outlook did not have the event of an ended reservation any more. The queries about an event read it. */
export const goneAlready = 'its event was gone already';

/** The outcome of the work on one mapping. */
export interface Settlement {
  readonly id: number;
  readonly revision: number;
  /** 'forget' deletes a mapping without anything on either side. */
  readonly status:
    'pending' | 'synced' | 'error' | 'conflict' | 'cancelled' | 'shadowed' | 'imported' | 'forget';
  readonly eventId: string | null;
  readonly generation: number;
  readonly agreement: Agreement;
  readonly outlookBase: Item | null;
  readonly bookingSeen: BookedItem | null;
  readonly outlookSeen: Item | null;
  readonly error: string | null;
  readonly hint: string | null;
  /** Milliseconds until it is due again; null: done. */
  readonly dueInMs: number | null;
  readonly attempt: number;
  readonly action: PushAction | PullAction | 'delayed' | 'parked';
  readonly reason: string | null;
  /** What is still to be decided about; null: nothing. */
  readonly news: News | null;
  readonly intent: EventIntent | null;
  /** The deleted event was made by this create for this reservation, and never recorded. */
  readonly ofCreate?: ReservationKey & { readonly generation: number };
  /** Its event has its own reservation's extended properties now. */
  readonly renamed?: boolean;
  readonly waitsFor: WaitsFor | null;
  /** It is still unknown whether Outlook shows what was sent. */
  readonly keepsSent: boolean;
  readonly conflict: ConflictNote | null;
  /** The event as read; absent: as before. */
  readonly isOrganizer?: boolean;
  readonly iCalUId?: string;
  readonly originalStart?: string | null;
  readonly seriesMasterId?: string | null;
  /** The organiser who invited the room, by name or address; null: unknown. */
  readonly outlookOrganizer?: string | null;
  readonly etag?: string | null;
  readonly outlookChangedAt?: string | null;
  readonly counterpart?: Counterpart;
  /** For a write into the booking system. */
  readonly merge?: BookingMerge;
  /** Milliseconds since Graph accepted it, on our monotonic clock; the server calculates the latency from it. */
  readonly sinceAcceptedMs: number | null;
  readonly callMs: number | null;
  readonly requestId: string | null;
}

/** As bridge_settle takes it. */
export const settlementRow = ({ agreement, ...rest }: Settlement) => ({
  ...rest,
  ...agreementColumns(agreement),
});

/** The answer to settlements: latencies (perhaps of other rooms as well), and what the room needs next. */
export interface SettleAnswer {
  /** Milliseconds, by mapping, of those with a waiting change. */
  readonly latency: ReadonlyMap<number, number>;
  /** More is due. */
  readonly more: boolean;
  /** A delta round was requested. */
  readonly pulls: boolean;
}

/** The most rooms whose settlements are stored in one statement. */
const roomsTogether = 16;

/** The stored settlements, as they were stored, and the answer. */
interface Stored {
  readonly results: readonly Settlement[];
  readonly written: SettleAnswer;
}

/**
 * Stores the settlements of rooms; those of several rooms that arrive while a statement is under way are stored in one. If that fails,
 * each room is settled by itself, by `patient` (see `patiently`) and as `settleEach` does. Throws BR001 when fenced.
 */
export function createSettle(db: Queryable, patient: Queryable) {
  const settleTogether = combined((rooms: readonly ToSettle[]) => settleRooms(db, rooms), {
    most: roomsTogether,
  });
  return async function settle(room: LeasedRoom, results: readonly Settlement[]): Promise<Stored> {
    try {
      const written = await settleTogether({ room, results, since: performance.now() });
      return { results, written };
    } catch (error) {
      // after other errors it is unknown whether they are stored
      if (!isRefusedForGood(error) && !isContended(error) && !isFenced(error)) throw error;
      return await settleEach(patient, room, results);
    }
  };
}

/**
 * Stores settlements of one room so that one failing row does not affect the others: one that PostgreSQL refuses is parked and returned
 * so in `results`; the error of a row locked by another transaction is thrown after the others are stored. Throws BR001 when fenced.
 */
async function settleEach(
  session: Queryable,
  room: LeasedRoom,
  results: readonly Settlement[],
): Promise<Stored> {
  try {
    return { results, written: await settleRoom(session, room, results) };
  } catch (error) {
    if (!isRefusedForGood(error) && !(isContended(error) && results.length > 1)) throw error;
    const latency = new Map<number, number>();
    const busy: unknown[] = [];
    const refused = await oneByOne(results, async (one) => {
      try {
        for (const [id, ms] of (await settleRoom(session, room, [one])).latency) latency.set(id, ms);
      } catch (met) {
        if (!isContended(met)) throw met;
        busy.push(met);
      }
    });
    const parked = new Map(refused.map(({ item, error: why }) => [item.id, parkedAs(item, why)]));
    for (const one of parked.values()) await parkMapping(session, room, one);
    if (busy.length > 0) throw busy[0];
    return {
      results: results.map((one) => parked.get(one.id) ?? one),
      written: { latency, more: true, pulls: false },
    };
  }
}

const parkedAs = (one: Settlement, error: Error): Settlement => ({
  ...one,
  status: 'error',
  action: 'parked',
  error: `its result cannot be stored: ${error.message}`,
  hint: 'Try again, or change the booking; if that does not help, report it.',
});

const parkMapping = (session: Queryable, room: LeasedRoom, one: Settlement) =>
  callFunction(session, 'bridge_park', room.id, room.epoch, one.id, one.revision, one.error, one.hint);

/** Settlements of a room that wait to be stored. */
interface ToSettle {
  readonly room: LeasedRoom;
  readonly results: readonly Settlement[];
  /** `performance.now()` */
  readonly since: number;
}

/** Stores settlements of several rooms in one statement. */
async function settleRooms(session: Queryable, rooms: readonly ToSettle[]): Promise<SettleAnswer[]> {
  interface Answer {
    readonly latency: Record<string, number>;
    readonly rooms: Readonly<Record<string, Omit<SettleAnswer, 'latency'>>>;
  }
  const answer = await callFunction<Answer>(
    session,
    'bridge_settle_rooms',
    rooms.map(({ room }) => room.id),
    rooms.map(({ room }) => room.epoch),
    JSON.stringify(rooms.flatMap(rowsOf)),
  );
  const latency = latencyOf(answer.latency);
  return rooms.map(({ room }) => ({ latency, ...answer.rooms[room.id]! }));
}

/** The time of waiting counts as time since Graph accepted the write. */
function rowsOf({ results, since }: ToSettle) {
  const waitedMs = performance.now() - since;
  return results.map((one) => {
    const { sinceAcceptedMs } = one;
    return settlementRow(
      sinceAcceptedMs === null ? one : { ...one, sinceAcceptedMs: sinceAcceptedMs + waitedMs },
    );
  });
}

const latencyOf = (answer: Record<string, number>): ReadonlyMap<number, number> =>
  new Map(Object.entries(answer).map(([id, ms]) => [Number(id), ms]));

/** Stores settlements of one room in one statement. */
async function settleRoom(
  session: Queryable,
  room: LeasedRoom,
  results: readonly Settlement[],
): Promise<SettleAnswer> {
  interface Answer extends Omit<SettleAnswer, 'latency'> {
    readonly latency: Record<string, number>;
  }
  const rows = JSON.stringify(results.map(settlementRow));
  const answer = await callFunction<Answer>(session, 'bridge_settle', room.id, room.epoch, rows);
  return { ...answer, latency: latencyOf(answer.latency) };
}

/**
 * Puts off the due creates of a room in which Outlook refuses creates for now, including those in `postponed`, whose mappings may
 * still have the id of a deleted event. `inMs` null: all that were put off are due at once.
 */
export const putOffCreates = (session: Queryable, room: LeasedRoom, { postponed, inMs }: CreatesDue) =>
  callFunction(session, 'bridge_put_off_creates', room.id, room.epoch, postponed, inMs);

/** See `putOffCreates`. */
export interface CreatesDue {
  readonly postponed: readonly number[];
  readonly inMs: number | null;
}
