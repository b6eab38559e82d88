/** The session of `migrate`: one at a time on a database, with a short lock timeout so that bookings do not wait for it. */
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { Tell } from '../booking/install.ts';
import type { BookingConfig } from '../config.ts';
import { databaseFailure } from '../database.ts';
import { Invalid, Retryable } from '../errors.ts';
import { locks } from '../locks.ts';
import { connecting, directClient } from './with-database.ts';
import { queryValue } from '../query.ts';

/**
 * Runs `work` on its own session under the lock of `migrate`. Throws Retryable if another process holds the lock for a minute;
 * other errors are converted by databaseFailure.
 */
export async function withLock<T>(
  config: BookingConfig,
  tell: Tell,
  signal: AbortSignal,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  // bounds the wait of bookings behind our lock requests
  const client = directClient(config, 'migrate', 120_000, 500);
  client.on('notice', ({ message = '' }) => tell(message));
  try {
    await connecting('migrate', () => client.connect());
    await client.query('SET client_min_messages = notice');
    await waitForOthers(client, tell, signal);
    return await work(client);
  } catch (error) {
    throw signal.aborted || error instanceof Invalid ? error : databaseFailure(error, 'migrate');
  } finally {
    await client.end().catch(() => undefined); // the lock goes with the session, ended or broken
  }
}

async function waitForOthers(client: pg.Client, tell: Tell, signal: AbortSignal): Promise<void> {
  const givesUpAt = Date.now() + 60_000;
  for (let announced = false; ; announced = true) {
    signal.throwIfAborted();
    const ours = await queryValue<boolean>(client, `SELECT pg_try_advisory_lock(${locks.migrate}) AS ours`);
    if (ours) return;
    if (!announced) tell('Another migrate is running on this database; waiting for it.');
    if (Date.now() > givesUpAt)
      throw new Retryable('another migrate has been running on this database for a minute', {
        reach: 'side',
      });
    await pause(200, undefined, { signal });
  }
}
