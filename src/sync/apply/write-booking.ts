/**
 * Writes changes of Outlook into the booking system: one transaction each, fenced by the lease, and only if the reservation has
 * not changed since the decision. The adapter's functions do the writing (`sql/README.md`).
 */
import { adapterError } from '../../adapter-error.ts';
import { backOffMs } from '../../back-off.ts';
import { databaseFailure, isContended, sqlState, type Queryable } from '../../database.ts';
import { Permanent, Retryable, messageOf } from '../../errors.ts';
import type { PullAction } from '../../facts.ts';
import type { Id } from '../../id.ts';
import { Exact } from '../../narrow-encoding.ts';
import { itemFields, viewNames, type Item, type ItemChange, type ReservationKey } from '../../item.ts';
import { findRow, queryValue } from '../../query.ts';
import { itemsIn } from '../store/readable-items.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { settlementRow, type Settlement } from '../store/settle.ts';
import { isMapped, type WorkItem } from '../store/work-item.ts';
import { bookedOf, elsewhereOf } from './decision.ts';

export type BookingWrite =
  | {
      readonly do: 'import';
      readonly item: Item;
      readonly organizer: { readonly name: string; readonly email: string } | null;
      readonly overlap: 'refuse' | 'allow';
      /** Its former reservation, which is activated again if the adapter can do that; else a new one is made. */
      readonly revives: ReservationKey | null;
    }
  | {
      readonly do: 'change';
      readonly change: ItemChange;
      /** Fields changed in Outlook that the booking system cannot store: they are written back to Outlook. */
      readonly lost: readonly (keyof Item)[];
      /** refuse: not to a time taken by a reservation that it did not overlap before. */
      readonly overlap: 'refuse' | 'allow';
      /** The reservation has left the room, and is changed in its other rooms. */
      readonly elsewhere: boolean;
    }
  | { readonly do: 'cancel' };

export type BookingWritten =
  | {
      readonly outcome: 'written';
      readonly action: PullAction;
      readonly reservationType: string;
      readonly reservationId: Id;
      readonly latencyMs: number | null;
    }
  /** The reservation has changed: decide again. */
  | { readonly outcome: 'stale' }
  /** The time is taken in the booking system. */
  | { readonly outcome: 'taken'; readonly message: string }
  /** Refused until a person acts; `isRule`: by a rule that this item breaks, not by a failure of the booking system. */
  | { readonly outcome: 'refused'; readonly message: string; readonly isRule: boolean }
  /** For now, for example because of a lock. */
  | { readonly outcome: 'later'; readonly message: string; readonly inMs: number };

/** The answer of bridge_settle and bridge_write_booking to one write. */
export interface Answer {
  readonly latency: Readonly<Record<string, number>>;
  readonly reservationType: string;
  readonly reservationId: Id;
  readonly joined: boolean;
}

/** See database/functions/65_write_back.sql. */
export const stale = 'BR002';
export const taken = '23P01';
export const noReservation = 'P0002';
const untranslatable = '22P05';
/** So often a reservation may be missing when it is written although it is shown when it is read. */
const goneMost = 5;

export function createWriteBooking(db: Queryable) {
  /** Carries out one write and stores its settlement. Throws as the driver does when the database is unavailable or the lease lost. */
  return async function writeBooking(
    room: LeasedRoom,
    item: WorkItem,
    write: BookingWrite,
    settled: Settlement,
  ): Promise<BookingWritten> {
    const sent = argumentsOf(item, write, settled);
    const values = [
      room.id,
      room.epoch,
      write.do,
      new Exact(JSON.stringify(sent.item)),
      JSON.stringify(sent.expected),
      JSON.stringify(sent.settled),
    ];
    try {
      const answer = await queryValue<Answer>(db, {
        name: 'write_booking',
        text: `SELECT bridge_settle($1, $2, w.settlements) || w.answer AS answer
          FROM bridge_write_booking($1, $2, $3, $4, $5, $6) w`,
        values,
      });
      return writtenOf(item, write, answer);
    } catch (error) {
      const result = failed(error, item, write);
      return result.outcome === 'taken' && isConstraint(error)
        ? { ...result, message: await takenBy(room, item, write) }
        : result;
    }
  };

  /** The message for a refusal by a constraint, whose own text says nothing to a user: names the reservation there, as bridge_met does. */
  async function takenBy(room: LeasedRoom, item: WorkItem, write: BookingWrite): Promise<string> {
    const place = placeOf(item, write);
    const other = await findRow<{ name: string }>(db, {
      name: 'time_taken_by',
      text: `SELECT i.reservation_type || '/' || coalesce(bridge_key_of(i.reservation_type, i.reservation_id), i.reservation_id::text) AS name
        FROM ${itemsIn('i', '$1', '$2', '$3')}
        WHERE i.unreadable IS NULL AND i.starts_at < $3::timestamptz AND i.ends_at > $2::timestamptz
          AND NOT (i.reservation_type = $4 AND i.reservation_id = $5) IS TRUE
        ORDER BY i.starts_at LIMIT 1`,
      values: [room.resourceId, place?.startsAt ?? null, place?.endsAt ?? null, ...reservationOf(item)],
    });
    return other === null
      ? 'The time is taken in the booking system, which allows one reservation at a time.'
      : `The time is taken in room ${room.name} by ${other.name}.`;
  }

  function failed(error: unknown, { attempt }: WorkItem, write: BookingWrite): BookingWritten {
    const state = sqlState(error);
    const message = lacking(error) ?? adapterError(error) ?? messageOf(error);
    if (state === stale) return { outcome: 'stale' };
    // deleted meanwhile, as the view will show; if the view goes on to show it, refused in the end
    if (state === noReservation && write.do !== 'import' && attempt < goneMost) return { outcome: 'stale' };
    if (state === taken) return { outcome: 'taken', message };
    // a revoked right can be granted again; no item has to be repaired then
    if (isContended(error) || state === '42501')
      return { outcome: 'later', message, inMs: backOffMs(attempt, Math.random()) };
    const failure = databaseFailure(error, 'write into the booking system');
    const ofAdapter = adapterError(error) !== null;
    if (failure instanceof Retryable && !(ofAdapter && state === undefinedFunction)) throw error;
    if (failure instanceof Permanent || ofAdapter)
      return { outcome: 'refused', message, isRule: isRule(error) };
    throw error;
  }
}

/**
 * A constraint, a RAISE of a function, or a value that a column cannot store. Otherwise a function, trigger or view failed, perhaps on
 * another item that it read: what fails with a calculation is not known to depend on the item. A RAISE with another SQLSTATE of
 * PostgreSQL reports a failure, too.
 */
function isRule(error: unknown): boolean {
  const state = sqlState(error) ?? '';
  const isRaised = (error as { readonly routine?: unknown }).routine === 'exec_stmt_raise';
  return (
    /^(23|44)/.test(state) ||
    unstorable.includes(state) ||
    (isRaised && (/^(22|P0)/.test(state) || !ofPostgres.test(state)))
  );
}
/** The classes of https://www.postgresql.org/docs/current/errcodes-appendix.html. */
const ofPostgres = /^(0[0-3]|0[89ABFLPZ]|10|2[0-8]|2[BDF]|3[489]|3[BDF]|4[024]|5[34578]|72|F0|HV|P0|XX)/;
/** string_data_right_truncation, untranslatable_character, character_not_in_repertoire */
const unstorable = ['22001', untranslatable, '22021'];

/** A constraint of the booking system refused, not a function of the adapter. */
const isConstraint = (error: unknown): boolean => {
  const { constraint } = error as { readonly constraint?: unknown };
  return typeof constraint === 'string' && constraint !== '';
};

function placeOf(item: WorkItem, write: BookingWrite): Pick<Item, 'startsAt' | 'endsAt'> | null {
  if (write.do === 'import') return write.item;
  const now = isMapped(item) ? bookedOf(item) : null;
  const change = write.do === 'change' ? write.change : {};
  const [startsAt, endsAt] = [change.startsAt ?? now?.startsAt, change.endsAt ?? now?.endsAt];
  return startsAt === undefined || endsAt === undefined ? null : { startsAt, endsAt };
}

const reservationOf = (item: WorkItem) =>
  isMapped(item) ? [item.reservation.type, item.reservation.id] : [null, null];

/** The arguments of the database functions for one write. */
export const argumentsOf = (item: WorkItem, write: BookingWrite, settled: Settlement) => ({
  item: payloadOf(write),
  expected: isMapped(item) ? (bookedOf(item) ?? elsewhereOf(item)) : null,
  settled: settlementRow(settled),
});

/** The result of one write. */
export const writtenOf = (
  { id }: WorkItem,
  write: BookingWrite,
  { latency, joined, reservationType, reservationId }: Answer,
): Extract<BookingWritten, { outcome: 'written' }> => ({
  outcome: 'written',
  action: joined ? 'joined' : actionOf(write),
  reservationType,
  reservationId,
  latencyMs: latency[id] ?? null,
});

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: a function of the adapter, or one that it calls, is missing. */
const undefinedFunction = '42883';

/** The message for a character that the encoding of the database lacks; null: another failure. PostgreSQL gives its bytes. */
function lacking(error: unknown): string | null {
  if (sqlState(error) !== untranslatable) return null;
  const message = messageOf(error);
  const bytes = message.match(/(?<=\b0x)[0-9a-f]{2}\b/g) ?? [];
  return `it has a character that the database cannot store, ${Buffer.from(bytes.join(''), 'hex').toString()} (${message})`;
}

export const fieldsOf = (change: ItemChange) => itemFields.filter((field) => change[field] !== undefined);

const actionOf = ({ do: what }: BookingWrite): PullAction =>
  what === 'import' ? 'imported' : what === 'change' ? 'booking-updated' : 'booking-cancelled';

function payloadOf(write: BookingWrite): Record<string, unknown> {
  switch (write.do) {
    case 'cancel':
      return {};
    case 'change':
      return {
        ...translated(write.change),
        overlap: write.overlap,
        ...(write.elsewhere ? { elsewhere: true } : {}),
      };
    case 'import':
      return {
        ...translated(write.item),
        organizer_name: write.organizer?.name ?? '',
        organizer_email: write.organizer?.email ?? '',
        overlap: write.overlap,
        ...(write.revives === null ? {} : { revives: write.revives }),
      };
  }
}

const translated = (change: ItemChange) =>
  Object.fromEntries(fieldsOf(change).map((field) => [viewNames[field], change[field]]));
