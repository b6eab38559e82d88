/**
 * `doctor`: looks at everything the bridge depends on and says, for each thing that is wrong, exactly what to run or to
 * set. It changes nothing; with `--write` it makes an event in each room's calendar and takes it away again.
 */
import {
  ConfigError,
  readEnv,
  toBookingConfig,
  toConfig,
  type BookingConfig,
  type Config,
} from '../config.ts';
import { databaseFailure, openPool } from '../database.ts';
import { messageOf } from '../errors.ts';
import { checkDatabase } from './doctor-database.ts';
import { openFindings, type Find } from './doctor-findings.ts';
import { checkOutlook } from './doctor-outlook.ts';
import { checkPolling } from './doctor-polling.ts';
import { checkWebhook } from './doctor-webhook.ts';

export interface DoctorOptions {
  readonly write?: boolean;
  readonly json?: boolean;
}

/** Returns 1 when something is to be repaired, else 0. */
export async function doctor(options: DoctorOptions, signal: AbortSignal): Promise<number> {
  const { find, conclude } = openFindings(options.json === true);
  const { config, booking } = readSettings(find);
  const installed = booking !== null && (await safely('database', find, () => checkDatabase(booking, find)));
  if (config !== null) {
    const db = installed === true ? openPool(config.database, 'outlook-booking-sync doctor', 4) : null;
    try {
      if (db !== null) await safely('polling', find, () => checkPolling(config, db, find));
      await safely('outlook', find, () =>
        checkOutlook({ config, db, write: options.write === true }, find, signal),
      );
    } finally {
      await db?.end();
    }
    await checkWebhook(config, find);
  }
  signal.throwIfAborted();
  return conclude();
}

/** The settings as far as they can be read: those of the database may be right where Microsoft's are not. */
function readSettings(find: Find): { config: Config | null; booking: BookingConfig | null } {
  const env = readEnv();
  try {
    const config = toConfig(env);
    find('ok', 'settings', 'complete');
    checkValues(config, find);
    return { config, booking: config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      const [, variable = '', what = problem] = /^(\w+): (.*)$/s.exec(problem) ?? [];
      find('problem', 'settings', `${variable} ${what}`, `${variable}=…   (.env.example explains it)`);
    }
  }
  try {
    return { config: null, booking: toBookingConfig(env) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { config: null, booking: null };
  }
}

/** With less than that, a key can be guessed by who has time. */
const shortKey = 20;

/** What is written well and works badly. */
function checkValues({ http: { keys }, graph: { baseUrl } }: Config, find: Find): void {
  for (const { name, key } of keys.filter((one) => one.key.length < shortKey)) {
    const variable = name === null ? 'API_KEY' : `API_KEY_${name}`;
    find(
      'warning',
      'settings',
      `${variable} has ${key.length} characters: it can be guessed.`,
      `${variable}=…   (a new one: openssl rand -hex 32)`,
    );
  }
  if (!/\/(v\d+\.\d+|beta)$/.test(new URL(baseUrl).pathname))
    find(
      'problem',
      'settings',
      'GRAPH_BASE_URL ends without the version of the API.',
      `GRAPH_BASE_URL=${new URL(baseUrl).origin}/v1.0`,
    );
}

/** A look that fails as a whole is a finding of its own; the others go on. */
async function safely<T>(check: string, find: Find, look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    const failure = databaseFailure(error, check);
    const hint = 'hint' in failure && typeof failure.hint === 'string' ? failure.hint : null;
    find('problem', check, `The look was cut short: ${messageOf(failure)}`, hint ?? 'Run doctor again.');
    return null;
  }
}
