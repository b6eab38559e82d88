/** How long a search takes among many reservations, typing errors included, and a page of a room's history among many lines. */
import { createActivity } from '../../src/sync/report/activity.ts';
import { createRoomCalendar } from '../../src/sync/report/room-calendar.ts';
import { createSearch } from '../../src/sync/report/search.ts';
import { date } from '../support/dates.ts';
import { quantile, type Figure } from './figures.ts';
import { agreeOnAll, firstRoom, openBridge, type Bridge } from './stage.ts';

const reservations = 100_000;
const rooms = 100;
const rounds = 30;
const target = '≤ 300';

/** What people look for, and how often each is found at least. */
const queries = [
  ['a title', 'korprøve'],
  ['a title with a typing error', 'korpørve'],
  ['a title and a person', 'budsjettmøte hansen'],
  ['a title far from now', 'særmøte 99991'],
  ['a day', date(40)],
  ['a title on a day', `korprøve ${date(40)}`],
  ['a room', 'room 17'],
  ['an id', 'event/4711'],
  ['what is nowhere', 'zzyzx'],
] as const;

/** Takes about two minutes, most of it to fill the database. */
export async function measureSearch(): Promise<Figure[]> {
  await using bridge = await openBridge(rooms);
  await fill(bridge);
  const search = createSearch(bridge.pool);
  const figures: Figure[] = [];
  for (const [what, query] of queries) {
    const { total } = await search.search(query, 50);
    figures.push(await timed(`search, ${what} (${total} found)`, () => search.search(query, 50)));
  }
  const activity = createActivity(bridge.pool);
  const [first] = await activity.newest(1, firstRoom);
  figures.push(
    await timed("a page of a room's history", () =>
      activity.newest(20, firstRoom, false, first!.id - 50_000),
    ),
  );
  const calendar = createRoomCalendar(bridge.pool);
  figures.push(await timed("a room's week", () => calendar.read(firstRoom, 'week', date(40))));
  return figures;
}

async function timed(what: string, work: () => Promise<unknown>): Promise<Figure> {
  const ms: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    await work();
    ms.push(performance.now() - began);
  }
  return {
    what,
    values: ms,
    target,
    unit: 'ms',
    note: `99th percentile ${quantile(ms, 0.99).toFixed(0)} ms, ${reservations} reservations in ${rooms} rooms`,
  };
}

/** Two years of reservations around now, synced, with as many lines of the log; one title in a thousand is rare. */
async function fill({ pool }: Bridge): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('SET session_replication_role = replica');
    await client.query(
      `INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
       SELECT n, 1, CASE WHEN n % 1000 = 991 THEN 'Særmøte ' || n ELSE
           (ARRAY['Korprøve', 'Budsjettmøte', 'Formannskapet', 'Kulturutvalget', 'Styremøte', 'Volleyball damer', 'Introduksjonskurs',
             'Bystyrekomité for helse', 'Ungdomsrådet', 'Ledermøte'])[1 + n % 10] || ' ' || (n / 10 % 200) END,
         at, at + interval '45 minutes', 'x',
         (ARRAY['Kari', 'Ola', 'Anne', 'Per', 'Ingrid'])[1 + n % 5] || ' ' || (ARRAY['Nordmann', 'Hansen', 'Berg', 'Dahl', 'Lie', 'Moe', 'Vik'])[1 + n % 7],
         'person' || n % 500 || '@bergen.example', 'x', 'x'
       FROM generate_series(1, $1::int) n,
         LATERAL (SELECT now()::date - 200 + (n / $2::int / 2) % 600 + interval '8 hours' + n / $2::int % 2 * interval '3 hours' AS at) slot`,
      [reservations, rooms],
    );
    await client.query(
      'INSERT INTO bb_event_resource (event_id, resource_id) SELECT n, $3::int + n % $2::int FROM generate_series(1, $1::int) n',
      [reservations, rooms, firstRoom],
    );
    await client.query('ANALYZE');
    await client.query(agreeOnAll);
    await client.query(
      `INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, action, latency_ms)
       SELECT id, resource_id, reservation_type, reservation_id, 'created', 100 FROM bridge_mappings ORDER BY id`,
    );
    await client.query('RESET session_replication_role');
    await client.query('VACUUM ANALYZE');
  } finally {
    client.release();
  }
}
