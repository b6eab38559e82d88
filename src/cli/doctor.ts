/**
 * `doctor`: checks everything that the bridge depends on and prints each problem with its repair. It changes nothing; with
 * `--write` it creates an event in each room's calendar and deletes it.
 */
import { ConfigError, variables } from '../settings.ts';
import { placeholdersIn, toBookingConfig, toConfig, type BookingConfig, type Config } from '../config.ts';
import { readEnv } from '../environment.ts';
import { databaseFailure, openPool } from '../database.ts';
import { messageOf } from '../errors.ts';
import { checkDatabase } from './doctor-database.ts';
import { openFindings, type Report } from './doctor-findings.ts';
import { checkOutlook } from './doctor-outlook.ts';
import { checkPolling } from './doctor-polling.ts';
import { checkWebhook } from './doctor-webhook.ts';

export interface DoctorOptions {
  readonly write?: boolean;
  readonly json?: boolean;
}

/** Returns the exit code: 1 if there is a problem, else 0. */
export async function doctor(options: DoctorOptions, signal: AbortSignal): Promise<number> {
  const { report, conclude } = openFindings(options.json === true);
  const { config, booking } = readSettings(report);
  const installed =
    booking !== null && (await safely('database', report, () => checkDatabase(booking, report)));
  if (config !== null) {
    const db = installed === true ? openPool(config.database, 'outlook-booking-sync doctor', 4) : null;
    try {
      if (db !== null) await safely('polling', report, () => checkPolling(config, db, report));
      await safely('outlook', report, () =>
        checkOutlook({ config, db, write: options.write === true }, report, signal),
      );
    } finally {
      await db?.end();
    }
    await checkWebhook(config, report);
  }
  signal.throwIfAborted();
  return conclude();
}

/** The settings as far as they are valid: those of the database may be valid if Microsoft's are not. */
function readSettings(report: Report): { config: Config | null; booking: BookingConfig | null } {
  const env = readEnv();
  const isUsable = checkPlaceholders(env, report);
  checkQuotes(env, report);
  try {
    const config = toConfig(env);
    if (placeholdersIn(env).length === 0) report('ok', 'settings', 'complete');
    checkValues(config, report);
    return { config: isUsable ? config : null, booking: config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      const [, variable = '', text = problem] = /^(\w+): (.*)$/s.exec(problem) ?? [];
      report('problem', 'settings', `${variable} ${text}`, `${variable}=…   (documented in .env.example)`);
    }
  }
  try {
    return { config: null, booking: toBookingConfig(env) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { config: null, booking: null };
  }
}

/**
 * Reports placeholders of `.env.example`. Returns whether the settings may work all the same: with them Microsoft refuses every login;
 * a simulated tenant, or a database, may accept them.
 */
function checkPlaceholders(env: ReturnType<typeof readEnv>, report: Report): boolean {
  const authority = env['GRAPH_AUTHORITY']?.trim() ?? '';
  const isMicrosoft = authority === '' || authority === variables.GRAPH_AUTHORITY;
  let isUsable = true;
  for (const variable of placeholdersIn(env)) {
    const isRefused = isMicrosoft && variable !== 'DB_PASS';
    if (isRefused) isUsable = false;
    report(
      isRefused ? 'problem' : 'warning',
      'settings',
      `${variable} is the placeholder of .env.example.`,
      `${variable}=…   (${variable === 'DB_PASS' ? 'the password of DB_USER; others know the placeholder' : 'from the app registration: docs/microsoft.md'})`,
    );
  }
  return isUsable;
}

/** Variables whose value may be any text. A title may have quotes of its own. */
const quotable: ReadonlySet<string> = new Set<keyof typeof variables>([
  'DB_HOST',
  'DB_NAME',
  'DB_USER',
  'DB_PASS',
  'GRAPH_CLIENT_ID',
  'GRAPH_CLIENT_SECRET',
  'API_KEY',
  'HOST',
  'NO_PROXY',
]);

/** Reports texts in quotes. `.env` and Docker Compose have none left; numbers and choices in quotes are refused as invalid. */
function checkQuotes(env: ReturnType<typeof readEnv>, report: Report): void {
  const isQuoted = ([name, value]: [string, string | undefined]) =>
    (quotable.has(name) || name.startsWith('API_KEY_')) && /^(["']).*\1$/s.test(value?.trim() ?? '');
  for (const [variable] of Object.entries(env).filter(isQuoted))
    report(
      'warning',
      'settings',
      `${variable} is in quotes, and they are a part of its value.`,
      `${variable}=…   (without quotes: docker run --env-file and kubectl --from-env-file do not remove them)`,
    );
}

/** Minimum length of an API key that is safe against guessing. */
const shortKey = 20;

/** Reports valid values that are unsafe or do not work. */
function checkValues({ http: { keys }, graph: { baseUrl } }: Config, report: Report): void {
  for (const { name, key } of keys.filter((one) => one.key.length < shortKey)) {
    const variable = name === null ? 'API_KEY' : `API_KEY_${name}`;
    report(
      'warning',
      'settings',
      `${variable} has ${key.length} characters: it can be guessed.`,
      `${variable}=…   (a new one: openssl rand -hex 32)`,
    );
  }
  if (!/\/(v\d+\.\d+|beta)$/.test(new URL(baseUrl).pathname))
    report(
      'problem',
      'settings',
      'GRAPH_BASE_URL does not end with the version of the API.',
      `GRAPH_BASE_URL=${new URL(baseUrl).origin}/v1.0`,
    );
}

/** Runs a group of checks. If it throws, that is reported as a problem; later groups still run. */
async function safely<T>(check: string, report: Report, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    const failure = databaseFailure(error, check);
    const hint = 'hint' in failure && typeof failure.hint === 'string' ? failure.hint : null;
    report('problem', check, `The check failed: ${messageOf(failure)}`, hint ?? 'Run doctor again.');
    return null;
  }
}
