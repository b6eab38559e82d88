/**
 * Scheduled jobs: at an interval in each daemon, or by a cron expression and then once across all daemons.
 *
 * The times are rows (bridge_schedules) by the database server's clock, so the daemons' clocks do not matter, a restart knows the
 * last runs, and a run missed while no daemon ran is made up once. The daemon that finds a due job sets its next run and executes
 * it; while that daemon is alive and works on it, no other daemon starts the next run.
 */
import { Cron } from 'croner';
import { databaseFailure, isOutage, type Queryable } from '../database.ts';
import { messageOf } from '../errors.ts';
import { queryRows, queryValue } from '../query.ts';
import type { Tell } from '../facts.ts';
import { sleep } from '../sleep.ts';

/** Runs `job` at once and then `everyMs` after each end, until disposed. A failed run is reported. */
export function every(everyMs: number, tell: Tell, where: string, run: () => Promise<void>): AsyncDisposable {
  const closing = new AbortController();
  const loop = async () => {
    while (!closing.signal.aborted) {
      try {
        await run();
      } catch (error) {
        tellBug(error, where, tell);
      }
      await sleep(everyMs, closing.signal);
    }
  };
  const running = loop();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}

/** A scheduled job, run once across all daemons. */
export interface Job {
  /** Its name in the row, the metric and the log line. */
  readonly name: string;
  /** A cron expression in BOOKING_TIMEZONE. */
  readonly cron: string;
  /** Must end soon after the signal aborts (the daemon is stopping). */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** A schedule with its state. */
export interface Schedule {
  readonly name: string;
  readonly cron: string;
  readonly last_run_at: Date | null;
  /** 'ok', 'running', or 'failed: …'; null: it has not run yet. */
  readonly last_result: string | null;
  readonly last_ms: number | null;
  readonly next_run_at: Date;
  /** The delay of the next run; 0: none. */
  readonly late_ms: number;
}

export interface ScheduleOptions {
  readonly db: Queryable;
  readonly timezone: string;
  /** The id of this daemon in its heartbeat. */
  readonly replica: string;
  readonly jobs: readonly Job[];
  readonly tell: Tell;
}

interface Due {
  readonly name: string;
  readonly next_run_at: Date;
  readonly now: Date;
  readonly in_ms: number;
}

/** The longest sleep between two checks: another daemon may have changed the next run. */
const checkMs = 15_000;
/** The interval while a run is late because the previous one is not finished, and after a failure. */
const againMs = 1_000;
const dayMs = 86_400_000;

/** Runs the jobs until disposed; disposing waits for running jobs. */
export function runSchedules(options: ScheduleOptions): AsyncDisposable {
  const { db, timezone, jobs, tell } = options;
  const closing = new AbortController();
  const running = new Map<string, Promise<void>>();
  const byName = new Map(jobs.map((job) => [job.name, job]));

  /** Starts the due jobs. Returns the time until the next one. */
  async function startDue(): Promise<number> {
    let waitMs = checkMs;
    for (const due of await readDue(db, [...byName.keys()])) {
      if (due.in_ms > 0) {
        waitMs = Math.min(waitMs, due.in_ms);
        continue;
      }
      const job = byName.get(due.name)!;
      const next = nextRun(job, timezone, due.now);
      const isOurs = !running.has(job.name) && (await takeRun(options, due, next));
      waitMs = Math.min(waitMs, isOurs ? next.getTime() - due.now.getTime() : againMs);
      if (isOurs) {
        const done = runJob(options, job, closing.signal).finally(() => running.delete(job.name));
        running.set(job.name, done);
      }
    }
    return waitMs;
  }

  async function loop(): Promise<void> {
    let isRegistered = false;
    while (!closing.signal.aborted) {
      let waitMs = againMs;
      try {
        if (!isRegistered) await register(options);
        isRegistered = true;
        waitMs = await startDue();
      } catch (error) {
        tellBug(error, 'the schedules', tell);
      }
      await sleep(Math.max(1, Math.ceil(waitMs)), closing.signal);
    }
  }

  const looping = loop();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await looping;
      await Promise.all(running.values());
    },
  };
}

/** The next time after `now` by the server's clock; for an expression without one, in a year. */
function nextRun({ cron }: Job, timezone: string, now: Date): Date {
  const next = new Cron(cron, { timezone, paused: true }).nextRun(now);
  return next ?? new Date(now.getTime() + 365 * dayMs);
}

/** A new or changed schedule starts at its next time. */
async function register({ db, timezone, jobs }: ScheduleOptions): Promise<void> {
  const now = await queryValue<Date>(db, 'SELECT clock_timestamp()');
  const plan = jobs.map((job) => ({
    name: job.name,
    cron: job.cron,
    next: nextRun(job, timezone, now),
  }));
  await db.query(
    `WITH plan AS (SELECT * FROM jsonb_to_recordset($1) AS p (name text, cron text, next timestamptz)),
     gone AS (DELETE FROM bridge_schedules WHERE name NOT IN (SELECT name FROM plan))
     INSERT INTO bridge_schedules AS s (name, cron, next_run_at) SELECT name, cron, next FROM plan p
     WHERE NOT EXISTS (SELECT FROM bridge_schedules t WHERE t.name = p.name AND t.cron = p.cron)
     ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, next_run_at = excluded.next_run_at`,
    [JSON.stringify(plan)],
  );
}

const readDue = (db: Queryable, names: readonly string[]) =>
  queryRows<Due>(db, {
    name: 'schedules_due',
    text: `SELECT name, next_run_at, clock_timestamp() AS now,
        extract(epoch FROM next_run_at - clock_timestamp())::float8 * 1000 AS in_ms
      FROM bridge_schedules WHERE name = ANY ($1)`,
    values: [names],
  });

/** Takes the run, unless another daemon has it. A person may have set its time to now(), which is finer than a Date. */
async function takeRun({ db, replica }: ScheduleOptions, due: Due, next: Date): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'take_schedule',
    text: `UPDATE bridge_schedules s SET next_run_at = $3, run_by = $4, last_run_at = clock_timestamp(),
        last_result = 'running', last_ms = NULL
      WHERE name = $1 AND date_trunc('milliseconds', next_run_at) = $2 AND next_run_at <= clock_timestamp()
        AND (run_by IS NULL OR NOT EXISTS (SELECT FROM bridge_replicas b WHERE b.id = s.run_by AND b.id <> $4))`,
    values: [due.name, due.next_run_at, next, replica],
  });
  return rowCount === 1;
}

/** Never rejects. */
async function runJob({ db, replica, tell }: ScheduleOptions, { name, run }: Job, signal: AbortSignal) {
  const startedAt = performance.now();
  let failed: string | null = null;
  try {
    await run(signal);
  } catch (error) {
    failed = messageOf(error).slice(0, 500);
    tellBug(error, `the schedule ${name}`, tell);
  }
  const ms = performance.now() - startedAt;
  tell({ fact: 'schedule-ran', schedule: name, ms, failed });
  try {
    await db.query({
      name: 'store_schedule_result',
      text: 'UPDATE bridge_schedules SET run_by = NULL, last_result = $3, last_ms = $4 WHERE name = $1 AND run_by = $2',
      values: [name, replica, failed === null ? 'ok' : `failed: ${failed}`, Math.round(ms)],
    });
  } catch (error) {
    tellBug(error, `the schedule ${name}`, tell);
  }
}

/** All schedules with their last and next run. */
export const listSchedules = (db: Queryable) =>
  queryRows<Schedule>(db, {
    name: 'schedules',
    text: `SELECT name, cron, last_run_at, last_result, last_ms, next_run_at,
        greatest(0, round(extract(epoch FROM clock_timestamp() - next_run_at) * 1000))::bigint AS late_ms
      FROM bridge_schedules ORDER BY name`,
  });

/** The work loop reports an outage of the database; any other error here is a bug. */
function tellBug(error: unknown, where: string, tell: Tell): void {
  const failure = databaseFailure(error, where);
  if (!isOutage(failure)) tell({ fact: 'bug', error: failure, where });
}
