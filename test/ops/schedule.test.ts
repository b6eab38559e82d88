import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Fact } from '../../src/facts.ts';
import { listSchedules, runSchedules, type Job } from '../../src/ops/schedule.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { untilTrue } from '../support/until.ts';

const patient = { timeout: 60_000 };

async function openClock() {
  const opened = new AsyncDisposableStack();
  const db = opened.use(await openTestDatabase({ schema: 'bridge' }));
  const facts: Fact[] = [];
  const run = (jobs: readonly Job[], replica = randomUUID()) =>
    opened.use(
      runSchedules({
        db: db.pool,
        timezone: 'Europe/Oslo',
        replica,
        jobs,
        tell: (fact) => void facts.push(fact),
      }),
    );
  return {
    db,
    facts,
    run,
    row: async (name: string) => (await listSchedules(db.pool)).find((schedule) => schedule.name === name),
    until: (condition: string) => untilTrue(db, condition),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

const alive = (db: TestDatabase, replica: string) =>
  db.query(`INSERT INTO bridge_replicas (id, pids) VALUES ($1, '{}')`, [replica]);

const due = (db: TestDatabase, name: string) =>
  db.query(
    `INSERT INTO bridge_schedules (name, cron, next_run_at) VALUES ($1, '0 3 * * *', date_trunc('second', now() - interval '1 hour'))`,
    [name],
  );

test('a schedule begins at its next time, on the wall clock of the booking system', patient, async () => {
  await using clock = await openClock();
  clock.run([{ name: 'report', cron: '0 8 * * *', run: async () => undefined }]);
  await clock.until(`EXISTS (SELECT FROM bridge_schedules)`);
  const row = await clock.row('report');
  expect(row).toMatchObject({ cron: '0 8 * * *', last_run_at: null, last_result: null, last_ms: null });
  const [{ hour } = { hour: '' }] = await clock.db.query<{ hour: string }>(
    `SELECT to_char(next_run_at AT TIME ZONE 'Europe/Oslo', 'HH24:MI:SS') AS hour FROM bridge_schedules`,
  );
  expect(hour).toBe('08:00:00');
});

test('it runs at its time, again and again, and says when it ran and how long it took', patient, async () => {
  await using clock = await openClock();
  const ran = Promise.withResolvers<void>();
  let runs = 0;
  clock.run([
    {
      name: 'look',
      cron: '* * * * * *',
      run: async () => {
        runs += 1;
        if (runs === 2) ran.resolve();
      },
    },
  ]);
  await ran.promise;
  await clock.until(
    `SELECT last_result = 'ok' AND last_ms >= 0 AND next_run_at > last_run_at FROM bridge_schedules`,
  );
  expect(clock.facts[0]).toMatchObject({ fact: 'schedule-ran', schedule: 'look', failed: null });
});

test(
  'one that was missed while no daemon was there is made up for, once, by one of three daemons',
  patient,
  async () => {
    await using clock = await openClock();
    await due(clock.db, 'sweep');
    let runs = 0;
    const run = async () => void (runs += 1);
    const client = await clock.db.pool.connect();
    await client.query('BEGIN');
    // all three find it due, and want it in the same moment
    await client.query('SELECT FROM bridge_schedules FOR NO KEY UPDATE');
    for (let n = 0; n < 3; n += 1) {
      const replica = randomUUID();
      await alive(clock.db, replica);
      clock.run([{ name: 'sweep', cron: '0 3 * * *', run }], replica);
    }
    await clock.until(`SELECT count(*) = 3 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE bridge_schedules s SET%'`);
    await client.query('COMMIT');
    client.release();
    await clock.until(`SELECT last_result = 'ok' AND next_run_at > now() FROM bridge_schedules`);
    await clock.until(`SELECT NOT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle')`);
    expect(runs).toBe(1);
  },
);

test('one that a person set to now() in SQL, finer than a millisecond, runs', patient, async () => {
  await using clock = await openClock();
  await due(clock.db, 'sweep');
  await clock.db.query(
    "UPDATE bridge_schedules SET next_run_at = date_trunc('seconds', now()) - interval '1 second' + interval '123 microseconds'",
  );
  const ran = Promise.withResolvers<void>();
  clock.run([{ name: 'sweep', cron: '0 3 * * *', run: async () => ran.resolve() }]);
  await ran.promise;
});

test('no daemon begins the next run while one is at it, unless it is dead', patient, async () => {
  await using clock = await openClock();
  const other = randomUUID();
  await alive(clock.db, other);
  await due(clock.db, 'sweep');
  await clock.db.query('UPDATE bridge_schedules SET run_by = $1', [other]);
  let runs = 0;
  const ran = Promise.withResolvers<void>();
  const jobs = [
    {
      name: 'sweep',
      cron: '0 3 * * *',
      run: async () => {
        runs += 1;
        ran.resolve();
      },
    },
    { name: 'look', cron: '* * * * * *', run: async () => undefined },
  ];
  clock.run(jobs);
  await clock.until(`SELECT last_run_at IS NOT NULL FROM bridge_schedules WHERE name = 'look'`);
  expect(runs).toBe(0);
  await clock.db.query('DELETE FROM bridge_replicas');
  await ran.promise;
});

test('another expression takes effect, and a schedule that is no more is forgotten', patient, async () => {
  await using clock = await openClock();
  await clock.db.query(
    `INSERT INTO bridge_schedules (name, cron, next_run_at, last_run_at, last_result)
     VALUES ('report', '0 8 * * *', now() + interval '1 day', now(), 'ok'), ('old', '* * * * *', now(), NULL, NULL)`,
  );
  clock.run([{ name: 'report', cron: '0 9 * * *', run: async () => undefined }]);
  await clock.until(`NOT EXISTS (SELECT FROM bridge_schedules WHERE name = 'old')`);
  expect(await listSchedules(clock.db.pool)).toMatchObject([
    { name: 'report', cron: '0 9 * * *', last_result: 'ok' },
  ]);
});

test('a run that fails says why, is a bug, and does not keep the next from its time', patient, async () => {
  await using clock = await openClock();
  let runs = 0;
  const again = Promise.withResolvers<void>();
  clock.run([
    {
      name: 'report',
      cron: '* * * * * *',
      run: async () => {
        runs += 1;
        if (runs === 1) throw new Error('division by zero');
        again.resolve();
      },
    },
  ]);
  await clock.until(`SELECT last_result = 'failed: division by zero' FROM bridge_schedules`);
  expect(clock.facts.map((fact) => fact.fact)).toEqual(['bug', 'schedule-ran']);
  await again.promise;
});

test('stopping waits for the run that is under way, and tells it', patient, async () => {
  await using clock = await openClock();
  await due(clock.db, 'report');
  const begun = Promise.withResolvers<void>();
  const running = clock.run([
    {
      name: 'report',
      cron: '0 3 * * *',
      run: async (signal) => {
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    },
  ]);
  await begun.promise;
  expect(await clock.row('report')).toMatchObject({ last_result: 'running', last_ms: null });
  await running[Symbol.asyncDispose]();
  expect(await clock.row('report')).toMatchObject({ last_result: 'ok' });
});
