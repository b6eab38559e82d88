/**
 * The settings, from the variables of the environment (`settings.ts`). `toConfig` reports all problems together, each with its variable
 * and the repair. `.env.example` documents every variable; a test compares the two.
 */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { privacies, templateProblem, type AppearanceSettings } from './appearance.ts';
import { adapterFolder } from './adapter.ts';
import { Invalid } from './errors.ts';
import { conflictPolicies, importModes, overlapPolicies, type RoomSettings } from './room-settings.ts';
import { Settings, shown, shownFile, type Environment } from './settings.ts';

export type WakeMode = 'adaptive' | 'notify' | 'poll';

export interface DatabaseConfig {
  /** A libpq URL without TLS parameters, which are in `ssl`. */
  readonly url: string;
  readonly ssl: false | { readonly rejectUnauthorized: boolean; readonly caFile?: string };
}

export interface GraphConfig {
  readonly tenantId: string;
  readonly clientId: string;
  readonly credential: { readonly secret: string } | { readonly certificateFile: string };
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly authority: string;
  readonly proxy: { readonly url: string; readonly except: string } | null;
}

/** A key of the HTTP API. */
export interface ApiKey {
  /** The text after `API_KEY_`; null: API_KEY itself. */
  readonly name: string | null;
  readonly key: string;
  /** True for API_KEY_READ_<NAME>: GET and HEAD only. */
  readonly readOnly: boolean;
}

interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** Empty: the API needs no key and accepts requests from this machine only. */
  readonly keys: readonly ApiKey[];
  /** The request header, in lower case, in which a proxy sends the name of the signed-in user. */
  readonly userHeader: string | null;
}

export interface Config {
  readonly database: DatabaseConfig;
  readonly graph: GraphConfig;
  readonly http: HttpConfig;
  readonly webhookBaseUrl: string | null;
  readonly adapter: string;
  readonly timezone: string;
  readonly window: { readonly pastDays: number; readonly futureDays: number };
  readonly pollSeconds: number;
  readonly schedules: { readonly sweep: string; readonly missing: string; readonly report: string };
  readonly conflictPolicy: NonNullable<RoomSettings['conflict_policy']>;
  readonly overlapPolicy: NonNullable<RoomSettings['overlap_policy']>;
  readonly importMode: NonNullable<RoomSettings['import_mode']>;
  readonly freeEvents: 'ignore' | 'all_day' | 'import';
  readonly appearance: AppearanceSettings;
  readonly brake: { readonly max: number; readonly share: number };
  readonly autoSync: boolean;
  readonly startMode: 'sync' | 'plan' | 'shadow';
  readonly wake: WakeMode;
  readonly alertWebhookUrl: string | null;
  /** Retention of `bridge_log`; 0: unlimited. */
  readonly logRetentionDays: number;
  readonly logLevel: string;
}

/** The settings for commands that only use the database. */
export type BookingConfig = Pick<Config, 'database' | 'adapter' | 'timezone' | 'wake' | 'logLevel'> &
  Partial<Pick<Config, 'appearance' | 'startMode'>>;

const noId = '00000000-0000-0000-0000-000000000000';
/** The values in `.env.example` that have to be replaced. */
const placeholders = {
  DB_PASS: 'change-me',
  GRAPH_TENANT_ID: noId,
  GRAPH_CLIENT_ID: noId,
  GRAPH_CLIENT_SECRET: 'change-me',
} as const;

/** The variables that have the placeholders of `.env.example`. */
export function placeholdersIn(env: Environment): (keyof typeof placeholders)[] {
  const settings = new Settings(env);
  const names = Object.keys(placeholders) as (keyof typeof placeholders)[];
  return names.filter(
    (name) =>
      settings.text(name) === placeholders[name] &&
      (name !== 'DB_PASS' || settings.text('DATABASE_URL') === null),
  );
}

/** The settings for `serve`. Throws ConfigError with all problems. */
export function toConfig(env: Environment): Config {
  const settings = new Settings(env);
  const booking = bookingPart(settings);
  const graph = graphPart(settings);
  const webhookBaseUrl = settings.url('WEBHOOK_BASE_URL');
  const config: Config = {
    ...booking,
    graph,
    http: httpPart(settings),
    webhookBaseUrl,
    window: {
      pastDays: settings.whole('SYNC_PAST_DAYS', 0, 365),
      futureDays: settings.whole('SYNC_FUTURE_DAYS', 1, 1_400),
    },
    pollSeconds:
      settings.text('POLL_INTERVAL_SECONDS') === null
        ? webhookBaseUrl === null
          ? 60
          : 900
        : settings.whole('POLL_INTERVAL_SECONDS', 1, 86_400),
    schedules: {
      sweep: settings.schedule('SWEEP_SCHEDULE'),
      missing: settings.schedule('MISSING_SCHEDULE'),
      report: settings.schedule('REPORT_SCHEDULE'),
    },
    conflictPolicy: settings.oneOf('CONFLICT_POLICY', conflictPolicies),
    overlapPolicy: settings.oneOf('OVERLAP_POLICY', overlapPolicies),
    importMode: settings.oneOf('IMPORT_MODE', importModes),
    freeEvents: settings.oneOf('FREE_EVENTS', ['ignore', 'all_day', 'import']),
    brake: {
      max: settings.whole('BRAKE_MAX', 0, 1_000_000),
      share: settings.share('BRAKE_SHARE'),
    },
    autoSync: settings.oneOf('AUTO_SYNC', ['on', 'off']) === 'on',
    alertWebhookUrl: settings.url('ALERT_WEBHOOK_URL'),
    logRetentionDays: settings.whole('LOG_RETENTION_DAYS', 0, 36_500),
  };
  settings.throwIfAny();
  return config;
}

/** The settings for commands that only use the database. Throws ConfigError with all problems. */
export function toBookingConfig(env: Environment): BookingConfig {
  const settings = new Settings(env);
  const config = bookingPart(settings);
  settings.throwIfAny();
  return config;
}

function bookingPart(settings: Settings): Required<BookingConfig> {
  const adapter = settings.text('BOOKING_ADAPTER') ?? '';
  try {
    adapterFolder(adapter);
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    settings.problem('BOOKING_ADAPTER', `${error.message} ${error.hint ?? ''}`);
  }
  const timezone = settings.text('BOOKING_TIMEZONE') ?? '';
  if (!isTimezone(timezone))
    settings.problem(
      'BOOKING_TIMEZONE',
      `${shown(timezone)} is not an IANA time zone; write for example Europe/Oslo`,
    );
  return {
    database: { url: databaseUrl(settings), ssl: databaseSsl(settings) },
    adapter,
    timezone,
    appearance: {
      privacy: settings.oneOf('PRIVACY', privacies),
      titleTemplate: template(settings),
      tentativePrefix: prefix(settings),
    },
    startMode: settings.oneOf('START_MODE', ['sync', 'plan', 'shadow']),
    wake: settings.oneOf('WAKE', ['adaptive', 'notify', 'poll']),
    logLevel: settings.oneOf('LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  };
}

function template(settings: Settings): string {
  const value = settings.text('TITLE_TEMPLATE') ?? '';
  const problem = templateProblem(value);
  if (problem !== null) settings.problem('TITLE_TEMPLATE', problem);
  return value;
}

function prefix(settings: Settings): string {
  const value = settings.text('TENTATIVE_PREFIX') ?? '';
  if (value.length > 40 || /[\p{Cc}{}]/u.test(value))
    settings.problem(
      'TENTATIVE_PREFIX',
      'is not a valid prefix (at most 40 characters, without braces); write for example Foreløpig: or none',
    );
  return value;
}

function databaseUrl(settings: Settings): string {
  const whole_ = settings.text('DATABASE_URL');
  if (whole_ !== null) {
    if (!/^postgres(ql)?:\/\//.test(whole_) || !URL.canParse(whole_))
      settings.problem(
        'DATABASE_URL',
        'is not a postgresql:// URL; write postgresql://user:password@host:5432/database',
      );
    else return databaseUrlOf(whole_, settings);
    return whole_;
  }
  for (const name of ['DB_HOST', 'DB_NAME', 'DB_USER'] as const)
    if (settings.text(name) === null)
      settings.problem(name, 'is missing; set it, or DATABASE_URL for all of them');
  const made = new URL('postgresql://localhost');
  const host = settings.text('DB_HOST') ?? '';
  const port = settings.whole('DB_PORT', 1, 65_535);
  if (host.startsWith('/')) made.searchParams.set('host', host);
  else {
    made.hostname = isIP(host) === 6 ? `[${host}]` : host;
    // the setter ignores invalid values
    if (host !== '' && !sameText(made.hostname.replace(/^\[|\]$/g, ''), host.replace(/^\[|\]$/g, '')))
      settings.problem(
        'DB_HOST',
        `${shown(host)} is not a host name or address; write for example db.example.org, with the port in DB_PORT, or set DATABASE_URL`,
      );
  }
  made.port = String(port);
  const database = settings.text('DB_NAME') ?? '';
  made.pathname = `/${encodeURIComponent(database)}`;
  if (!sameText(made.pathname.slice(1), encodeURIComponent(database)))
    settings.problem('DB_NAME', `${shown(database)} is not a database name; write for example portico`);
  made.username = encodeURIComponent(settings.text('DB_USER') ?? '');
  made.password = encodeURIComponent(settings.text('DB_PASS') ?? '');
  return made.href;
}

const sameText = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/** Parameters of DATABASE_URL that are refused, with the reason: pg would prefer them to our settings. */
const refusedParameters: Readonly<Record<string, string>> = {
  options: 'the session settings are fixed; use ALTER ROLE … SET instead',
  sslrootcert: 'set DB_SSL=on and DB_SSL_CA instead',
  sslcert: 'client certificates are not supported',
  sslkey: 'client certificates are not supported',
};
const encrypting = /^(require|verify-ca|verify-full|no-verify|true|1)$/;

/** The URL with its address and login parameters only, because pg would prefer other parameters to our settings. */
function databaseUrlOf(value: string, settings: Settings): string {
  const made = new URL(value);
  const given = new Map(made.searchParams);
  for (const [name, reason] of Object.entries(refusedParameters))
    if (given.has(name)) settings.problem('DATABASE_URL', `has the parameter ${name}: ${reason}`);
  const mode = given.get('sslmode') ?? given.get('ssl') ?? '';
  if (encrypting.test(mode) && (settings.text('DB_SSL') ?? 'off').toLowerCase() === 'off')
    settings.problem(
      'DATABASE_URL',
      'requires TLS while DB_SSL is off; set DB_SSL=on, or no-verify if the certificate cannot be verified',
    );
  for (const name of given.keys())
    if (!['host', 'port', 'user', 'password', 'database'].includes(name)) made.searchParams.delete(name);
  return made.href;
}

function databaseSsl(settings: Settings): DatabaseConfig['ssl'] {
  const caFile = settings.text('DB_SSL_CA');
  const mode = settings.oneOf('DB_SSL', ['off', 'on', 'no-verify']);
  if (caFile !== null && !existsSync(caFile))
    settings.problem('DB_SSL_CA', `the file ${shownFile(caFile)} does not exist`);
  if (mode === 'off') {
    if (caFile !== null) settings.problem('DB_SSL_CA', 'is set while DB_SSL is off; set DB_SSL=on');
    return false;
  }
  return { rejectUnauthorized: mode === 'on', ...(caFile === null ? {} : { caFile }) };
}

/** A GUID or a domain name; 'common' and similar values do not work for application permissions. */
const tenantShape =
  /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*)$/i;

function graphPart(settings: Settings): GraphConfig {
  for (const name of ['GRAPH_TENANT_ID', 'GRAPH_CLIENT_ID'] as const)
    if (settings.text(name) === null)
      settings.problem(name, 'is missing; it is shown on the overview page of the app registration');
  const tenantId = settings.text('GRAPH_TENANT_ID') ?? '';
  if (tenantId !== '' && !tenantShape.test(tenantId))
    settings.problem(
      'GRAPH_TENANT_ID',
      `${shown(tenantId)} is not a directory (tenant) id; write the GUID on the app's overview page, or a domain of the tenant such as example.onmicrosoft.com`,
    );
  const secret = settings.text('GRAPH_CLIENT_SECRET');
  const certificateFile = settings.text('GRAPH_CLIENT_CERTIFICATE');
  if (secret === null && certificateFile === null)
    settings.problem(
      'GRAPH_CLIENT_SECRET',
      'is missing; set it, or set GRAPH_CLIENT_CERTIFICATE to a PEM file with key and certificate',
    );
  if (secret !== null && certificateFile !== null)
    settings.problem(
      'GRAPH_CLIENT_CERTIFICATE',
      'is set in addition to GRAPH_CLIENT_SECRET; keep one of the two',
    );
  if (certificateFile !== null && !existsSync(certificateFile))
    settings.problem('GRAPH_CLIENT_CERTIFICATE', `the file ${shownFile(certificateFile)} does not exist`);
  const proxy = settings.url('HTTPS_PROXY');
  return {
    tenantId,
    clientId: settings.text('GRAPH_CLIENT_ID') ?? '',
    credential: certificateFile === null ? { secret: secret ?? '' } : { certificateFile },
    baseUrl: settings.url('GRAPH_BASE_URL') ?? '',
    authority: settings.url('GRAPH_AUTHORITY') ?? '',
    proxy: proxy === null ? null : { url: proxy, except: settings.text('NO_PROXY') ?? '' },
  };
}

function httpPart(settings: Settings): HttpConfig {
  const keys = apiKeys(settings);
  return {
    host: settings.text('HOST') ?? (keys.length === 0 ? '127.0.0.1' : '0.0.0.0'),
    port: settings.whole('PORT', 0, 65_535),
    keys,
    userHeader: userHeader(settings, keys),
  };
}

const keysMost = 100;

function apiKeys(settings: Settings): ApiKey[] {
  const owners = new Map<string, string>();
  const keys = Object.entries(settings.env).flatMap(([variable, value = '']): ApiKey[] => {
    if (!/^API_KEY(_|$)/.test(variable) || value === '') return [];
    const key = value.trim();
    const name = variable === 'API_KEY' ? null : variable.slice('API_KEY_'.length);
    const problem = keyProblem(name, key, owners.get(key));
    owners.set(key, variable);
    if (problem !== null) settings.problem(variable, problem);
    return problem === null ? [{ name, key, readOnly: /^READ_/i.test(name ?? '') }] : [];
  });
  if (keys.length > keysMost)
    settings.problem('API_KEY', `there are ${keys.length} keys; ${keysMost} at most`);
  return keys;
}

/** The problem of a key, or null. `owner`: another variable with the same key. */
function keyProblem(name: string | null, key: string, owner: string | undefined): string | null {
  if (name !== null && (!/^\w{1,60}$/.test(name) || /^(READ)?_*$/i.test(name)))
    return 'has no name; write API_KEY_ANNA or, for a key that only reads, API_KEY_READ_ANNA (letters, digits, _)';
  // container images commonly read NAME_FILE as the path of a secret; here the path itself would be the key
  if (/^FILE$/i.test(name ?? '')) return 'is not read as a file; write the key itself, under another name';
  if (key === '') return 'is blank; write a key, or remove the variable';
  return owner === undefined
    ? null
    : `is the same key as ${owner}; use a different key for each, so that callers can be distinguished`;
}

/** Headers with secrets, which must not be used as a name because names are logged. */
const secretHeaders: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'x-api-key',
  'proxy-authorization',
]);

function userHeader(settings: Settings, keys: readonly ApiKey[]): string | null {
  const header = settings.text('TRUSTED_USER_HEADER')?.toLowerCase() ?? null;
  if (header === null) return null;
  if (!/^[a-z0-9-]{1,60}$/.test(header) || secretHeaders.has(header))
    settings.problem(
      'TRUSTED_USER_HEADER',
      `${shown(header)} is not a header with a user name; write for example X-Forwarded-User`,
    );
  else if (keys.length === 0)
    settings.problem(
      'TRUSTED_USER_HEADER',
      'is set without a key; the header only names the user, so set API_KEY and let the proxy send it as X-API-Key',
    );
  return header;
}

function isTimezone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return /^[A-Za-z]/.test(zone);
  } catch {
    // Intl reports unknown zones only by throwing
    return false;
  }
}
