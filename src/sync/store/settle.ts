/** What came of the work on mappings is written down. The queries are functions of our own schema (`database/functions`). */
import type { BookedItem } from '../../appearance.ts';
import { isContended, type Queryable } from '../../database.ts';
import type { PullAction, PushAction } from '../../facts.ts';
import type { Item, ItemChange } from '../../item.ts';
import { agreementColumns, type Agreement } from './agreement.ts';
import type { LeasedRoom } from './work-list.ts';
import { isRefusedForGood, oneByOne } from './failing.ts';
import type { ConflictNote, EventIntent, News, WaitsFor } from './work-item.ts';

/** An event that is detached from its mapping and begins anew in one of its own. */
interface Counterpart {
  readonly eventId: string;
  readonly status: 'conflict' | 'imported';
  readonly news: News | null;
  /** What a person chose before it was detached. */
  readonly resolution: 'booking' | 'outlook' | null;
  readonly item: Item | null;
  readonly isOrganizer: boolean;
  readonly conflict: ConflictNote | null;
}

/**
 * What only the transaction of a write into the booking system knows (which keys the adapter stored, what the reservation shows
 * then, whether it was there before), and what is laid over the settlement where that asks for it: see `bridge_merged`.
 */
export interface BookingMerge {
  /** The fields that are written, and the adapter's key of each. One that is not stored is not agreed on. */
  readonly written: readonly { readonly field: keyof Item; readonly key: string }[];
  /** Fields that are not agreed on, whatever is stored, and what was agreed on before of those. */
  readonly unagreed: readonly string[];
  readonly kept: ItemChange;
  /** Both sides do not agree on all that the reservation shows. */
  readonly partly: Laid;
  /** Begins the reason where fields were not stored; their names follow. */
  readonly lostReason?: string;
  /** The event is in a reservation of the same meeting in another room, or in one that lost it. */
  readonly joined?: Laid;
  readonly revived?: Laid;
}
type Laid = Partial<Pick<Settlement, 'action' | 'reason' | 'dueInMs'>>;

/** What was done to one mapping, as it is written down. */
export interface Settlement {
  readonly id: number;
  readonly revision: number;
  /** 'forget' drops a mapping that has nothing to show on either side. */
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
  /** Due again after this long; null: done. */
  readonly dueInMs: number | null;
  readonly attempt: number;
  readonly action: PushAction | PullAction | 'delayed' | 'parked';
  readonly reason: string | null;
  /** What is still to be dealt with; null: nothing. */
  readonly news: News | null;
  readonly intent: EventIntent | null;
  /** Its event carries its own extended properties now. */
  readonly renamed?: boolean;
  readonly waitsFor: WaitsFor | null;
  readonly conflict: ConflictNote | null;
  /** What is known of the event now; absent: as before. */
  readonly isOrganizer?: boolean;
  readonly iCalUId?: string;
  readonly originalStart?: string | null;
  readonly seriesMasterId?: string | null;
  /** Who invited the room, by name or address; null: not known. */
  readonly outlookOrganizer?: string | null;
  readonly etag?: string | null;
  readonly outlookChangedAt?: string | null;
  readonly counterpart?: Counterpart;
  /** Of a write into the booking system. */
  readonly merge?: BookingMerge;
  /** How long ago Graph accepted it, on our monotonic clock; the server counts latency back from it. */
  readonly sinceAcceptedMs: number | null;
  readonly callMs: number | null;
  readonly requestId: string | null;
}

/** As bridge_settle takes it. */
export const settlementRow = ({ agreement, ...rest }: Settlement) => ({
  ...rest,
  ...agreementColumns(agreement),
});

/** What came of writing down: how long each change took, and what the room asks for next. */
export interface SettleAnswer {
  /** Milliseconds, by mapping, of those that had a change waiting. */
  readonly latency: ReadonlyMap<number, number>;
  /** More is due. */
  readonly more: boolean;
  /** Its calendar is to be asked for changes. */
  readonly pulls: boolean;
}

/**
 * Writes down results, of which one that PostgreSQL refuses unsettles no other: it is parked, and comes back so in
 * `results`; one whose row somebody else's transaction has keeps back no other either, and is thrown last. Throws BR001 when fenced.
 */
export async function settleEach(
  session: Queryable,
  room: LeasedRoom,
  results: readonly Settlement[],
): Promise<{ readonly results: readonly Settlement[]; readonly written: SettleAnswer }> {
  try {
    return { results, written: await settleMappings(session, room, results) };
  } catch (error) {
    if (!isRefusedForGood(error) && !(isContended(error) && results.length > 1)) throw error;
    const latency = new Map<number, number>();
    const busy: unknown[] = [];
    const refused = await oneByOne(results, async (one) => {
      try {
        for (const [id, ms] of (await settleMappings(session, room, [one])).latency) latency.set(id, ms);
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
  error: `what became of it cannot be written down: ${error.message}`,
  hint: 'Try again, or change the booking; if that does not help, report it.',
});

async function parkMapping(session: Queryable, room: LeasedRoom, one: Settlement): Promise<void> {
  await session.query({
    name: 'park_mapping',
    text: 'SELECT bridge_park($1, $2, $3, $4, $5, $6)',
    values: [room.id, room.epoch, one.id, one.revision, one.error, one.hint],
  });
}

/** Writes down results in one statement. */
async function settleMappings(
  session: Queryable,
  room: LeasedRoom,
  results: readonly Settlement[],
): Promise<SettleAnswer> {
  interface Answer {
    readonly latency: Record<string, number>;
    readonly more: boolean;
    readonly pulls: boolean;
  }
  const { rows } = await session.query<{ answer: Answer }>({
    name: 'settle_mappings',
    text: 'SELECT bridge_settle($1, $2, $3) AS answer',
    values: [room.id, room.epoch, JSON.stringify(results.map(settlementRow))],
  });
  const { latency, more, pulls } = rows[0]!.answer;
  return { latency: new Map(Object.entries(latency).map(([id, ms]) => [Number(id), ms])), more, pulls };
}

/**
 * Puts off the creates of a room that are due, because Outlook refuses creates there for now, and with them those in `postponed`,
 * which may be creates that keep the id of an event that is gone. `inMs` null: those that were put off are due at once.
 */
export async function putOffCreates(
  session: Queryable,
  room: LeasedRoom,
  { postponed, inMs }: CreatesDue,
): Promise<void> {
  await session.query({
    name: 'put_off_creates',
    text: 'SELECT bridge_put_off_creates($1, $2, $3, $4)',
    values: [room.id, room.epoch, postponed, inMs],
  });
}

/** See `putOffCreates`. */
export interface CreatesDue {
  readonly postponed: readonly number[];
  readonly inMs: number | null;
}
