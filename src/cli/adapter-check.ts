/**
 * `adapter check`: an adapter installed and tried in a transaction that is taken back. A finding says what is wrong and what to
 * do, as those of `doctor`.
 */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import { readAbilities } from '../abilities.ts';
import { adapterFolder } from '../adapter.ts';
import { lineInFiles, readStatements } from '../booking/adapter-sql.ts';
import { adapterFiles, missingRights } from '../booking/install.ts';
import { readEnv, toBookingConfig, type BookingConfig, type WakeMode } from '../config.ts';
import { Permanent } from '../errors.ts';
import { checkPlans } from './adapter-plans.ts';
import { checkRows, checkTimes } from './adapter-rows.ts';
import { checkShape } from './adapter-shape.ts';
import { attempt, stageAdapter, stageOurs } from './adapter-stage.ts';
import { walk } from './adapter-walk.ts';
import { checkWatched } from './adapter-watched.ts';
import { openFindings, type Find } from './doctor-findings.ts';
import { givingWay } from './give-way.ts';
import { withLock } from './migrate-session.ts';
import { otherVersion, ourTexts } from './migrate.ts';
import { sqlState } from '../database.ts';

const readingMs = 60_000;

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
 * On a database that does not have the triggers yet bookings wait while these are tried, a second at most: then the check is
 * given up, and Retryable thrown.
 */
export async function checkAdapter(config: BookingConfig, told: Find, signal: AbortSignal): Promise<void> {
  const folder = adapterFolder(config.adapter);
  const find = withPlaces(told, folder);
  await withLock(
    config,
    () => undefined,
    signal,
    async (client) => {
      await client.query('BEGIN');
      try {
        await apart(client, 'rights', find, () => checkRights(client, folder, find));
        if (!(await isUsable(client, config.wake, find))) return;
        await client.query(`SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = ${readingMs}`);
        await stageOurs(client, ourTexts(config.wake), config.timezone);
        await stageAdapter(client, folder, 'definitions', find, signal);
        if (!(await checkShape(client, find))) return;
        const isReadable = await apart(client, 'rows', find, () => checkRows(client, find));
        if (!isReadable) return;
        await apart(client, 'zone', find, () => checkTimes(client, config.timezone, find));
        signal.throwIfAborted();
        await givingWay(config.database, client, async () => {
          await stageAdapter(client, folder, 'locking', find, signal);
          await apart(client, 'plans', find, () => checkPlans(client, find));
          await apart(client, 'triggers', find, () => checkWatched(client, folder, find));
          const { known } = await readAbilities(client);
          if (!known.has('one-way'))
            await apart(client, 'functions', find, () => walk(client, config.timezone, known, find));
        });
      } finally {
        await client.query('ROLLBACK').catch(() => undefined); // the session ends with it in any case
      }
    },
  );
}

/** Whether our tables and functions are there as this version knows them, or not there at all; says so where not. */
async function isUsable(client: pg.Client, wake: WakeMode, find: Find): Promise<boolean> {
  const why = await otherVersion(client, wake);
  if (why === null) return true;
  find('problem', 'bridge', why.message, why.repair);
  return false;
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
    if (error instanceof Permanent) {
      // it names file and line itself
      await client.query('ROLLBACK TO part');
      find('problem', check, error.message, error.hint ?? null);
      return false;
    }
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO part');
    const columns = await failingColumns(client);
    find(
      'problem',
      check,
      `It failed: ${failureInWords(error)}${columns.length === 0 ? '' : `, in ${columns.join(', ')} of bridge_items`}.`,
      'Mend what it names in 10_view.sql.',
    );
    return false;
  }
}

/** The columns of the view that cannot be read by themselves; all of them where a join or a condition fails. */
async function failingColumns(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT quote_ident(attname) AS name FROM pg_attribute
     WHERE attrelid = to_regclass('public.bridge_items') AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  );
  const failing: string[] = [];
  for (const { name } of rows)
    if ((await attempt(client, `SELECT count(${name}) FROM public.bridge_items`)) !== null)
      failing.push(name);
  return failing.length === rows.length ? [] : failing;
}

/** Adds to each line of a function of the adapter, as PostgreSQL counts them, where that is in its files. */
function withPlaces(find: Find, folder: string): Find {
  const statements = adapterFiles(folder).flatMap((file) => readStatements(folder, file));
  return (state, check, message, repair) =>
    find(
      state,
      check,
      message.replace(/\((\w+), line (\d+)/, (whole, name: string, line: string) => {
        const place = lineInFiles(statements, name, Number(line));
        return place === null ? whole : `(${place}, ${whole.slice(1)}`;
      }),
      repair,
    );
}
