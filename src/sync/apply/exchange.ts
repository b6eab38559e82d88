/**
 * Reservations that take each other's places: their events were exchanged in Outlook, or moved along. Each place is held by a
 * reservation whose own event has left it, so they are written together, in one transaction: what lies on a place when all of
 * them have moved takes it.
 */
import { adapterError } from '../../adapter-error.ts';
import { databaseFailure, isContended, sqlState, type Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import type { Item, ItemChange } from '../../item.ts';
import { Exact } from '../../narrow-encoding.ts';
import { touchesTimes } from '../decide/merge.ts';
import type { Due, LeasedRoom, Settled, Window } from '../store/mappings.ts';
import type { Done } from './apply.ts';
import { isUnreadable, readFirst, type Sight } from './read.ts';
import { shownOf, type Facing, type Step } from './step.ts';
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
  readonly changeOf: (step: Step, room: LeasedRoom) => Extract<BookingWrite, { do: 'change' }>;
  readonly settledAs: (step: Step) => Settled;
}

export function createExchange({ db, window, changeOf, settledAs }: ExchangeOptions) {
  /** Reads those whose events have left a place that one of the members is to have. */
  async function leaving(
    room: LeasedRoom,
    members: readonly Step[],
    besides: ReadonlySet<number>,
    facing: Facing & Sight,
    signal: AbortSignal,
  ): Promise<readonly Step[]> {
    const { rows } = await db.query<{ due: Due }>({
      name: 'leaving',
      text: 'SELECT bridge_leaving($1, $2, $3, $4, $5, $6) AS due',
      values: [
        room.resourceId,
        JSON.stringify(members.map((step) => placeOf(step, changeOf(step, room).change))),
        [...besides],
        membersMost,
        window.pastDays,
        window.futureDays,
      ],
    });
    const read = await together(rows.map(({ due }) => readFirst(due, facing, signal)));
    return read.filter((step): step is Step => !isUnreadable(step) && isMove(step));
  }

  /** Writes all of them; where one finds its place taken all the same, the others without it. */
  async function write(room: LeasedRoom, members: readonly Step[]): Promise<readonly Done[]> {
    for (let those = members; those.length > 1;) {
      const writes = those.map((step) => ({ step, write: changeOf(step, room) }));
      const asked = writes.map(({ step, write: change }) => askedOf(step.due, change, settledAs(step)));
      try {
        const { rows } = await db.query<{ answers: Record<string, Answer> }>({
          name: 'write_together',
          text: 'SELECT bridge_write_together($1, $2, $3, $4, $5) AS answers',
          values: [
            room.id,
            room.epoch,
            new Exact(JSON.stringify(asked.map(({ item }) => item))),
            JSON.stringify(asked.map(({ expected }) => expected)),
            JSON.stringify(asked.map(({ settled }) => settled)),
          ],
        });
        return writes.map(({ step, write: change }) => ({
          due: step.due,
          step,
          written: writtenOf(step.due, change, rows[0]!.answers[step.due.id]!),
        }));
      } catch (error) {
        const inTheWay = blamed(error);
        if (inTheWay === null) return [];
        those = those.filter(({ due }) => due.id !== inTheWay);
      }
    }
    return [];
  }

  /**
   * Of steps that found the place of their events taken, those that could be written together with what holds it; the others
   * stay refused. Throws as reads and queries do.
   */
  return async function exchange(
    room: LeasedRoom,
    refused: readonly Step[],
    batch: readonly Due[],
    facing: Facing & Sight,
    signal: AbortSignal,
  ): Promise<readonly Done[]> {
    const besides = new Set(batch.map(({ id }) => id));
    const members = refused.filter(isMove);
    for (let fresh: readonly Step[] = [...members]; fresh.length > 0 && members.length < membersMost;) {
      fresh = await leaving(room, fresh, besides, facing, signal);
      for (const { due } of fresh) besides.add(due.id);
      members.push(...fresh.slice(0, membersMost - members.length));
    }
    return await write(room, members);
  };
}

const isMove = ({ action }: Step) => action.do === 'change' && touchesTimes(action.toBooking);

/** Where its reservation is to be. */
export function placeOf(
  step: Step,
  change: ItemChange = step.action.do === 'change' ? step.action.toBooking : {},
): Pick<Item, 'startsAt' | 'endsAt'> {
  const now = step.due.booking ?? shownOf(step)!;
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
