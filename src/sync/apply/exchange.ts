/**
 * Reservations that take each other's times: their events were exchanged in Outlook, or moved in a chain. Each time is taken by a
 * reservation whose own event has left it, so they are moved together, in one transaction, in which only the final times must be
 * free.
 */
import { adapterError } from '../../adapter-error.ts';
import { databaseFailure, isContended, sqlState, type Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import { touchesTimes, type Item, type ItemChange } from '../../item.ts';
import { queryColumn, queryRow } from '../../query.ts';
import { Exact } from '../../narrow-encoding.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { workItemOf, isMapped, type Mapped, type WorkRow } from '../store/work-item.ts';
import { elsewhereOf, shownOf, type Decision } from './decision.ts';
import type { WrittenToBooking } from './item-results.ts';
import { isUnreadable, readAndDecide, type DecideContext } from './read.ts';
import { bookingTook } from './settlement/booked.ts';
import { together } from '../together.ts';
import {
  argumentsOf,
  noReservation,
  stale,
  taken,
  writtenOf,
  type Answer,
  type BookingWrite,
} from './write-booking.ts';

/** Maximum members of one exchange; a longer chain is moved from its free end. */
const membersMost = 64;

export interface ExchangeOptions {
  readonly db: Queryable;
  readonly window: Window;
  /** The change of a decision in the booking system. */
  readonly changeIn: (room: LeasedRoom) => (decision: Decision) => Extract<BookingWrite, { do: 'change' }>;
}

/** For finding further members. */
export interface ExchangeContext {
  /** The work items of this batch. */
  readonly batch: readonly Mapped[];
  readonly context: DecideContext;
}

export function createExchange({ db, window, changeIn }: ExchangeOptions) {
  /** Reads reservations whose events have left a time that one of the members is to get. */
  async function leaving(
    room: LeasedRoom,
    members: readonly Decision[],
    besides: ReadonlySet<number>,
    context: DecideContext,
    signal: AbortSignal,
  ): Promise<readonly Decision[]> {
    const changeOf = changeIn(room);
    const rows = await queryColumn<WorkRow>(db, {
      name: 'leaving',
      text: 'SELECT bridge_leaving($1, $2, $3, $4, $5, $6)',
      values: [
        room.resourceId,
        JSON.stringify(members.map((decision) => placeOf(decision, changeOf(decision).change))),
        [...besides],
        membersMost,
        window.pastDays,
        window.futureDays,
      ],
    });
    const mapped = rows.map(workItemOf).filter((item) => item !== null && isMapped(item));
    const read = await together(mapped.map((one) => readAndDecide(one, context, signal)));
    return read.filter((one): one is Decision => !isUnreadable(one) && isMove(one));
  }

  /** Moves all of them; if one still finds its time taken, the others without it. */
  async function write(room: LeasedRoom, members: readonly Decision[]): Promise<readonly WrittenToBooking[]> {
    for (let those = members; those.length > 1;) {
      const writes = those.map((decision) => ({ decision, change: changeIn(room)(decision) }));
      const sent = writes.map(({ decision, change }) =>
        argumentsOf(decision.mapped, change, bookingTook(decision, change)),
      );
      try {
        const { written, answers } = await queryRow<{
          written: Pick<Answer, 'latency'>;
          answers: Record<string, Omit<Answer, 'latency'>>;
        }>(db, {
          name: 'write_exchange',
          text: `SELECT bridge_settle($1, $2, w.settlements) AS written, w.answers
            FROM bridge_write_exchange($1, $2, $3, $4, $5) w`,
          values: [
            room.id,
            room.epoch,
            new Exact(JSON.stringify(sent.map(({ item }) => item))),
            JSON.stringify(sent.map(({ expected }) => expected)),
            JSON.stringify(sent.map(({ settled }) => settled)),
          ],
        });
        return writes.map(({ decision, change }) => ({
          item: decision.mapped,
          decision,
          written: writtenOf(decision.mapped, change, {
            ...answers[decision.mapped.id]!,
            latency: written.latency,
          }),
        }));
      } catch (error) {
        const refusedId = refusedOne(error);
        if (refusedId === null) return [];
        those = those.filter(({ mapped }) => mapped.id !== refusedId);
      }
    }
    return [];
  }

  /**
   * Moves those of the refused decisions that can be moved together with the reservations at their times. Returns what was written.
   * Throws as reads and queries do.
   */
  return async function exchange(
    room: LeasedRoom,
    refused: readonly Decision[],
    { batch, context }: ExchangeContext,
    signal: AbortSignal,
  ): Promise<readonly WrittenToBooking[]> {
    const besides = new Set(batch.map(({ id }) => id));
    const members = refused.filter(isMove);
    for (let fresh: readonly Decision[] = [...members]; fresh.length > 0 && members.length < membersMost;) {
      fresh = await leaving(room, fresh, besides, context, signal);
      for (const { mapped } of fresh) besides.add(mapped.id);
      members.push(...fresh.slice(0, membersMost - members.length));
    }
    return await write(room, members);
  };
}

const isMove = ({ action, mapped }: Decision) =>
  action.do === 'change' && touchesTimes(action.toBooking) && elsewhereOf(mapped) === null;

/** The new time of its reservation. */
export function placeOf(
  decision: Decision,
  change: ItemChange = decision.action.do === 'change' ? decision.action.toBooking : {},
): Pick<Item, 'startsAt' | 'endsAt'> {
  const now = decision.mapped.booking ?? shownOf(decision)!;
  return { startsAt: change.startsAt ?? now.startsAt, endsAt: change.endsAt ?? now.endsAt };
}

/** The mapping that found its time taken; null: another failure, so nothing is written together. Throws outages. */
function refusedOne(error: unknown): number | null {
  const { detail } = error as { readonly detail?: unknown };
  if (sqlState(error) === taken && typeof detail === 'string' && /^\d+$/.test(detail)) return Number(detail);
  // changed meanwhile, or being changed
  if (isContended(error) || [stale, noReservation].includes(sqlState(error) ?? '')) return null;
  if (adapterError(error) !== null || databaseFailure(error, 'write together') instanceof Permanent)
    return null;
  throw error;
}
