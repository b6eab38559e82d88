/** Whether a push costs more the more there is: the same change with 1,000 and with 100,000 mappings or more, in turn. */
import pg from 'pg';
import { openPool } from '../../src/database.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { median, quantile, type Figure } from './figures.ts';
import {
  addDatabase,
  addRooms,
  bookEvents,
  environmentOf,
  firstRoom,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  startDaemon,
  type AcceptingServer,
} from './stage.ts';

const rooms = 20;
const few = 1_000;
const rounds = 3;
const changes = 80;
const changing = 200;

/** Takes about 40 s with 100,000, and minutes with a million. */
export async function measureGrowth(many = 100_000): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer());
  const large = await addDatabase(bridge.serverUrl, 'large', 'bridge');
  const sides = [];
  for (const [url, count] of [
    [bridge.url, few],
    [large, many],
  ] as const) {
    await using filling = new AsyncDisposableStack();
    const pool = openPool({ url, ssl: false }, 'bench', 4, 1_800_000);
    filling.defer(() => pool.end());
    if (url === large) await addRooms(pool, rooms);
    await fill(pool, count);
    // those that are changed later are in Graph as well
    const first = await bookEvents(pool, changing, rooms);
    opened.use(await startDaemon(environmentOf({ url }, graph.origin)));
    await settled(pool);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    opened.defer(() => client.end());
    sides.push({ client, first, samples: [] as number[] });
  }

  let number = 0;
  const ratios: number[] = [];
  const note: string[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const side of sides) side.samples = [];
    for (let turn = 0; turn < 4; turn += 1)
      for (const side of sides)
        for (let n = 0; n < changes / 4; n += 1) {
          side.samples.push(await change(side.client, side.first + (number % changing), ++number, graph));
          await pause(12 + Math.random() * 6);
        }
    if (round === 0) continue; // warms up
    const [small, big] = sides.map(({ samples }) => quantile(samples, 0.5));
    ratios.push(big! / small!);
    note.push(`${big!.toFixed(2)} / ${small!.toFixed(2)}`);
  }
  return [
    {
      what: `change sent → accepted, ${many.toLocaleString('en')} / ${few.toLocaleString('en')} mappings, p50`,
      values: ratios,
      target: '≤ 1.3',
      note: `${note.join(', ')} ms; median ${median(ratios).toFixed(2)}`,
    },
  ];
}

/** Reservations that both sides agree on already. */
async function fill(pool: pg.Pool, count: number): Promise<void> {
  const client = await pool.connect();
  await client.query('SET session_replication_role = replica'); // nobody is told
  // what is filled in is not in Graph, and nobody shall look for it there
  await client.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
  await client.query(
    `WITH e AS (
       INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
       SELECT 1, 'Møte ' || n, d.at, d.at + interval '20 minutes', 'x', 'x', 'x', 'x', 'x'
       FROM generate_series(1, $1::int) n,
         LATERAL (SELECT now()::date - 3000 + (n / $2::int % 3300) * interval '1 day' + (n / $2::int / 3300) * interval '30 minutes' AS at) d
       RETURNING id)
     INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, $3::int + id % $2::int FROM e`,
    [count, rooms, firstRoom],
  );
  await client.query(`
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id,
      sync_status, starts_at, ends_at, booking_base, booking_seen, outlook_base)
    SELECT i.reservation_type, i.reservation_id, i.resource_id, r.outlook_item_id, 'filled-' || i.reservation_id, 'synced',
      i.starts_at, i.ends_at, s.state, s.state, s.state
    FROM bridge_items i JOIN bridge_resource_mappings r USING (resource_id),
      LATERAL (SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private) AS state) s`);
  await client.query(
    'UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now(), push_due_at = NULL',
  );
  await client.query('RESET session_replication_role');
  await client.query('VACUUM ANALYZE');
  client.release();
}

async function change(
  client: pg.Client,
  id: number,
  number: number,
  graph: AcceptingServer,
): Promise<number> {
  const accepted = new Promise<number>((resolve) => {
    graph.onAccepted = (one) => {
      if (one.number === number) resolve(one.at);
    };
  });
  const sentAt = monotonicMs();
  await client.query({
    name: 'rename',
    text: 'UPDATE bb_event SET name = $2 WHERE id = $1',
    values: [id, `Kammerkoret øver #${number}`],
  });
  return (await accepted) - sentAt;
}
