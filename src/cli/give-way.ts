/** Watches whether others wait for the locks of a session that tries something, and ends it before they wait for long. */
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { DatabaseConfig } from '../config.ts';
import { openSession, type OwnSession } from '../database.ts';
import { Retryable } from '../errors.ts';

const everyMs = 200;
const queryMs = 5_000;
/** Looks in a row in which the same session was found waiting before ours is ended. */
const bearableLooks = 4;

/**
 * Runs `work`, which holds locks on tables of the booking system in a transaction of `client`. Others wait for it for a second
 * at most: then its session is ended, which takes everything back, and Retryable is thrown. Nothing is begun where the database
 * gives no second connection to watch with.
 */
export async function givingWay<T>(
  config: DatabaseConfig,
  client: pg.Client,
  work: () => Promise<T>,
): Promise<T> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const open = () => openSession(config, 'outlook-booking-sync adapter check', queryMs);
  const done = new AbortController();
  const state = { gaveWay: false };
  const watch = watchOver(rows[0]!.pid, await open(), open, state, done.signal);
  try {
    return await work();
  } catch (error) {
    if (!state.gaveWay) throw error;
    throw new Retryable(
      'Others waited for what the check had locked, so it was given up; nothing was changed.',
      {
        hint: 'Run it on a copy of the database, or when nobody books.',
        cause: error,
      },
    );
  } finally {
    done.abort();
    await watch;
  }
}

/** Never rejects: a connection that is lost is made again. */
async function watchOver(
  pid: number,
  first: OwnSession,
  open: () => Promise<OwnSession>,
  state: { gaveWay: boolean },
  done: AbortSignal,
): Promise<void> {
  for (let own: OwnSession | null = first; !done.aborted && !state.gaveWay; own = null) {
    try {
      own ??= await open();
      await endWhenWaitedFor(own, pid, state, done);
    } catch {
      await pause(everyMs, undefined, { signal: done }).catch(() => undefined);
    } finally {
      await own?.close();
    }
  }
}

async function endWhenWaitedFor(
  { session }: OwnSession,
  pid: number,
  state: { gaveWay: boolean },
  done: AbortSignal,
): Promise<void> {
  const looks = new Map<number, number>();
  while (!done.aborted) {
    const { rows } = await session.query<{ waiting: number }>(
      `SELECT pid AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND $1 = ANY (pg_blocking_pids(pid))`,
      [pid],
    );
    const waiting = new Set(rows.map((row) => row.waiting));
    for (const one of looks.keys()) if (!waiting.has(one)) looks.delete(one);
    for (const one of waiting) looks.set(one, (looks.get(one) ?? 0) + 1);
    if ([...looks.values()].some((times) => times >= bearableLooks)) {
      // before it is asked: the work may hear of its end first
      state.gaveWay = true;
      await session.query('SELECT pg_terminate_backend($1)', [pid]);
      return;
    }
    await pause(everyMs, undefined, { signal: done }).catch(() => undefined);
  }
}
