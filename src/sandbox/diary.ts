/** The clerk's diary: the reservations made so far, and free times in the rooms. */
import type { Reservation } from './desk.ts';
import type { createRandom } from './tenant/random.ts';

/** The time of a reservation: minutes of a day, counted in days from today. */
export interface Slot {
  readonly day: number;
  readonly from: number;
  readonly to: number;
}

export interface Entry extends Slot {
  readonly reservation: Reservation;
  readonly title: string;
  readonly resources: readonly number[];
  readonly active: boolean;
}

export const meetingRooms = [101, 102, 103, 104];
export const halls = [201, 202];

/** Days ahead in which single reservations are made. */
const daysAhead = 56;
const triesMost = 30;
const dayMs = 86_400_000;

export type Diary = ReturnType<typeof createDiary>;

export function createDiary(random: ReturnType<typeof createRandom>, today: Date) {
  const entries: Entry[] = [];
  const dateOf = (day: number) => new Date(today.getTime() + day * dayMs);

  /** No other active reservation is in one of these rooms at that time, `except` aside. */
  const isFree = (resources: readonly number[], slot: Slot, except?: Entry) =>
    !entries.some(
      (one) =>
        one !== except &&
        one.active &&
        one.day === slot.day &&
        one.from < slot.to &&
        one.to > slot.from &&
        one.resources.some((resource) => resources.includes(resource)),
    );

  /** A free time of that length in these rooms; null if a few tries found none. */
  function findSlot(resources: readonly number[], minutes: number, except?: Entry): Slot | null {
    const [opens, closes] = resources.some((room) => halls.includes(room))
      ? [9 * 60, 22 * 60]
      : [8 * 60, 20 * 60];
    for (let tries = 0; tries < triesMost; tries += 1) {
      const day = 1 + random.below(daysAhead);
      const from = opens + 30 * random.below(Math.floor((closes - opens - minutes) / 30) + 1);
      const slot = { day, from, to: from + minutes };
      const isWeekend = [0, 6].includes(dateOf(day).getUTCDay());
      if (!(isWeekend && meetingRooms.includes(resources[0]!)) && isFree(resources, slot, except))
        return slot;
    }
    return null;
  }

  /** A random entry of those that fit; null: there is none. */
  function choose(fits: (one: Entry) => boolean): Entry | null {
    const fitting = entries.filter(fits);
    return fitting.length === 0 ? null : fitting[random.below(fitting.length)]!;
  }

  /** Adds an entry, or replaces `before`. */
  function record(before: Entry | null, now: Entry): Entry {
    if (before === null) entries.push(now);
    else entries[entries.indexOf(before)] = now;
    return now;
  }

  const stamp = (day: number, minute: number) =>
    `${dateOf(day).toISOString().slice(0, 10)} ${clockOf(minute)}`;

  return {
    entries,
    isFree,
    findSlot,
    choose,
    record,
    /** Start and end as local times of the booking tables. */
    timesOf: ({ day, from, to }: Slot) => ({ from: stamp(day, from), to: stamp(day, to) }),
    /** Day and start for people. */
    textOf: ({ day, from }: Slot) =>
      `${dayFormat.format(dateOf(day)).replace('Sept', 'Sep')} ${clockOf(from)}`,
  };
}

const clockOf = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
const dayFormat = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: '2-digit',
  month: 'short',
  timeZone: 'UTC',
});
