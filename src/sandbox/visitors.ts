/**
 * Simulated Outlook users: they create events in the calendars of rooms, invite rooms to meetings, move, rename, cancel and
 * delete events, and move those of the booking desk. The same seed gives the same changes. They choose free times of a room.
 */
import type { Database } from '../database.ts';
import { monotonicMs } from './tenant/clock.ts';
import type { TenantEvent } from './tenant/people.ts';
import { createRandom } from './tenant/random.ts';
import type { Tenant } from './tenant/tenant.ts';
import type { Room } from './world.ts';

/** A change made in Outlook, and the resulting state of the booking tables. */
export interface Visit {
  readonly verb: string;
  readonly title: string;
  readonly when: string;
  readonly room: Room;
  /** UTC without a zone. `title` null: any (the room renames invitations). `there` false: it is gone. */
  readonly expected: {
    readonly start: string;
    readonly end: string;
    readonly title: string | null;
    readonly there: boolean;
  };
  /** On the machine's monotonic clock. */
  readonly doneAt: number;
}

const subjects = [
  'Styremøte',
  'Intervju',
  'Foreldremøte',
  'Kurs i førstehjelp',
  'Prosjektmøte ny skole',
  'Allmøte',
  'Samtalegruppe',
  'Korprøve',
  'Språkkafé',
  'Planleggingsdag',
];

const visitors = [
  { upn: 'kari.nordmann@bergen.example', name: 'Kari Nordmann' },
  { upn: 'ola.hansen@bergen.example', name: 'Ola Hansen' },
  { upn: 'samira.ali@bergen.example', name: 'Samira Ali' },
];

/** Days after those of the booking desk, so that the two seldom choose the same time. */
const firstDay = 58;
const days = 60;
/** Maximum number of events in the rooms' own calendars, and of meetings. */
const mostOfEach = 5;
/**
 * Maximum number of events deleted in an hour, well below the brake's limit (BRAKE_MAX). The brake counts deletions, and not
 * meetings cancelled by their organiser.
 */
const mostDeleted = 4;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const triesMost = 20;

interface Own {
  readonly room: Room;
  readonly id: string;
  /** A meeting in this person's calendar that invited the room. */
  readonly organizer: string | null;
}

export function createVisitors(
  tenant: Tenant,
  rooms: readonly Room[],
  seed: number,
  { today = new Date(), now = monotonicMs } = {},
) {
  const random = createRandom(seed);
  const own: Own[] = [];
  let deletedAt: readonly number[] = [];
  for (const person of visitors) tenant.addPerson(person);

  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
  const findTime = (room: Room) => freeTime(tenant, room, random, today);

  function book(): Visit | null {
    const room = pick(rooms);
    const time = findTime(room);
    if (time === null) return null;
    const event = tenant.people.book(room.upn, {
      subject: pick(subjects),
      ...time,
      html: '<p>Ta med <b>kaffe</b> &amp; kopper.</p>',
    });
    own.push({ room, id: event.id, organizer: null });
    return visit('books', room, event);
  }

  function invite(): Visit | null {
    const room = pick(rooms);
    const time = findTime(room);
    if (time === null) return null;
    const person = pick(visitors);
    const event = tenant.people.invite(person.upn, [room.upn], { subject: pick(subjects), ...time });
    own.push({ room, id: event.id, organizer: person.upn });
    return visit('invites', room, event, { title: null });
  }

  /** A random one of their events that still exists. */
  function choose(fits: (one: Own) => boolean): { readonly one: Own; readonly event: TenantEvent } | null {
    const found = random.shuffled(own.filter(fits)).flatMap((one) => {
      const event = tenant.eventsIn(one.organizer ?? one.room.upn).find((each) => each.id === one.id);
      return event === undefined ? [] : [{ one, event }];
    });
    return found[0] ?? null;
  }

  function move(): Visit | null {
    const chosen = choose(() => true);
    const time = chosen === null ? null : findTime(chosen.one.room);
    if (chosen === null || time === null) return null;
    const { one } = chosen;
    const moved = tenant.people.move(one.organizer ?? one.room.upn, one.id, time);
    return visit('moves', one.room, moved, one.organizer === null ? {} : { title: null });
  }

  function retitle(): Visit | null {
    const chosen = choose((one) => one.organizer === null);
    if (chosen === null) return null;
    const { one, event } = chosen;
    const subject = `${event.subject.split(' –')[0]!} – ${pick(['utsatt', 'felles', 'for nye', 'del 2', 'høst'])}`;
    return visit('renames', one.room, tenant.people.retitle(one.room.upn, one.id, subject));
  }

  function remove(): Visit | null {
    deletedAt = deletedAt.filter((at) => now() - at < hourMs);
    const chosen = choose(({ organizer }) => organizer !== null || deletedAt.length < mostDeleted);
    if (chosen === null) return null;
    const { one, event } = chosen;
    own.splice(own.indexOf(one), 1);
    const gone = { title: null, there: false };
    if (one.organizer !== null) {
      tenant.people.cancel(one.organizer, one.id);
      return visit('calls off', one.room, event, gone);
    }
    deletedAt = [...deletedAt, now()];
    tenant.people.remove(one.room.upn, one.id);
    return visit('deletes', one.room, event, gone);
  }

  const isFull = (invited: boolean) =>
    own.filter(({ organizer }) => (organizer !== null) === invited).length >= mostOfEach;

  return {
    /** Makes the next change; null: none was possible. */
    act(): Visit | null {
      if (own.length === 0) return book();
      const dice = random.next();
      if (dice < 0.34) return isFull(false) ? retitle() : book();
      if (dice < 0.54) return isFull(true) ? remove() : invite();
      if (dice < 0.7) return move();
      if (dice < 0.82) return retitle();
      if (dice < 0.92) return remove();
      return moveOfDesk(tenant, pick(rooms), pick, findTime);
    },
  };
}

export type Visitors = ReturnType<typeof createVisitors>;

/** A free time of one to two hours in the room's calendar; null if a few tries found none. */
function freeTime(
  tenant: Tenant,
  room: Room,
  random: ReturnType<typeof createRandom>,
  today: Date,
): { readonly start: string; readonly end: string } | null {
  for (let tries = 0; tries < triesMost; tries += 1) {
    const date = new Date(today.getTime() + (firstDay + random.below(days)) * dayMs);
    const midnight = Date.parse(`${date.toISOString().slice(0, 10)}T00:00:00Z`);
    const from = midnight + (7 + random.below(10)) * hourMs;
    const hours = [1, 1.5, 2][random.below(3)]!;
    const [start, end] = [iso(from), iso(from + hours * hourMs)] as const;
    if (tenant.calendarOf(room.upn, start, end).every((event) => event.isCancelled)) return { start, end };
  }
  return null;
}

const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const visit = (
  verb: string,
  room: Room,
  event: Pick<TenantEvent, 'subject' | 'start' | 'end'>,
  expected: Partial<Visit['expected']> = {},
): Visit => ({
  verb,
  title: event.subject,
  when: startText(event),
  room,
  expected: {
    start: event.start.slice(0, 19),
    end: event.end.slice(0, 19),
    title: event.subject,
    there: true,
    ...expected,
  },
  doneAt: monotonicMs(),
});

/** Moves a reservation of the booking desk; null: the room has none, or no free time was found. */
function moveOfDesk(
  tenant: Tenant,
  room: Room,
  pick: <T>(from: readonly T[]) => T,
  findTime: (room: Room) => { readonly start: string; readonly end: string } | null,
): Visit | null {
  const events = tenant.eventsIn(room.upn).filter(isOfDesk).slice(0, 40);
  const event = pick(events) as TenantEvent | undefined;
  const time = event === undefined ? null : findTime(room);
  if (event === undefined || time === null) return null;
  return visit('moves', room, tenant.people.move(room.upn, event.id, time));
}

/** Whether an event of the booking desk that its room shows in full. */
const isOfDesk = ({ sensitivity, isAllDay, extendedProperties }: TenantEvent) =>
  sensitivity === 'normal' && !isAllDay && Object.values(extendedProperties).includes('event');

/** The reservations of a room at a time, read from the booking tables and not from the bridge. */
export async function hasArrived(db: Database, { room, expected }: Visit): Promise<boolean> {
  const { rows } = await db.query<{ there: boolean }>(
    `SELECT EXISTS (
       SELECT FROM bb_event e JOIN bb_event_resource r ON r.event_id = e.id
       WHERE e.active = 1 AND r.resource_id = $1 AND ($4::text IS NULL OR e.name = $4)
         AND e.from_ = $2::timestamp AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Oslo'
         AND e.to_ = $3::timestamp AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Oslo') AS there`,
    [room.resource, expected.start, expected.end, expected.title],
  );
  return rows[0]!.there === expected.there;
}

function startText({ start }: { readonly start: string }): string {
  const clock = (at: string) => clockFormat.format(new Date(`${at.slice(0, 19)}Z`)).slice(-5);
  return `${dayFormat.format(new Date(`${start.slice(0, 19)}Z`)).replace('Sept', 'Sep')} ${clock(start)}`;
}
const zone = { timeZone: 'Europe/Oslo' };
const dayFormat = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: '2-digit',
  month: 'short',
  ...zone,
});
const clockFormat = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  hour12: false,
  ...zone,
});
