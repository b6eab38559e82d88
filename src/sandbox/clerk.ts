/**
 * A working day at the municipality's booking desk: meetings, rehearsals and training are booked, moved, retitled,
 * cancelled and re-enabled. The same seed gives the same day. The clerk books nothing twice: no two reservations of
 * theirs overlap in a room.
 */
import { inTransaction, type Database } from '../database.ts';
import { createDesk, type Reservation } from './desk.ts';
import { monotonicMs } from './tenant/clock.ts';
import { createRandom } from './tenant/random.ts';

/** Something that somebody did on one side. */
export interface Act {
  /** As in a diary: 'booked', 'moved'. */
  readonly verb: string;
  readonly title: string;
  /** When the reservation begins now, in words; of several: how many there are. */
  readonly when: string;
  /** Rooms it is in now or was in before. */
  readonly resources: readonly number[];
  readonly touched: readonly Reservation[];
  /** When the transaction had been committed, on the machine's monotonic clock. */
  readonly committedAt: number;
}

/** Who works on one side of the demo. */
export interface Actor {
  /** Does the next thing; null: there was nothing to do. */
  act(): Promise<Act | null>;
}

/** When a reservation is: minutes of a day that is so many days from today. */
interface Slot {
  readonly day: number;
  readonly from: number;
  readonly to: number;
}

interface Noted extends Slot {
  readonly reservation: Reservation;
  readonly title: string;
  readonly resources: readonly number[];
  readonly active: boolean;
}

const meetings = [
  'Formannskapet',
  'Bystyremøte',
  'Byggesaksutvalget',
  'Budsjettmøte',
  'Ungdomsrådet',
  'Opplæring i saksbehandling',
  'Medarbeidersamtaler',
  'Vielse',
  'Pensjonistforeningens foredrag',
  'Oppstartsmøte skolebygg',
  'Folkemøte om ny bybane',
  'Eldrerådet',
];
const sports = [
  'Håndballcup',
  'Skoleidrettsdag',
  'Innebandyturnering',
  'Åpen hall',
  'Loppemarked',
  'Danseoppvisning',
];
const additions = [' (utvidet)', ' – åpent for alle', ' med servering', ' (fullt)', ' – nytt tidspunkt'];
const groups = [
  { of: 1, title: 'Håndball jenter 14', resources: [201, 202] },
  { of: 2, title: 'Volleyball damer', resources: [201, 202] },
  { of: 3, title: 'Kammerkoret', resources: [101, 102] },
];
const meetingRooms = [101, 102, 103, 104];
const halls = [201, 202];

/** Days ahead in which single reservations are made, and the weeks of a season. */
const daysAhead = 56;
const weeksOfSeason = 10;
/**
 * With more than this the clerk cancels rather than books: a demo may run for days, and a dozen rows that somebody deletes
 * stay a large enough part of the whole for the brake to hold.
 */
const mostActive = 40;

export interface Clerk extends Actor {
  /** Books what is there before the bridge is, silently. Returns how many reservations. */
  prepare(count: number): Promise<number>;
}

export function createClerk(db: Database, seed: number, today = new Date()): Clerk {
  const desk = createDesk(db);
  const random = createRandom(seed);
  const noted: Noted[] = [];
  let acts = 0;

  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
  const dateOf = (day: number) => new Date(today.getTime() + day * 86_400_000);
  const stamp = (day: number, minute: number) =>
    `${dateOf(day).toISOString().slice(0, 10)} ${clockOf(minute)}`;
  const words = ({ day, from }: Slot) =>
    `${dayInWords.format(dateOf(day)).replace('Sept', 'Sep')} ${clockOf(from)}`;
  const isFree = (resources: readonly number[], slot: Slot, but?: Noted) =>
    !noted.some(
      (one) =>
        one !== but &&
        one.active &&
        one.day === slot.day &&
        one.from < slot.to &&
        one.to > slot.from &&
        one.resources.some((resource) => resources.includes(resource)),
    );

  /** A free time in these rooms, of that length; null when a few tries found none. */
  function findSlot(resources: readonly number[], minutes: number, but?: Noted): Slot | null {
    const [opens, closes] = resources.some((room) => halls.includes(room))
      ? [9 * 60, 22 * 60]
      : [8 * 60, 20 * 60];
    for (let tries = 0; tries < 30; tries += 1) {
      const day = 1 + random.below(daysAhead);
      const from = opens + 30 * random.below(Math.floor((closes - opens - minutes) / 30) + 1);
      const slot = { day, from, to: from + minutes };
      const weekend = [0, 6].includes(dateOf(day).getUTCDay());
      if (!(weekend && meetingRooms.includes(resources[0]!)) && isFree(resources, slot, but)) return slot;
    }
    return null;
  }

  const told = (verb: string, one: Noted, more: Partial<Act> = {}): Act => ({
    verb,
    title: one.title,
    when: words(one),
    resources: one.resources,
    touched: [one.reservation],
    committedAt: monotonicMs(),
    ...more,
  });

  /** Notes what is so now; every act ends with it. */
  function note(before: Noted | null, now: Noted): Noted {
    if (before === null) noted.push(now);
    else noted[noted.indexOf(before)] = now;
    return now;
  }

  async function book(): Promise<Act | null> {
    const inHall = random.next() < 0.25;
    const first = pick(inHall ? halls : meetingRooms);
    // now and then somebody needs two rooms at once
    const resources = random.next() < 0.12 ? (inHall ? halls : [101, 102]) : [first];
    const slot = findSlot(resources, pick([60, 90, 120, 180]));
    if (slot === null) return null;
    const title = pick(inHall ? sports : meetings);
    const at = { from: stamp(slot.day, slot.from), to: stamp(slot.day, slot.to) };
    const reservation = await desk.book(resources, { title, ...at });
    return told('booked', note(null, { ...slot, reservation, title, resources, active: true }));
  }

  async function bookGroup(): Promise<Act | null> {
    const { of, title, resources: possible } = pick(groups);
    const resources = [pick(possible)];
    const slot = findSlot(resources, 90);
    if (slot === null) return null;
    const at = { from: stamp(slot.day, slot.from), to: stamp(slot.day, slot.to) };
    const reservation = await desk.bookGroup(resources, { of, ...at });
    return told('booked', note(null, { ...slot, reservation, title, resources, active: true }));
  }

  async function move(): Promise<Act | null> {
    const one = choose((n) => n.active);
    const slot = one && findSlot(one.resources, one.to - one.from, one);
    if (!one || !slot) return null;
    await desk.move(one.reservation, stamp(slot.day, slot.from), stamp(slot.day, slot.to));
    return told('moved', note(one, { ...one, ...slot }));
  }

  async function moveToOtherRoom(): Promise<Act | null> {
    const one = choose((n) => n.active && n.resources.length === 1);
    if (!one) return null;
    const others = (halls.includes(one.resources[0]!) ? halls : meetingRooms).filter(
      (r) => r !== one.resources[0],
    );
    const resource = random.shuffled(others).find((room) => isFree([room], one, one));
    if (resource === undefined) return null;
    await desk.moveTo(one.reservation, resource);
    const now = note(one, { ...one, resources: [resource] });
    return told('other room', now, { resources: [...one.resources, resource] });
  }

  async function retitle(): Promise<Act | null> {
    const one = choose((n) => n.active && n.reservation.type === 'event');
    if (!one) return null;
    const base = [...meetings, ...sports].find((title) => one.title.startsWith(title)) ?? one.title;
    const title = base + pick(additions.filter((addition) => base + addition !== one.title));
    await desk.retitle(one.reservation, title);
    return told('retitled', note(one, { ...one, title }));
  }

  async function cancel(): Promise<Act | null> {
    const one = choose((n) => n.active);
    if (!one) return null;
    await desk.cancel(one.reservation);
    return told('cancelled', note(one, { ...one, active: false }));
  }

  async function reenable(): Promise<Act | null> {
    const one = choose((n) => !n.active && isFree(n.resources, n));
    if (!one) return null;
    await desk.reenable(one.reservation);
    return told('re-enabled', note(one, { ...one, active: true }));
  }

  /** A group's training, once a week for a season, in one transaction. */
  async function bookSeason(): Promise<Act | null> {
    const { of, title, resources: possible } = pick(groups);
    const resources = [pick(possible)];
    const from = 60 * (16 + random.below(5));
    const first = 7 + random.below(7);
    const slots = Array.from({ length: weeksOfSeason }, (_, week) => ({
      day: first + 7 * week,
      from,
      to: from + 90,
    }));
    const free = slots.filter((slot) => slot.day < 360 && isFree(resources, slot));
    if (free.length < weeksOfSeason - 2) return null;
    const ids = await insertBookings(
      db,
      of,
      resources[0]!,
      free.map((slot) => [stamp(slot.day, slot.from), stamp(slot.day, slot.to)] as const),
    );
    const committedAt = monotonicMs();
    const all = free.map((slot, at) =>
      note(null, { ...slot, reservation: { type: 'booking', id: ids[at]! }, title, resources, active: true }),
    );
    const when = `${all.length} weeks at once`;
    return told('season', all[0]!, { touched: all.map((one) => one.reservation), when, committedAt });
  }

  const choose = (fits: (one: Noted) => boolean): Noted | null => {
    const fitting = noted.filter(fits);
    return fitting.length === 0 ? null : pick(fitting);
  };

  function nextDeed(): () => Promise<Act | null> {
    if (noted.filter((one) => one.active).length > mostActive) return cancel;
    if (acts % 40 === 4) return bookSeason;
    const dice = random.next();
    if (dice < 0.36) return book;
    if (dice < 0.5) return bookGroup;
    if (dice < 0.66) return move;
    if (dice < 0.78) return retitle;
    if (dice < 0.9) return cancel;
    if (dice < 0.96) return reenable;
    return moveToOtherRoom;
  }

  return {
    async act() {
      const done = await nextDeed()();
      acts += 1;
      return done;
    },
    async prepare(count) {
      for (let made = 0; made < count; made += 1) await (random.next() < 0.7 ? book() : bookGroup());
      return noted.length;
    },
  };
}

async function insertBookings(
  db: Database,
  group: number,
  resource: number,
  times: readonly (readonly [string, string])[],
): Promise<number[]> {
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<{ id: number }>(
      `INSERT INTO bb_booking (group_id, from_, to_, season_id, activity_id, secret)
       SELECT $1, t.starts, t.ends, 1, 1, 'demo' FROM unnest($2::timestamp[], $3::timestamp[]) AS t (starts, ends)
       RETURNING id`,
      [group, times.map(([from]) => from), times.map(([, to]) => to)],
    );
    const ids = rows.map((row) => row.id);
    await client.query(
      'INSERT INTO bb_booking_resource (booking_id, resource_id) SELECT unnest($1::int[]), $2',
      [ids, resource],
    );
    return ids;
  });
}

const clockOf = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
const dayInWords = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: '2-digit',
  month: 'short',
  timeZone: 'UTC',
});
