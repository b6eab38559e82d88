/**
 * A working day at the municipality's booking desk: meetings, rehearsals and training are booked, moved, retitled,
 * cancelled and re-enabled. The same seed gives the same day. No two of the clerk's reservations
 * overlap in a room.
 */
import { inTransaction, type Database } from '../database.ts';
import { createDesk, type Reservation } from './desk.ts';
import { createDiary, halls, meetingRooms, type Diary, type Entry } from './diary.ts';
import { monotonicMs } from './tenant/clock.ts';
import { createRandom } from './tenant/random.ts';

/** A change made on one side. */
export interface Act {
  /** In the past tense: 'booked', 'moved'. */
  readonly verb: string;
  readonly title: string;
  /** The start of the reservation as text; of several: their number. */
  readonly when: string;
  /** Rooms it is in now or was in before. */
  readonly resources: readonly number[];
  readonly touched: readonly Reservation[];
  /** The time of the commit, on the machine's monotonic clock. */
  readonly committedAt: number;
}

/** A simulated user of one side of the demo. */
export interface Actor {
  /** Makes the next change; null: none was possible. */
  act(): Promise<Act | null>;
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
/** The weeks of a season. */
const weeksOfSeason = 10;
/**
 * With more than this the clerk cancels rather than books: a demo may run for days, and a dozen rows deleted by the user
 * stay a large enough part of the whole for the brake to hold.
 */
const mostActive = 40;

/**
 * The event that the demo suggests to change by hand. The clerk leaves it as it was booked: a change of a cancelled
 * event would not be seen in Outlook.
 */
export const suggestedEvent = 1000;

export interface Clerk extends Actor {
  /** Books the reservations that exist before the bridge is installed, without reporting them. Returns their number. */
  prepare(count: number): Promise<number>;
}

export function createClerk(db: Database, seed: number, today = new Date()): Clerk {
  const random = createRandom(seed);
  const diary = createDiary(random, today);
  const nextAction = createActions({ db, desk: createDesk(db), diary, random });
  return {
    act: () => nextAction.any()(),
    async prepare(count) {
      for (let made = 0; made < count; made += 1) await nextAction.booking()();
      return diary.entries.length;
    },
  };
}

interface Tools {
  readonly db: Database;
  readonly desk: ReturnType<typeof createDesk>;
  readonly diary: Diary;
  readonly random: ReturnType<typeof createRandom>;
}

type Action = () => Promise<Act | null>;

/** The next action of the clerk, by chance. */
function createActions(tools: Tools) {
  const { diary, random } = tools;
  const { book, bookGroup, bookSeason } = bookings(tools);
  const { move, moveToOtherRoom, retitle, cancel, reenable } = changes(tools);
  let acts = 0;

  function any(): Action {
    acts += 1;
    if (diary.entries.filter((one) => one.active).length > mostActive) return cancel;
    if (acts % 40 === 5) return bookSeason;
    const dice = random.next();
    if (dice < 0.36) return book;
    if (dice < 0.5) return bookGroup;
    if (dice < 0.66) return move;
    if (dice < 0.78) return retitle;
    if (dice < 0.9) return cancel;
    if (dice < 0.96) return reenable;
    return moveToOtherRoom;
  }
  return { any, booking: (): Action => (random.next() < 0.7 ? book : bookGroup) };
}

const pickFrom =
  (random: Tools['random']) =>
  <T>(from: readonly T[]): T =>
    from[random.below(from.length)]!;

const actOf = (diary: Diary, verb: string, one: Entry, more: Partial<Act> = {}): Act => ({
  verb,
  title: one.title,
  when: diary.textOf(one),
  resources: one.resources,
  touched: [one.reservation],
  committedAt: monotonicMs(),
  ...more,
});

function bookings({ db, desk, diary, random }: Tools) {
  const pick = pickFrom(random);

  async function book(): Promise<Act | null> {
    const inHall = random.next() < 0.25;
    const first = pick(inHall ? halls : meetingRooms);
    // some reservations need two rooms
    const resources = random.next() < 0.12 ? (inHall ? halls : [101, 102]) : [first];
    const slot = diary.findSlot(resources, pick([60, 90, 120, 180]));
    if (slot === null) return null;
    const title = pick(inHall ? sports : meetings);
    const reservation = await desk.book(resources, { title, ...diary.timesOf(slot) });
    const one = diary.record(null, { ...slot, reservation, title, resources, active: true });
    return actOf(diary, 'booked', one);
  }

  async function bookGroup(): Promise<Act | null> {
    const { of, title, resources: possible } = pick(groups);
    const resources = [pick(possible)];
    const slot = diary.findSlot(resources, 90);
    if (slot === null) return null;
    const reservation = await desk.bookGroup(resources, { of, ...diary.timesOf(slot) });
    const one = diary.record(null, { ...slot, reservation, title, resources, active: true });
    return actOf(diary, 'booked', one);
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
    const free = slots.filter((slot) => slot.day < 360 && diary.isFree(resources, slot));
    if (free.length < weeksOfSeason - 2) return null;
    const times = free.map(diary.timesOf);
    const ids = await insertBookings(db, of, resources[0]!, times);
    const committedAt = monotonicMs();
    const all = free.map((slot, at) => {
      const reservation = { type: 'booking', id: ids[at]! } as const;
      return diary.record(null, { ...slot, reservation, title, resources, active: true });
    });
    const when = `${all.length} weeks at once`;
    const touched = all.map((one) => one.reservation);
    return actOf(diary, 'season', all[0]!, { touched, when, committedAt });
  }

  return { book, bookGroup, bookSeason };
}

function changes({ desk, diary, random }: Tools) {
  const pick = pickFrom(random);

  function choose(fits: (one: Entry) => boolean): Entry | null {
    const one = diary.choose(fits);
    return one?.reservation.type === 'event' && one.reservation.id === suggestedEvent ? null : one;
  }

  async function move(): Promise<Act | null> {
    const one = choose((each) => each.active);
    const slot = one && diary.findSlot(one.resources, one.to - one.from, one);
    if (!one || !slot) return null;
    const { from, to } = diary.timesOf(slot);
    await desk.move(one.reservation, from, to);
    return actOf(diary, 'moved', diary.record(one, { ...one, ...slot }));
  }

  async function moveToOtherRoom(): Promise<Act | null> {
    const one = choose((each) => each.active && each.resources.length === 1);
    if (!one) return null;
    const [former] = one.resources;
    const others = (halls.includes(former!) ? halls : meetingRooms).filter((room) => room !== former);
    const resource = random.shuffled(others).find((room) => diary.isFree([room], one, one));
    if (resource === undefined) return null;
    await desk.moveTo(one.reservation, resource);
    const now = diary.record(one, { ...one, resources: [resource] });
    return actOf(diary, 'other room', now, { resources: [...one.resources, resource] });
  }

  async function retitle(): Promise<Act | null> {
    const one = choose((each) => each.active && each.reservation.type === 'event');
    if (!one) return null;
    const base = [...meetings, ...sports].find((title) => one.title.startsWith(title)) ?? one.title;
    const title = base + pick(additions.filter((addition) => base + addition !== one.title));
    await desk.retitle(one.reservation, title);
    return actOf(diary, 'retitled', diary.record(one, { ...one, title }));
  }

  async function cancel(): Promise<Act | null> {
    const one = choose((each) => each.active);
    if (!one) return null;
    await desk.cancel(one.reservation);
    return actOf(diary, 'cancelled', diary.record(one, { ...one, active: false }));
  }

  async function reenable(): Promise<Act | null> {
    const one = choose((each) => !each.active && diary.isFree(each.resources, each));
    if (!one) return null;
    await desk.reenable(one.reservation);
    return actOf(diary, 're-enabled', diary.record(one, { ...one, active: true }));
  }

  return { move, moveToOtherRoom, retitle, cancel, reenable };
}

async function insertBookings(
  db: Database,
  group: number,
  resource: number,
  times: readonly { readonly from: string; readonly to: string }[],
): Promise<number[]> {
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<{ id: number }>(
      `INSERT INTO bb_booking (group_id, from_, to_, season_id, activity_id, secret)
       SELECT $1, t.starts, t.ends, 1, 1, 'demo' FROM unnest($2::timestamp[], $3::timestamp[]) AS t (starts, ends)
       RETURNING id`,
      [group, times.map(({ from }) => from), times.map(({ to }) => to)],
    );
    const ids = rows.map((row) => row.id);
    await client.query(
      'INSERT INTO bb_booking_resource (booking_id, resource_id) SELECT unnest($1::int[]), $2',
      [ids, resource],
    );
    return ids;
  });
}
