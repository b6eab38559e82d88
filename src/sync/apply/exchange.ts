/**
 * Reservations that take each other's places: their events were exchanged in Outlook, or moved along. Each place is held by a
 * reservation whose own event has left it, so they are written together, in one transaction: what lies on a place when all of
 * them have moved takes it.
 */
import { adapterError } from '../../adapter-error.ts';
import { databaseFailure, isContended, sqlState, type Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import { touchesTimes, type Item, type ItemChange } from '../../item.ts';
import { Exact } from '../../narrow-encoding.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { workItemOf, isMapped, type Mapped, type WorkRow } from '../store/work-item.ts';
import { shownOf, type Decision, type Facing } from './decision.ts';
import type { Done } from './outcome.ts';
import { isUnreadable, readAndDecide, type Sight } from './read.ts';
import { bookingTook } from './settlement/booked.ts';
import { together } from '../together.ts';
import {
  askedOf,
  noReservation,
  stale,
  taken,
  writtenOf,
  type Answer,
  type BookingWrite,
} from './write-booking.ts';

/** Members of one exchange at most; a longer chain is followed from its free end. */
const membersMost = 64;

export interface ExchangeOptions {
  readonly db: Queryable;
  readonly window: Window;
  /** What a decision changes in the booking system. */
  readonly changeIn: (room: LeasedRoom) => (decision: Decision) => Extract<BookingWrite, { do: 'change' }>;
}

/** Where more members are found. */
export interface Among {
  /** What is due and being worked on already. */
  readonly batch: readonly Mapped[];
  readonly facing: Facing & Sight;
}

export function createExchange({ db, window, changeIn }: ExchangeOptions) {
  /** Reads those whose events have left a place that one of the members is to have. */
  async function leaving(
    room: LeasedRoom,
    members: readonly Decision[],
    besides: ReadonlySet<number>,
    facing: Facing & Sight,
    signal: AbortSignal,
  ): Promise<readonly Decision[]> {
    const changeOf = changeIn(room);
    const { rows } = await db.query<{ due: WorkRow }>({
      name: 'leaving',
      text: 'SELECT bridge_leaving($1, $2, $3, $4, $5, $6) AS due',
      values: [
        room.resourceId,
        JSON.stringify(members.map((decision) => placeOf(decision, changeOf(decision).change))),
        [...besides],
        membersMost,
        window.pastDays,
        window.futureDays,
      ],
    });
    const items = rows.map(({ due }) => workItemOf(due)).filter((item) => item !== null);
    const mapped = items.filter(isMapped);
    const read = await together(mapped.map((one) => readAndDecide(one, facing, signal)));
    return read.filter((one): one is Decision => !isUnreadable(one) && isMove(one));
  }

  /** Writes all of them; where one finds its place taken all the same, the others without it. */
  async function write(room: LeasedRoom, members: readonly Decision[]): Promise<readonly Done[]> {
    for (let those = members; those.length > 1;) {
      const writes = those.map((decision) => ({ decision, change: changeIn(room)(decision) }));
      const asked = writes.map(({ decision, change }) =>
        askedOf(decision.mapped, change, bookingTook(decision, change)),
      );
      try {
        const { rows } = await db.query<{
          written: Pick<Answer, 'latency'>;
          answers: Record<string, Omit<Answer, 'latency'>>;
        }>({
          name: 'write_exchange',
          text: `SELECT bridge_settle($1, $2, w.settlements) AS written, w.answers
            FROM bridge_write_exchange($1, $2, $3, $4, $5) w`,
          values: [
            room.id,
            room.epoch,
            new Exact(JSON.stringify(asked.map(({ item }) => item))),
            JSON.stringify(asked.map(({ expected }) => expected)),
            JSON.stringify(asked.map(({ settled }) => settled)),
          ],
        });
        return writes.map(({ decision, change }) => ({
          item: decision.mapped,
          decision,
          written: writtenOf(decision.mapped, change, {
            ...rows[0]!.answers[decision.mapped.id]!,
            latency: rows[0]!.written.latency,
          }),
        }));
      } catch (error) {
        const inTheWay = blamed(error);
        if (inTheWay === null) return [];
        those = those.filter(({ mapped }) => mapped.id !== inTheWay);
      }
    }
    return [];
  }

  /**
   * Of decisions that found the place of their events taken, those that could be written together with what holds it; the others
   * stay refused. Throws as reads and queries do.
   */
  return async function exchange(
    room: LeasedRoom,
    refused: readonly Decision[],
    { batch, facing }: Among,
    signal: AbortSignal,
  ): Promise<readonly Done[]> {
    const besides = new Set(batch.map(({ id }) => id));
    const members = refused.filter(isMove);
    for (let fresh: readonly Decision[] = [...members]; fresh.length > 0 && members.length < membersMost;) {
      fresh = await leaving(room, fresh, besides, facing, signal);
      for (const { mapped } of fresh) besides.add(mapped.id);
      members.push(...fresh.slice(0, membersMost - members.length));
    }
    return await write(room, members);
  };
}

const isMove = ({ action }: Decision) => action.do === 'change' && touchesTimes(action.toBooking);

/** Where its reservation is to be. */
export function placeOf(
  decision: Decision,
  change: ItemChange = decision.action.do === 'change' ? decision.action.toBooking : {},
): Pick<Item, 'startsAt' | 'endsAt'> {
  const now = decision.mapped.booking ?? shownOf(decision)!;
  return { startsAt: change.startsAt ?? now.startsAt, endsAt: change.endsAt ?? now.endsAt };
}

/** The mapping that found its place taken; null: something else is wrong, so nothing is written together. Throws outages. */
function blamed(error: unknown): number | null {
  const { detail } = error as { readonly detail?: unknown };
  if (sqlState(error) === taken && typeof detail === 'string' && /^\d+$/.test(detail)) return Number(detail);
  // somebody was faster, or is at it
  if (isContended(error) || [stale, noReservation].includes(sqlState(error) ?? '')) return null;
  if (adapterError(error) !== null || databaseFailure(error, 'write together') instanceof Permanent)
    return null;
  throw error;
}
