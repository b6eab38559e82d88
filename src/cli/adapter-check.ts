/**
 * `adapter check`: an adapter installed and tried in a transaction that is taken back. A finding says what is wrong and what to
 * do, as those of `doctor`.
 */
import type pg from 'pg';
import { adapterFolder } from '../adapter.ts';
import { missingRights } from '../booking/install.ts';
import { readEnv, toBookingConfig, type BookingConfig } from '../config.ts';
import { messageOf } from '../errors.ts';
import { checkPlans } from './adapter-plans.ts';
import { checkRows, checkTimes } from './adapter-rows.ts';
import { checkShape } from './adapter-shape.ts';
import { stageAdapter, stageOurs } from './adapter-stage.ts';
import { walk } from './adapter-walk.ts';
import { checkWatched } from './adapter-watched.ts';
import { openFindings, type Find } from './doctor-findings.ts';
import { withLock } from './migrate-session.ts';
import { ourTexts } from './migrate.ts';
import { sqlState } from '../database.ts';

/** Bounds of one statement, in ms: while the view is read, and while a booking may wait for the lock of a trigger. */
const readingMs = 60_000;
const lockingMs = 3_000;

/** Returns 1 when something is to be repaired, else 0. `folder`: a name or path as BOOKING_ADAPTER takes it. */
export async function checkCommand(
  folder: string | undefined,
  options: { readonly json?: boolean },
  signal: AbortSignal,
): Promise<number> {
  const settings = toBookingConfig(readEnv());
  const config = { ...settings, adapter: folder ?? settings.adapter };
  const { find, conclude } = openFindings(options.json === true);
  await checkAdapter(config, find, signal);
  return conclude();
}

/**
 * Tries the adapter of `config` in its database. Nothing stays but the numbers that the system's own sequences gave away.
 * Bookings wait while the triggers are there: a few seconds on a database that does not have them yet.
 */
export async function checkAdapter(config: BookingConfig, find: Find, signal: AbortSignal): Promise<void> {
  const folder = adapterFolder(config.adapter);
  await withLock(
    config,
    () => undefined,
    signal,
    async (client) => {
      await client.query('BEGIN');
      try {
        await checkRights(client, folder, find);
        await client.query(`SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = ${readingMs}`);
        await stageOurs(client, ourTexts(config.wake), config.timezone);
        await stageAdapter(client, folder, 'definitions', find);
        if (!(await checkShape(client, find))) return;
        const isReadable = await apart(client, 'rows', find, () => checkRows(client, find));
        if (!isReadable) return;
        await apart(client, 'zone', find, () => checkTimes(client, config.timezone, find));
        signal.throwIfAborted();
        await client.query(`SET LOCAL statement_timeout = ${lockingMs}`);
        await stageAdapter(client, folder, 'locking', find);
        await apart(client, 'plans', find, () => checkPlans(client, find));
        await apart(client, 'triggers', find, () => checkWatched(client, find));
        await apart(client, 'functions', find, () => walk(client, config.timezone, find));
      } finally {
        await client.query('ROLLBACK').catch(() => undefined); // the session ends with it in any case
      }
    },
  );
}

async function checkRights(client: pg.Client, folder: string, find: Find): Promise<void> {
  for (const { repair, needed, why } of await missingRights(client, folder))
    find(needed ? 'problem' : 'note', 'rights', why ?? 'Our role lacks a right.', repair);
}

/** Runs one check; one that fails is a problem, and the others go on. Resolves with whether it came to its end. */
async function apart(
  client: pg.Client,
  check: string,
  find: Find,
  work: () => Promise<void>,
): Promise<boolean> {
  await client.query('SAVEPOINT part');
  try {
    await work();
    return true;
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO part');
    find(
      'problem',
      check,
      `It failed: ${messageOf(error)} (SQLSTATE ${sqlState(error) ?? 'unknown'}).`,
      'Mend what it names in 10_view.sql.',
    );
    return false;
  }
}
