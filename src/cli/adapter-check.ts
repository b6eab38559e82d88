/** `adapter check`: installs and tests an adapter in a transaction that is rolled back. Findings have the form of `doctor`'s. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import { readAbilities } from '../abilities.ts';
import { adapterFolder } from '../adapter.ts';
import { lineInFiles, readStatements } from '../booking/adapter-sql.ts';
import { adapterFiles, missingRights } from '../booking/install.ts';
import { readEnv } from '../environment.ts';
import { toBookingConfig, type BookingConfig, type WakeMode } from '../config.ts';
import { Permanent } from '../errors.ts';
import { tryExisting } from './adapter-existing.ts';
import { checkPlans } from './adapter-plans.ts';
import { checkReach } from './adapter-reach.ts';
import { checkClock, checkRows, checkTimes } from './adapter-rows.ts';
import { checkShape } from './adapter-shape.ts';
import { attempt, undone } from './adapter-calls.ts';
import { stageAdapter, stageOurs } from './adapter-stage.ts';
import { tryFunctions } from './adapter-trial.ts';
import { checkWatched } from './adapter-watched.ts';
import { openFindings, type Report } from './doctor-findings.ts';
import { withLockWatch } from './lock-watch.ts';
import { withLock } from './migrate-session.ts';
import { otherVersion } from './migrate-checks.ts';
import { ourTexts } from './own-schema.ts';
import { sqlState } from '../database.ts';

const statementMs = 60_000;

/** Returns the exit code: 1 if there is a problem, else 0. `folder`: a name or path as in BOOKING_ADAPTER. */
export async function checkCommand(
  folder: string | undefined,
  options: { readonly json?: boolean },
  signal: AbortSignal,
): Promise<number> {
  const settings = toBookingConfig(readEnv());
  const config = { ...settings, adapter: folder ?? settings.adapter };
  const { report, conclude } = openFindings(options.json === true);
  await checkAdapter(config, report, signal);
  return conclude();
}

/**
 * Tests the adapter of `config` in its database. Only sequences of the booking system advance; everything else is rolled back.
 * If the triggers are not installed yet, bookings wait for the locks of the test for at most a second; then it ends and throws
 * Retryable.
 */
export async function checkAdapter(
  config: BookingConfig,
  output: Report,
  signal: AbortSignal,
): Promise<void> {
  const folder = adapterFolder(config.adapter);
  const report = withPlaces(output, folder);
  await withLock(
    config,
    () => undefined,
    signal,
    async (client) => {
      await client.query('BEGIN');
      try {
        await runCheck(client, 'rights', report, () => checkRights(client, folder, report));
        if (!(await isUsable(client, config.wake, report))) return;
        await client.query(`SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = ${statementMs}`);
        await stageOurs(client, ourTexts(config.wake), config.timezone);
        await stageAdapter(client, folder, 'definitions', report, signal);
        if (!(await checkShape(client, report))) return;
        const isReadable = await runCheck(client, 'rows', report, () => checkRows(client, report));
        if (!isReadable) return;
        await runCheck(client, 'rows', report, () => checkClock(client, report));
        await runCheck(client, 'zone', report, () => checkTimes(client, config.timezone, report));
        signal.throwIfAborted();
        await withLockWatch(config.database, client, async () => {
          await stageAdapter(client, folder, 'locking', report, signal);
          await runCheck(client, 'plans', report, () => checkPlans(client, report));
          await runCheck(client, 'triggers', report, () => checkWatched(client, folder, report));
          await runCheck(client, 'triggers', report, () => undone(client, () => checkReach(client, report)));
          const { known } = await readAbilities(client);
          if (known.has('one-way')) return;
          await runCheck(client, 'functions', report, () =>
            // undone, so that the next check finds no locks of it
            undone(client, () => tryFunctions(client, config.timezone, known, report)),
          );
          await runCheck(client, 'functions', report, () => tryExisting(client, known, report));
        });
      } finally {
        await client.query('ROLLBACK').catch(() => undefined); // the session ends with it in any case
      }
    },
  );
}

/** Returns true if our tables and functions are those of this version or not installed; otherwise reports a problem. */
async function isUsable(client: pg.Client, wake: WakeMode, report: Report): Promise<boolean> {
  const other = await otherVersion(client, wake);
  if (other === null) return true;
  report('problem', 'bridge', other.message, other.repair);
  return false;
}

async function checkRights(client: pg.Client, folder: string, report: Report): Promise<void> {
  for (const { repair, needed, why } of await missingRights(client, folder))
    report(needed ? 'problem' : 'note', 'rights', why ?? 'A privilege is missing.', repair);
}

/** Runs one check in a savepoint. A failure is reported as a problem; later checks still run. Returns whether it completed. */
async function runCheck(
  client: pg.Client,
  check: string,
  report: Report,
  work: () => Promise<void>,
): Promise<boolean> {
  await client.query('SAVEPOINT part');
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof Permanent) {
      // its message already names the file and line
      await client.query('ROLLBACK TO part');
      report('problem', check, error.message, error.hint ?? null);
      return false;
    }
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO part');
    const columns = await failingColumns(client);
    report(
      'problem',
      check,
      `It failed: ${failureInWords(error)}${columns.length === 0 ? '' : `, in ${columns.join(', ')} of bridge_items`}.`,
      'Fix the named part of 10_view.sql.',
    );
    return false;
  }
}

/** The columns of the view that fail when read alone; empty if all fail, because then a join or a condition is the cause. */
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

/** Adds the file and line to each function line that PostgreSQL reports. */
function withPlaces(report: Report, folder: string): Report {
  const statements = adapterFiles(folder).flatMap((file) => readStatements(folder, file));
  return (state, check, message, repair) =>
    report(
      state,
      check,
      message.replace(/\((\w+), line (\d+)/, (whole, name: string, line: string) => {
        const place = lineInFiles(statements, name, Number(line));
        return place === null ? whole : `(${place}, ${whole.slice(1)}`;
      }),
      repair,
    );
}
