/**
 * What we add to the serialization failures (40001) of clerks whose database asks for more than read committed: the same clerks, for
 * the same time, on tables without us and with us and a daemon at work, in turn, several rounds in one run.
 */
import pg from 'pg';
import { startPostgres } from '../../src/sandbox/postgres.ts';
import { prepare } from './booking-writes.ts';
import type { Figure } from './figures.ts';
import { diskSettings, environmentOf, settled, startAcceptingServer, startDaemon } from './stage.ts';
import { openPool } from '../../src/database.ts';

const levels = ['serializable', 'repeatable read'] as const;
const clerks = 8;
const rounds = 5;
const sliceMs = 5_000;
/** Between two changes of one clerk. */
const restMs = 15;

interface Counted {
  readonly commits: number;
  /** 40001: their transaction has to be made again. */
  readonly failures: number;
}

/** Takes some two minutes. Starts a PostgreSQL of its own. */
export async function measureSerialization(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startPostgres({ settings: diskSettings }));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: '20' }));
  const urls = {
    without: await prepare(server.url, 'without'),
    working: await prepare(server.url, 'working'),
  };
  const pool = openPool({ url: urls.working, ssl: false }, 'bench', 2);
  opened.defer(() => pool.end());
  const figures: Figure[] = [];
  for (const level of levels) {
    const perThousand = { without: [] as number[], working: [] as number[] };
    const counts = { without: [] as number[], working: [] as number[] };
    for (let round = 0; round < rounds; round += 1)
      for (const variant of round % 2 === 0
        ? (['without', 'working'] as const)
        : (['working', 'without'] as const)) {
        const url = urls[variant];
        await setDefault(url, level);
        await using daemon =
          variant === 'working' ? await startDaemon(environmentOf({ url }, graph.origin)) : null;
        if (daemon !== null) await settled(pool);
        const { commits, failures } = await work(url, round);
        perThousand[variant].push((failures / (commits + failures)) * 1_000);
        counts[variant].push(failures);
      }
    for (const variant of ['without', 'working'] as const)
      figures.push({
        what: `serialization failures of 1,000 transactions, ${clerks} clerks, ${level}, ${variant === 'without' ? 'without us' : 'with us'}`,
        values: perThousand[variant],
        target: '–',
        note: `in ${sliceMs / 1_000} s: ${counts[variant].join(', ')}`,
      });
  }
  return figures;
}

async function setDefault(url: string, level: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const name = client.escapeIdentifier(new URL(url).pathname.slice(1));
  // the events that are there were given their ids
  await client.query(
    "SELECT setval(pg_get_serial_sequence('bb_event', 'id'), greatest(100000, max(id))) FROM bb_event",
  );
  await client.query(`ALTER DATABASE ${name} SET default_transaction_isolation = '${level}'`);
  await client.end();
}

/** Clerks who open an event, and change, book or cancel one, each in one transaction and none in another's events. */
async function work(url: string, seed: number): Promise<Counted> {
  const counted = { commits: 0, failures: 0 };
  const until = performance.now() + sliceMs;
  await Promise.all(
    Array.from({ length: clerks }, async (_, clerk) => {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => undefined); // what ended the measurement is told by whoever failed first
      await client.connect();
      for (let turn = 0; performance.now() < until; turn += 1) {
        try {
          await change(client, 1 + ((clerk + turn * clerks + seed * 131) % 1_900), turn);
          counted.commits += 1;
        } catch (error) {
          if ((error as { code?: string }).code !== '40001') throw error;
          await client.query('ROLLBACK');
          counted.failures += 1;
        }
        await new Promise((resolve) => setTimeout(resolve, restMs));
      }
      await client.end();
    }),
  );
  return counted;
}

async function change(client: pg.Client, id: number, turn: number): Promise<void> {
  await client.query('BEGIN');
  await client.query(
    'SELECT e.*, r.resource_id FROM bb_event e JOIN bb_event_resource r ON r.event_id = e.id WHERE e.id = $1',
    [id],
  );
  if (turn % 4 === 0) await client.query('UPDATE bb_event SET active = 1 - active WHERE id = $1', [id]);
  else if (turn % 4 === 1)
    await client.query(
      `WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
         SELECT activity_id, 'new', from_ + interval '20 minutes', to_, '', '', '', '', '' FROM bb_event WHERE id = $1 RETURNING id)
       INSERT INTO bb_event_resource (event_id, resource_id) SELECT e.id, r.resource_id FROM e, bb_event_resource r WHERE r.event_id = $1`,
      [id],
    );
  else await client.query(`UPDATE bb_event SET name = 'event ' || $2, to_ = to_ WHERE id = $1`, [id, turn]);
  await client.query('COMMIT');
}
