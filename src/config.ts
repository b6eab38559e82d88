/**
 * The settings, from environment variables and an optional `.env` file. The only reader of the environment. `toConfig` reports
 * all problems together, each with its variable and the repair. `.env.example` documents every variable; a test compares the
 * two.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { Cron } from 'croner';
import { privacies, templateProblem, type AppearanceSettings } from './appearance.ts';
import { adapterFolder } from './adapter.ts';
import { Invalid, messageOf } from './errors.ts';
import { conflictPolicies, importModes, overlapPolicies, type RoomSettings } from './room-settings.ts';

/** All variables with their defaults. `null`: no default. */
export const variables = {
  DATABASE_URL: null,
  DB_HOST: null,
  DB_PORT: '5432',
  DB_NAME: null,
  DB_USER: null,
  DB_PASS: null,
  DB_SSL: 'off',
  DB_SSL_CA: null,
  GRAPH_TENANT_ID: null,
  GRAPH_CLIENT_ID: null,
  GRAPH_CLIENT_SECRET: null,
  GRAPH_CLIENT_CERTIFICATE: null,
  GRAPH_BASE_URL: 'https://graph.microsoft.com/v1.0',
  GRAPH_AUTHORITY: 'https://login.microsoftonline.com',
  API_KEY: null,
  TRUSTED_USER_HEADER: null,
  HOST: null,
  PORT: '8082',
  WEBHOOK_BASE_URL: null,
  BOOKING_ADAPTER: 'portico',
  BOOKING_TIMEZONE: 'Europe/Oslo',
  SYNC_PAST_DAYS: '7',
  SYNC_FUTURE_DAYS: '365',
  POLL_INTERVAL_SECONDS: null,
  SWEEP_SCHEDULE: '*/10 * * * *',
  MISSING_SCHEDULE: '0 * * * *',
  REPORT_SCHEDULE: '0 8 * * *',
  CONFLICT_POLICY: 'booking',
  OVERLAP_POLICY: 'flag',
  IMPORT_MODE: 'auto',
  FREE_EVENTS: 'ignore',
  PRIVACY: 'neutral',
  TITLE_TEMPLATE: '{title}',
  TENTATIVE_PREFIX: 'Tentative:',
  BRAKE_MAX: '10',
  BRAKE_SHARE: '0.2',
  AUTO_SYNC: 'on',
  START_MODE: 'sync',
  WAKE: 'adaptive',
  ALERT_WEBHOOK_URL: null,
  LOG_RETENTION_DAYS: '90',
  LOG_LEVEL: 'info',
  HTTPS_PROXY: null,
  NO_PROXY: null,
} as const satisfies Record<string, string | null>;

/** Variables that may occur several times, each with its own name. */
export const namedVariables = ['API_KEY_<NAME>', 'API_KEY_READ_<NAME>'] as const;

type Variable = keyof typeof variables;
export type Environment = Readonly<Partial<Record<string, string>>>;
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

/**
 * The process's environment, with the variables of `.env` in the working folder added if that file exists. Throws ConfigError if
 * it cannot be read or has an unquoted # in a value, where Node would cut the value as at a comment.
 */
export function readEnv(file = '.env'): Environment {
  if (!existsSync(file)) return process.env;
  const content = readEnvFile(file);
  const problems = new Problems();
  for (const [, name = ''] of content.matchAll(cutValue))
    if (name in variables || name.startsWith('API_KEY_'))
      problems.add(
        name,
        `has a # without quotes in ${file}, which starts a comment; write ${name}='…', or a space before the comment`,
      );
  problems.throwIfAny();
  for (const [name, value] of Object.entries(parseEnv(content))) process.env[name] ??= value;
  return process.env;
}

/** A line of `.env` whose value has no quotes and a # without a space before it. */
const cutValue = /^[^\S\n]*(?:export[^\S\n]+)?(\w+)[^\S\n]*=(?:#|[^\S\n]*[^\s"'`#](?:[^\n#]*\S)?#)/gm;

function readEnvFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new ConfigError([
      `${file}: cannot be read (${messageOf(error)}); make it a readable file, or remove it`,
    ]);
  }
}

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
  const names = Object.keys(placeholders) as (keyof typeof placeholders)[];
  return names.filter(
    (name) =>
      text(env, name) === placeholders[name] && (name !== 'DB_PASS' || text(env, 'DATABASE_URL') === null),
  );
}

/** The settings for `serve`. Throws ConfigError with all problems. */
export function toConfig(env: Environment): Config {
  const problems = new Problems();
  const booking = bookingPart(env, problems);
  const graph = graphPart(env, problems);
  const webhookBaseUrl = url(env, 'WEBHOOK_BASE_URL', problems);
  const config: Config = {
    ...booking,
    graph,
    http: httpPart(env, problems),
    webhookBaseUrl,
    window: {
      pastDays: whole(env, 'SYNC_PAST_DAYS', 0, 365, problems),
      futureDays: whole(env, 'SYNC_FUTURE_DAYS', 1, 1_400, problems),
    },
    pollSeconds:
      text(env, 'POLL_INTERVAL_SECONDS') === null
        ? webhookBaseUrl === null
          ? 60
          : 900
        : whole(env, 'POLL_INTERVAL_SECONDS', 1, 86_400, problems),
    schedules: {
      sweep: schedule(env, 'SWEEP_SCHEDULE', problems),
      missing: schedule(env, 'MISSING_SCHEDULE', problems),
      report: schedule(env, 'REPORT_SCHEDULE', problems),
    },
    conflictPolicy: oneOf(env, 'CONFLICT_POLICY', conflictPolicies, problems),
    overlapPolicy: oneOf(env, 'OVERLAP_POLICY', overlapPolicies, problems),
    importMode: oneOf(env, 'IMPORT_MODE', importModes, problems),
    freeEvents: oneOf(env, 'FREE_EVENTS', ['ignore', 'all_day', 'import'], problems),
    brake: {
      max: whole(env, 'BRAKE_MAX', 0, 1_000_000, problems),
      share: share(env, 'BRAKE_SHARE', problems),
    },
    autoSync: oneOf(env, 'AUTO_SYNC', ['on', 'off'], problems) === 'on',
    alertWebhookUrl: url(env, 'ALERT_WEBHOOK_URL', problems),
    logRetentionDays: whole(env, 'LOG_RETENTION_DAYS', 0, 36_500, problems),
  };
  problems.throwIfAny();
  return config;
}

/** The settings for commands that only use the database. Throws ConfigError with all problems. */
export function toBookingConfig(env: Environment): BookingConfig {
  const problems = new Problems();
  const config = bookingPart(env, problems);
  problems.throwIfAny();
  return config;
}

/** Invalid settings. `problems`: one text each, with the variable, the problem and the repair. */
export class ConfigError extends Invalid {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      'environment',
      `Missing or invalid settings:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
      'All variables are documented in .env.example.',
    );
    this.problems = problems;
  }
}

class Problems {
  readonly #found: string[] = [];
  add(variable: string, problem: string): void {
    this.#found.push(`${variable}: ${problem}`);
  }
  throwIfAny(): void {
    if (this.#found.length > 0) throw new ConfigError(this.#found);
  }
}

function bookingPart(env: Environment, problems: Problems): Required<BookingConfig> {
  const adapter = text(env, 'BOOKING_ADAPTER') ?? '';
  try {
    adapterFolder(adapter);
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    problems.add('BOOKING_ADAPTER', `${error.message} ${error.hint ?? ''}`);
  }
  const timezone = text(env, 'BOOKING_TIMEZONE') ?? '';
  if (!isTimezone(timezone))
    problems.add(
      'BOOKING_TIMEZONE',
      `${shown(timezone)} is not an IANA time zone; write for example Europe/Oslo`,
    );
  return {
    database: { url: databaseUrl(env, problems), ssl: databaseSsl(env, problems) },
    adapter,
    timezone,
    appearance: {
      privacy: oneOf(env, 'PRIVACY', privacies, problems),
      titleTemplate: template(env, problems),
      tentativePrefix: prefix(env, problems),
    },
    startMode: oneOf(env, 'START_MODE', ['sync', 'plan', 'shadow'], problems),
    wake: oneOf(env, 'WAKE', ['adaptive', 'notify', 'poll'], problems),
    logLevel: oneOf(
      env,
      'LOG_LEVEL',
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      problems,
    ),
  };
}

function template(env: Environment, problems: Problems): string {
  const value = text(env, 'TITLE_TEMPLATE') ?? '';
  const problem = templateProblem(value);
  if (problem !== null) problems.add('TITLE_TEMPLATE', problem);
  return value;
}

function prefix(env: Environment, problems: Problems): string {
  const value = text(env, 'TENTATIVE_PREFIX') ?? '';
  if (value.length > 40 || /[\p{Cc}{}]/u.test(value))
    problems.add(
      'TENTATIVE_PREFIX',
      'is not a valid prefix (at most 40 characters, without braces); write for example Foreløpig: or none',
    );
  return value;
}

function databaseUrl(env: Environment, problems: Problems): string {
  const whole_ = text(env, 'DATABASE_URL');
  if (whole_ !== null) {
    if (!/^postgres(ql)?:\/\//.test(whole_) || !URL.canParse(whole_))
      problems.add(
        'DATABASE_URL',
        'is not a postgresql:// URL; write postgresql://user:password@host:5432/database',
      );
    else return databaseUrlOf(whole_, env, problems);
    return whole_;
  }
  for (const name of ['DB_HOST', 'DB_NAME', 'DB_USER'] as const)
    if (text(env, name) === null) problems.add(name, 'is missing; set it, or DATABASE_URL for all of them');
  const made = new URL('postgresql://localhost');
  const host = text(env, 'DB_HOST') ?? '';
  const port = whole(env, 'DB_PORT', 1, 65_535, problems);
  if (host.startsWith('/')) made.searchParams.set('host', host);
  else {
    made.hostname = isIP(host) === 6 ? `[${host}]` : host;
    // the setter ignores invalid values
    if (host !== '' && !sameText(made.hostname.replace(/^\[|\]$/g, ''), host.replace(/^\[|\]$/g, '')))
      problems.add(
        'DB_HOST',
        `${shown(host)} is not a host name or address; write for example db.example.org, with the port in DB_PORT, or set DATABASE_URL`,
      );
  }
  made.port = String(port);
  const database = text(env, 'DB_NAME') ?? '';
  made.pathname = `/${encodeURIComponent(database)}`;
  if (!sameText(made.pathname.slice(1), encodeURIComponent(database)))
    problems.add('DB_NAME', `${shown(database)} is not a database name; write for example portico`);
  made.username = encodeURIComponent(text(env, 'DB_USER') ?? '');
  made.password = encodeURIComponent(text(env, 'DB_PASS') ?? '');
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
function databaseUrlOf(value: string, env: Environment, problems: Problems): string {
  const made = new URL(value);
  const given = new Map(made.searchParams);
  for (const [name, reason] of Object.entries(refusedParameters))
    if (given.has(name)) problems.add('DATABASE_URL', `has the parameter ${name}: ${reason}`);
  const mode = given.get('sslmode') ?? given.get('ssl') ?? '';
  if (encrypting.test(mode) && (text(env, 'DB_SSL') ?? 'off').toLowerCase() === 'off')
    problems.add(
      'DATABASE_URL',
      'requires TLS while DB_SSL is off; set DB_SSL=on, or no-verify if the certificate cannot be verified',
    );
  for (const name of given.keys())
    if (!['host', 'port', 'user', 'password', 'database'].includes(name)) made.searchParams.delete(name);
  return made.href;
}

function databaseSsl(env: Environment, problems: Problems): DatabaseConfig['ssl'] {
  const caFile = text(env, 'DB_SSL_CA');
  const mode = oneOf(env, 'DB_SSL', ['off', 'on', 'no-verify'], problems);
  if (caFile !== null && !existsSync(caFile))
    problems.add('DB_SSL_CA', `the file ${shownFile(caFile)} does not exist`);
  if (mode === 'off') {
    if (caFile !== null) problems.add('DB_SSL_CA', 'is set while DB_SSL is off; set DB_SSL=on');
    return false;
  }
  return { rejectUnauthorized: mode === 'on', ...(caFile === null ? {} : { caFile }) };
}

/** A GUID or a domain name; 'common' and similar values do not work for application permissions. */
const tenantShape =
  /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*)$/i;

function graphPart(env: Environment, problems: Problems): GraphConfig {
  for (const name of ['GRAPH_TENANT_ID', 'GRAPH_CLIENT_ID'] as const)
    if (text(env, name) === null)
      problems.add(name, 'is missing; it is shown on the overview page of the app registration');
  const tenantId = text(env, 'GRAPH_TENANT_ID') ?? '';
  if (tenantId !== '' && !tenantShape.test(tenantId))
    problems.add(
      'GRAPH_TENANT_ID',
      `${shown(tenantId)} is not a directory (tenant) id; write the GUID on the app's overview page, or a domain of the tenant such as example.onmicrosoft.com`,
    );
  const secret = text(env, 'GRAPH_CLIENT_SECRET');
  const certificateFile = text(env, 'GRAPH_CLIENT_CERTIFICATE');
  if (secret === null && certificateFile === null)
    problems.add(
      'GRAPH_CLIENT_SECRET',
      'is missing; set it, or set GRAPH_CLIENT_CERTIFICATE to a PEM file with key and certificate',
    );
  if (secret !== null && certificateFile !== null)
    problems.add(
      'GRAPH_CLIENT_CERTIFICATE',
      'is set in addition to GRAPH_CLIENT_SECRET; keep one of the two',
    );
  if (certificateFile !== null && !existsSync(certificateFile))
    problems.add('GRAPH_CLIENT_CERTIFICATE', `the file ${shownFile(certificateFile)} does not exist`);
  const proxy = url(env, 'HTTPS_PROXY', problems);
  return {
    tenantId,
    clientId: text(env, 'GRAPH_CLIENT_ID') ?? '',
    credential: certificateFile === null ? { secret: secret ?? '' } : { certificateFile },
    baseUrl: url(env, 'GRAPH_BASE_URL', problems) ?? '',
    authority: url(env, 'GRAPH_AUTHORITY', problems) ?? '',
    proxy: proxy === null ? null : { url: proxy, except: text(env, 'NO_PROXY') ?? '' },
  };
}

function httpPart(env: Environment, problems: Problems): HttpConfig {
  const keys = apiKeys(env, problems);
  return {
    host: text(env, 'HOST') ?? (keys.length === 0 ? '127.0.0.1' : '0.0.0.0'),
    port: whole(env, 'PORT', 0, 65_535, problems),
    keys,
    userHeader: userHeader(env, keys, problems),
  };
}

const keysMost = 100;

function apiKeys(env: Environment, problems: Problems): ApiKey[] {
  const owners = new Map<string, string>();
  const keys = Object.entries(env).flatMap(([variable, value = '']): ApiKey[] => {
    if (!/^API_KEY(_|$)/.test(variable) || value === '') return [];
    const key = value.trim();
    const name = variable === 'API_KEY' ? null : variable.slice('API_KEY_'.length);
    const problem = keyProblem(name, key, owners.get(key));
    owners.set(key, variable);
    if (problem !== null) problems.add(variable, problem);
    return problem === null ? [{ name, key, readOnly: /^READ_/i.test(name ?? '') }] : [];
  });
  if (keys.length > keysMost) problems.add('API_KEY', `there are ${keys.length} keys; ${keysMost} at most`);
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

function userHeader(env: Environment, keys: readonly ApiKey[], problems: Problems): string | null {
  const header = text(env, 'TRUSTED_USER_HEADER')?.toLowerCase() ?? null;
  if (header === null) return null;
  if (!/^[a-z0-9-]{1,60}$/.test(header) || secretHeaders.has(header))
    problems.add(
      'TRUSTED_USER_HEADER',
      `${shown(header)} is not a header with a user name; write for example X-Forwarded-User`,
    );
  else if (keys.length === 0)
    problems.add(
      'TRUSTED_USER_HEADER',
      'is set without a key; the header only names the user, so set API_KEY and let the proxy send it as X-API-Key',
    );
  return header;
}

/** The value of a variable or its default; a blank value counts as unset, as on an empty line `NAME=` of `.env`. */
function text(env: Environment, name: Variable): string | null {
  const value = (env[name] ?? (name.endsWith('_PROXY') ? env[name.toLowerCase()] : undefined))?.trim();
  return value === undefined || value === '' ? variables[name] : value;
}

/** Addresses that may contain secrets: the path of a chat webhook, the password of a proxy. */
const secretAddresses: ReadonlySet<Variable> = new Set(['ALERT_WEBHOOK_URL', 'HTTPS_PROXY']);

/** Addresses to which a path is added. */
const baseAddresses: ReadonlySet<Variable> = new Set([
  'WEBHOOK_BASE_URL',
  'GRAPH_BASE_URL',
  'GRAPH_AUTHORITY',
]);

function url(env: Environment, name: Variable, problems: Problems): string | null {
  const value = text(env, name);
  if (value === null) return null;
  const quoted = secretAddresses.has(name) ? notShown : shown(value);
  if (!z.url({ protocol: /^https?$/ }).safeParse(value).success && !isLoopbackUrl(value))
    problems.add(name, `${quoted} is not an http(s) address; write for example ${exampleOf(name)}`);
  else if (name === 'WEBHOOK_BASE_URL' && value.startsWith('http:') && !isLoopbackUrl(value))
    problems.add(name, `${quoted} is not encrypted, and Microsoft requires https; write https://`);
  return baseAddresses.has(name) ? value.replace(/\/+$/, '') : value;
}

const exampleOf = (name: Variable): string =>
  name === 'HTTPS_PROXY' ? 'http://proxy.example.org:3128' : (variables[name] ?? 'https://sync.example.org');

/** The path of a file for a message; hidden if it may be the content of the file instead. */
const shownFile = (value: string): string => (/^[^@~\n\\]{1,200}$/.test(value) ? `'${value}'` : notShown);

const notShown = 'its value (not shown because it may be a secret)';

/**
 * A value for a message. Messages end in logs and tickets, and a value of the wrong variable may be a password, so only words,
 * addresses without a user, paths and schedules are quoted. A client secret of Entra has 40 characters.
 */
const shown = (value: string): string =>
  /^[\w ./:*,+#{}[\]-]{0,39}$/.test(value) || /^\w+:\/\/[\w.:/[\]-]{1,200}$/.test(value)
    ? `'${value}'`
    : notShown;

/** Whether the host of a URL is this machine: localhost, 127.0.0.0/8 or [::1]. */
export function isLoopbackUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { hostname } = new URL(value);
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

function schedule(env: Environment, name: Variable, problems: Problems): string {
  const expression = text(env, name) ?? '';
  try {
    new Cron(expression, { paused: true }).stop();
    if (expression.split(/\s+/).length < 5) throw new Error('it has fewer than five fields');
  } catch (error) {
    problems.add(
      name,
      `${shown(expression)} is not a cron expression${shown(expression) === notShown ? '' : ` (${messageOf(error)})`}; write for example ${variables[name]}`,
    );
  }
  return expression;
}

function whole(env: Environment, name: Variable, least: number, most: number, problems: Problems): number {
  const value = Number(text(env, name));
  if (!Number.isInteger(value) || value < least || value > most)
    problems.add(name, `${shown(text(env, name) ?? '')} is not a whole number from ${least} to ${most}`);
  return value;
}

function share(env: Environment, name: Variable, problems: Problems): number {
  const value = Number(text(env, name));
  if (!(value >= 0 && value <= 1))
    problems.add(name, `${shown(text(env, name) ?? '')} is not a number from 0 to 1; write for example 0.2`);
  return value;
}

function oneOf<const Choice extends string>(
  env: Environment,
  name: Variable,
  choices: readonly Choice[],
  problems: Problems,
): Choice {
  const value = text(env, name)?.toLowerCase();
  const found = choices.find((choice) => choice === value);
  if (found === undefined) problems.add(name, `${shown(value ?? '')} is not one of ${choices.join(', ')}`);
  return found ?? choices[0]!;
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

/** The npm script that started this process (`npx` for npx, null: neither npm nor npx), and the search path for programs. */
export const startedBy = (): { readonly npmScript: string | null; readonly path: string } => ({
  npmScript: process.env['npm_lifecycle_event'] ?? null,
  path: process.env['PATH'] ?? '',
});

/**
 * The environment variables of libfaketime, for child processes with their own environment: daemon and database must have the
 * same date. Empty without libfaketime.
 */
export const clockShim = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value = '']) =>
      name === 'LD_PRELOAD' || name.startsWith('FAKETIME') ? [[name, value]] : [],
    ),
  );
