/** The session in which `migrate` works: one at a time on a database, and no booking waits behind it. */
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { Tell } from '../booking/install.ts';
import type { BookingConfig } from '../config.ts';
import { connectionSettings, DirectClient } from '../connection.ts';
import { databaseFailure } from '../database.ts';
import { Invalid, Retryable } from '../errors.ts';
import { locks } from '../locks.ts';

/** That a transaction is open already, or none is: no news for people. */
const transactionStates = new Set(['25001', '25P01']);

/** Runs `work` on a session of its own, alone with this database. */
export async function withLock<T>(
  config: BookingConfig,
  tell: Tell,
  signal: AbortSignal,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new DirectClient(config.database, {
    // no booking queues behind us for longer; set where RESET leads back to it
    ...connectionSettings(config.database, 'outlook-booking-sync migrate', ['lock_timeout=500ms']),
    query_timeout: 120_000,
  });
  client.on('error', () => undefined); // the query under way rejects; that is enough
  client.on('notice', ({ code, message = '' }) => {
    if (!transactionStates.has(code ?? '')) tell(message);
  });
  try {
    await client.connect();
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
  for (let told = false; ; told = true) {
    signal.throwIfAborted();
    const { rows } = await client.query<{ ours: boolean }>(
      `SELECT pg_try_advisory_lock(${locks.migrate}) AS ours`,
    );
    if (rows[0]!.ours) return;
    if (!told) tell('Another migrate is at work on this database; waiting for it.');
    if (Date.now() > givesUpAt)
      throw new Retryable('another migrate has been at work on this database for a minute', {
        reach: 'side',
      });
    await pause(200, undefined, { signal });
  }
}
