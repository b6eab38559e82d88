/** Terminates a session for which other sessions wait too long. */
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { DatabaseConfig } from '../config.ts';
import { openSession, type OwnSession } from '../database.ts';
import { Retryable } from '../errors.ts';
import { queryValue } from '../query.ts';

const everyMs = 200;
const queryMs = 5_000;
/** The session is terminated after another session has been found waiting in this number of consecutive polls. */
const toleratedPolls = 4;

/**
 * Runs `work`, which holds locks on tables of the booking system in a transaction of `client`. If another session waits for
 * them for about a second, the session of `client` is terminated, which rolls everything back, and Retryable is thrown. Throws
 * before `work` starts if the database accepts no second connection for the watch.
 */
export async function withLockWatch<T>(
  config: DatabaseConfig,
  client: pg.Client,
  work: () => Promise<T>,
): Promise<T> {
  const pid = await queryValue<number>(client, 'SELECT pg_backend_pid() AS pid');
  const open = () => openSession(config, 'outlook-booking-sync adapter check', queryMs);
  const done = new AbortController();
  const state = { terminated: false };
  const watch = watchWaiting(pid, await open(), open, state, done.signal);
  try {
    return await work();
  } catch (error) {
    if (!state.terminated) throw error;
    throw new Retryable(
      'The check was ended because other sessions waited for its locks; nothing was changed.',
      {
        hint: 'Run it on a copy of the database, or at a time without bookings.',
        cause: error,
      },
    );
  } finally {
    done.abort();
    await watch;
  }
}

/** Never rejects; reconnects after a lost connection. */
async function watchWaiting(
  pid: number,
  first: OwnSession,
  open: () => Promise<OwnSession>,
  state: { terminated: boolean },
  done: AbortSignal,
): Promise<void> {
  for (let own: OwnSession | null = first; !done.aborted && !state.terminated; own = null) {
    try {
      own ??= await open();
      await terminateWhenWaitedFor(own, pid, state, done);
    } catch {
      await pause(everyMs, undefined, { signal: done }).catch(() => undefined);
    } finally {
      await own?.close();
    }
  }
}

async function terminateWhenWaitedFor(
  { session }: OwnSession,
  pid: number,
  state: { terminated: boolean },
  done: AbortSignal,
): Promise<void> {
  const polls = new Map<number, number>();
  while (!done.aborted) {
    const { rows } = await session.query<{ waiting: number }>(
      `SELECT pid AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND $1 = ANY (pg_blocking_pids(pid))`,
      [pid],
    );
    const waiting = new Set(rows.map((row) => row.waiting));
    for (const one of polls.keys()) if (!waiting.has(one)) polls.delete(one);
    for (const one of waiting) polls.set(one, (polls.get(one) ?? 0) + 1);
    if ([...polls.values()].some((count) => count >= toleratedPolls)) {
      // set first, because `work` may fail before this query resolves
      state.terminated = true;
      await session.query('SELECT pg_terminate_backend($1)', [pid]);
      return;
    }
    await pause(everyMs, undefined, { signal: done }).catch(() => undefined);
  }
}
