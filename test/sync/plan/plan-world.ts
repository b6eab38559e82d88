/** Random worlds for plans: what people do on both sides, and what a plan of it and a sync of it come to. */
import fc from 'fast-check';
import { openPlanPool } from '../../../src/database.ts';
import { itemOf, type OutlookEvent } from '../../../src/event.ts';
import type { Item } from '../../../src/item.ts';
import type { SyncOptions } from '../../../src/sync/sync.ts';
import { createPlanner } from '../../../src/sync/plan/plan.ts';
import type { Plan } from '../../../src/sync/plan/plan-summary.ts';
import { installation, openRooms, window } from '../bench-of-rooms.ts';
import type { TestDatabase } from '../../support/database.ts';
import { at } from '../../support/dates.ts';

type Rooms = Awaited<ReturnType<typeof openRooms>>;
export type Policy = Pick<SyncOptions, 'conflict' | 'overlap' | 'importMode' | 'brake'>;
const resources = [101, 102] as const;
export const mailboxOf = (resource: number) => `room${resource}@example.org`;

/** One thing that a person does: what, and numbers to choose with. */
interface Deed {
  readonly what: keyof typeof deeds;
  readonly n: readonly [number, number, number];
}

export interface Story {
  readonly directions: readonly string[];
  readonly policy: Policy;
  readonly deeds: readonly Deed[];
}

/** The world of a story, with what a planner is made of. */
export async function openStory(policy: Policy) {
  await using opened = new AsyncDisposableStack();
  const w = opened.use(
    await openRooms(Object.fromEntries(resources.map((of) => [of, mailboxOf(of)])), policy),
  );
  await w.db.query("UPDATE bridge_settings SET value = $1 WHERE name = 'installation_id'", [installation]);
  const db = openPlanPool(w.db.config, 'a plan', 2);
  opened.defer(() => db.end());
  const planner = createPlanner({
    db,
    outlook: () => w.outlook.side,
    window,
    policy,
    brake: policy.brake,
    roomsAtATime: 2,
  });
  const owned = opened.move();
  return {
    ...w,
    plan: async (): Promise<Plan> =>
      (await planner.plan(
        { resourceId: null, itemsMost: 1_000, withinMs: null },
        new AbortController().signal,
      ))!,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

// few places and titles, so that much lies on top of each other and looks alike
const titles = ['Choir', 'Board', 'Yoga'] as const;
const place = (n: number, m: number): Pick<Item, 'startsAt' | 'endsAt'> => {
  const on = 2 + (n % 4);
  const from = 9 + (m % 4);
  const hours = 1 + (Math.floor(m / 4) % 3);
  const text = (hour: number) => `${String(hour).padStart(2, '0')}:00`;
  return { startsAt: at(on, text(from)), endsAt: at(on, text(from + hours)) };
};
const itemAt = (n: number, m: number): Item => ({
  ...place(n, m),
  allDay: false,
  title: titles[m % titles.length]!,
  description: '',
  isPrivate: false,
});
const localOf = (w: Rooms, n: number, m: number) => {
  const on = 2 + (n % 4);
  const from = 9 + (m % 4);
  const hours = 1 + (Math.floor(m / 4) % 3);
  const text = (hour: number) => w.day(on, `${String(hour).padStart(2, '0')}:00`);
  return { from: text(from), to: text(from + hours), title: titles[m % titles.length]!, of: 1 + (n % 2) };
};
const roomsOf = (n: number): readonly number[] => (n % 3 === 0 ? resources : [resources[n % 2]!]);
const pick = <T>(all: readonly T[], n: number): T | undefined => all[n % Math.max(1, all.length)];

const reservations = (w: Rooms) =>
  w.db.query<{ type: 'event' | 'booking' | 'allocation'; id: number }>(
    'SELECT DISTINCT reservation_type AS type, reservation_id AS id FROM bridge_items ORDER BY 1, 2',
  );
const events = (w: Rooms) => resources.flatMap((of) => w.outlook.in(mailboxOf(of)));

type Do = (w: Rooms, n: Deed['n']) => Promise<unknown> | unknown;
const toReservation =
  (
    deed: (w: Rooms, one: { type: 'event' | 'booking' | 'allocation'; id: number }, n: Deed['n']) => unknown,
  ): Do =>
  async (w, n) => {
    const one = pick(await reservations(w), n[0]);
    if (one !== undefined) await deed(w, one, n);
  };
const toEvent =
  (deed: (w: Rooms, event: OutlookEvent & { mailbox: string }, n: Deed['n']) => unknown): Do =>
  async (w, n) => {
    const event = pick(events(w), n[0]);
    if (event !== undefined) await deed(w, event, n);
  };
const shows = (event: OutlookEvent) => itemOf(event.shows) ?? itemAt(0, 0);

/** What clerks and people in Outlook do, and what befalls both. */
const deeds = {
  book: (w, [a, b, c]) => w.desk.book(roomsOf(a), localOf(w, b, c)),
  bookGroup: (w, [a, b, c]) => w.desk.bookGroup(roomsOf(a), localOf(w, b, c)),
  allocate: (w, [a, b, c]) => w.desk.allocate(roomsOf(a), localOf(w, b, c)),
  move: toReservation((w, one, [, b, c]) => {
    const { from, to } = localOf(w, b, c);
    return w.desk.move(one, from, to);
  }),
  retitle: toReservation((w, one, [, b]) =>
    one.type === 'event' ? w.desk.retitle(one, `New ${b % 9}`) : null,
  ),
  cancel: toReservation((w, one) => w.desk.cancel(one)),
  reenable: toReservation((w, one) => w.desk.reenable(one)),
  moveTo: toReservation((w, one, [, b]) => w.desk.moveTo(one, roomsOf(b))),
  /** What was imported has rows of its own that keep it. */
  erase: toReservation((w, one) =>
    w.desk.erase(one).catch((error: { readonly code?: string }) => {
      if (error.code !== '23503') throw error;
    }),
  ),

  put: (w, [a, b, c]) => w.outlook.put(mailboxOf(resources[a % 2]!), itemAt(b, c), null),
  invite: (w, [a, b, c]) => {
    const item = itemAt(b, c);
    const as = (['occupied', 'occupied', 'undecided', 'free'] as const)[c % 4]!;
    const iCalUId = `meeting-${a}-${b}-${c}-${w.outlook.writes.length}`;
    for (const of of roomsOf(a)) w.outlook.invite(mailboxOf(of), item, { iCalUId, shows: { is: as, item } });
  },
  edit: toEvent((w, event, [, b, c]) => w.outlook.edit(event.id, place(b, c))),
  rename: toEvent((w, event, [, b]) => w.outlook.edit(event.id, { title: `Theirs ${b % 9}` })),
  remove: toEvent((w, event) => w.outlook.remove(event.id)),
  vanish: toEvent((w, event) => w.outlook.vanish(event.id)),
  free: toEvent((w, event) => w.outlook.alter(event.id, { shows: { is: 'free', item: shows(event) } })),
  undecided: toEvent((w, event, [, b, c]) =>
    w.outlook.alter(event.id, {
      isOrganizer: false,
      shows: { is: 'undecided', item: { ...shows(event), ...place(b, c) } },
    }),
  ),
  release: toEvent((w, event) => w.outlook.alter(event.id, { shows: { is: 'released' } })),
  unreadable: toEvent((w, event) =>
    w.outlook.alter(event.id, { shows: { is: 'unreadable', why: 'no times' } }),
  ),
  /** A copy has the properties of the original. */
  copy: toEvent((w, event, [, b, c]) =>
    w.outlook.put(event.mailbox, { ...shows(event), ...place(b, c) }, event.properties),
  ),
  /** Deleted, and there again under another id: by its meeting, by its properties, or by time and title. */
  again: toEvent((w, event, [, b, c]) => {
    w.outlook.remove(event.id);
    const item = b % 2 === 0 ? shows(event) : { ...shows(event), ...place(b, c) };
    const now = w.outlook.put(event.mailbox, item, c % 2 === 0 ? event.properties : null);
    if (c % 3 === 0) w.outlook.alter(now.id, { iCalUId: event.iCalUId, isOrganizer: event.isOrganizer });
  }),
  series: (w, [a, b, c]) => {
    const mailbox = mailboxOf(resources[a % 2]!);
    for (let on = 0; on < 3; on += 1) instance(w, mailbox, `series-${a}-${b}`, itemAt(b + on, c), on);
  },
  /** Its pattern is moved: every instance has a new id. */
  moveSeries: toEvent((w, event, [, b, c]) => {
    if (event.seriesMasterId === null) return;
    const all = events(w).filter(({ seriesMasterId }) => seriesMasterId === event.seriesMasterId);
    for (const one of all) w.outlook.remove(one.id);
    for (const on of all.keys()) instance(w, event.mailbox, event.seriesMasterId, itemAt(b + on, c), on);
  }),

  loseMappings: (w, [a]) => w.db.query('DELETE FROM bridge_mappings WHERE id % 3 = $1', [a % 3]),
  choose: (w, [a]) =>
    w.db.query(
      `UPDATE bridge_mappings SET resolution = $1, due_at = now(), revision = revision + 1 WHERE sync_status = 'conflict' AND id % 2 = $2`,
      [a % 2 === 0 ? 'booking' : 'outlook', a % 2],
    ),
  /** What the daemon did so far. */
  sync: (w) => w.settle(),
} as const satisfies Record<string, Do>;

function instance(w: Rooms, mailbox: string, seriesMasterId: string, item: Item, on: number): void {
  const event = w.outlook.put(mailbox, item, null);
  w.outlook.alter(event.id, {
    seriesMasterId,
    type: 'occurrence',
    iCalUId: `${seriesMasterId}-${event.id}`,
    originalStart: at(2 + on, '09:00'),
  });
}

const often = ['book', 'allocate', 'put', 'invite', 'sync'] as const;
const anyDeed: fc.Arbitrary<Deed> = fc.record({
  what: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...often) },
    { weight: 5, arbitrary: fc.constantFrom(...(Object.keys(deeds) as Deed['what'][])) },
  ),
  n: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)),
});

export const anyStory: fc.Arbitrary<Story> = fc.record({
  directions: fc.tuple(
    fc.constantFrom('both', 'both', 'both', 'booking_to_outlook', 'outlook_to_booking'),
    fc.constantFrom('both', 'both', 'both', 'booking_to_outlook', 'outlook_to_booking'),
  ),
  policy: fc.record({
    conflict: fc.constantFrom('booking', 'outlook', 'newest', 'ask'),
    overlap: fc.constantFrom('flag', 'flag', 'import', 'decline'),
    importMode: fc.constantFrom('auto', 'auto', 'auto', 'manual'),
    brake: fc.constantFrom({ max: 0, share: 0.2 }, { max: 0, share: 0.2 }, { max: 2, share: 0.2 }),
  }),
  deeds: fc.array(anyDeed, { minLength: 4, maxLength: 24, size: 'max' }),
});

export async function live(
  w: Rooms,
  { directions, deeds: all }: Pick<Story, 'directions' | 'deeds'>,
): Promise<void> {
  for (const [at_, resource] of resources.entries())
    await w.db.query('UPDATE bridge_resource_mappings SET sync_direction = $1 WHERE resource_id = $2', [
      directions[at_],
      resource,
    ]);
  for (const { what, n } of all) await (deeds[what] as Do)(w, n);
}

const kinds: Readonly<Record<string, string>> = {
  created: 'create',
  updated: 'change',
  imported: 'import',
  joined: 'import',
  'booking-updated': 'change-booking',
  'booking-cancelled': 'cancel-booking',
  adopted: 'adopt',
};

/** A plan, line by line: what, in which room, and of which reservation or event. */
export const linesOf = ({ rooms }: Plan): string[] =>
  rooms
    .flatMap(({ resource_id: resourceId, items }) =>
      items.map(
        ({ action: kind, reservation_type: type, reservation_id: id, outlook_event_id: eventId, held }) => {
          const key = type === null ? null : `${type}/${id}`;
          const whose = kind === 'import' ? eventId : (key ?? eventId);
          return `${resourceId} ${held ? 'held' : kind} ${whose}`;
        },
      ),
    )
    .toSorted();

/** An event that left a room: deleted, or declined in its name. */
interface Left {
  readonly room: number;
  readonly eventId: string;
}

/** Where the log ends. */
export const markOf = async (db: TestDatabase): Promise<number> =>
  (await db.query<{ mark: number }>('SELECT coalesce(max(id), 0)::int AS mark FROM bridge_log'))[0]!.mark;

/** From here on both sides are compared, as a confirmed plan does. */
export const compareAll = (db: TestDatabase) =>
  db.query(`WITH due AS (UPDATE bridge_mappings SET due_at = now() WHERE due_at > now())
    UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now(), retry_at = NULL`);

/** What was done since then, and what waits, as `linesOf` has it. */
export async function linesSince(
  db: TestDatabase,
  mark: number,
  { removed, declined }: { readonly removed: readonly Left[]; readonly declined: readonly Left[] },
): Promise<string[]> {
  const logged = await db.query<{
    id: number;
    action: string;
    room: number;
    key: string | null;
    event: string;
    mapping: number;
    held: boolean;
  }>(
    `SELECT id, action, resource_id AS room, reservation_type || '/' || reservation_id AS key, outlook_event_id AS event,
       mapping_id AS mapping, reason LIKE '%many others%' AND action = 'parked' AS held
     FROM bridge_log WHERE id > $1 ORDER BY id`,
    [mark],
  );
  const adopted = new Set<number>();
  const done = logged.flatMap(({ action, room, key, event, mapping, held }) => {
    if (held) return [`${room} held ${key}`];
    const kind = kinds[action];
    if (kind === undefined) return [];
    if (kind === 'adopt' && (adopted.has(mapping) || adopted.add(mapping).size === 0)) return [];
    return [`${room} ${kind} ${kind === 'import' ? event : key}`];
  });
  const keys = new Map(logged.map(({ event, key }) => [event, key]));
  const lineOf =
    (kind: string) =>
    ({ room, eventId }: Left) =>
      `${room} ${kind} ${keys.get(eventId) ?? eventId}`;
  const rests = await db.query<{ line: string; key: string }>(
    `SELECT resource_id || CASE sync_status WHEN 'conflict' THEN ' conflict ' ELSE ' waiting ' END
       || coalesce(reservation_type || '/' || reservation_id, outlook_event_id) AS line,
       resource_id || ' held ' || coalesce(reservation_type || '/' || reservation_id, '') AS key
     FROM bridge_mappings WHERE sync_status IN ('conflict', 'error') OR waits_for IS NOT NULL OR due_at IS NOT NULL`,
  );
  const resting = rests.filter(({ key }) => !done.includes(key)).map(({ line }) => line);
  return [
    ...done,
    ...removed.map(lineOf('delete')),
    ...declined.map(lineOf('decline')),
    ...resting,
  ].toSorted();
}

/** Compares both sides and works until nothing is due. Returns what was done, as `linesOf` has it. */
export async function syncedLines(w: Rooms): Promise<string[]> {
  const mark = await markOf(w.db);
  const [writes, answers] = [w.outlook.writes.length, w.outlook.answers.length];
  const boxes = new Map(events(w).map(({ id, mailbox }) => [id, Number(mailbox.slice(4, 7))]));
  await compareAll(w.db);
  await w.settle();
  return await linesSince(w.db, mark, {
    removed: w.outlook.writes
      .slice(writes)
      .flatMap(({ mailbox, write }) =>
        write.do === 'remove' ? [{ room: Number(mailbox.slice(4, 7)), eventId: write.eventId }] : [],
      ),
    declined: w.outlook.answers.slice(answers).map(({ id }) => ({ room: boxes.get(id)!, eventId: id })),
  });
}
