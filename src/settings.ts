/**
 * The variables of the environment with their defaults, and how their values are read: a problem is collected with its variable and
 * the repair, and all are reported together.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { Cron } from 'croner';
import { Invalid, messageOf } from './errors.ts';

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

/** The variables of an environment. A reader notes a problem with its variable, and returns a value with which the others can be read. */
export class Settings {
  readonly env: Environment;
  readonly #problems: string[] = [];

  constructor(env: Environment) {
    this.env = env;
  }

  /** Notes a problem of a variable: a text that follows its name and ends with the repair. */
  problem(variable: string, problem: string): void {
    this.#problems.push(`${variable}: ${problem}`);
  }

  /** Throws ConfigError with all problems. */
  throwIfAny(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
  }

  /** The value of a variable or its default; a blank value counts as unset, as on an empty line `NAME=` of `.env`. */
  text(name: Variable): string | null {
    const given = this.env[name] ?? (name.endsWith('_PROXY') ? this.env[name.toLowerCase()] : undefined);
    const value = given?.trim();
    return value === undefined || value === '' ? variables[name] : value;
  }

  whole(name: Variable, least: number, most: number): number {
    const text = this.text(name) ?? '';
    const value = Number(text);
    // not 1e3 or 0x10, which Number reads, too
    if (!/^\d+$/.test(text) || value < least || value > most)
      this.problem(name, `${this.#shown(name)} is not a whole number from ${least} to ${most}`);
    return value;
  }

  /** A number from 0 to 1. */
  share(name: Variable): number {
    const text = this.text(name) ?? '';
    const value = Number(text);
    if (!/^\d*\.?\d+$/.test(text) || value > 1)
      this.problem(name, `${this.#shown(name)} is not a number from 0 to 1; write for example 0.2`);
    return value;
  }

  oneOf<const Choice extends string>(name: Variable, choices: readonly Choice[]): Choice {
    const value = this.text(name)?.toLowerCase();
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.problem(name, `${shown(value ?? '')} is not one of ${choices.join(', ')}`);
    return found ?? choices[0]!;
  }

  /** An http or https address; one to which a path is added has no slash at its end. */
  url(name: Variable): string | null {
    const value = this.text(name);
    if (value === null) return null;
    const quoted = secretAddresses.has(name) ? notShown : shown(value);
    if (!z.url({ protocol: /^https?$/ }).safeParse(value).success && !isLoopbackUrl(value))
      this.problem(name, `${quoted} is not an http(s) address; write for example ${exampleOf(name)}`);
    else if (name === 'WEBHOOK_BASE_URL' && value.startsWith('http:') && !isLoopbackUrl(value))
      this.problem(name, `${quoted} is not encrypted, and Microsoft requires https; write https://`);
    return baseAddresses.has(name) ? value.replace(/\/+$/, '') : value;
  }

  /** A cron expression. */
  schedule(name: Variable): string {
    const expression = this.text(name) ?? '';
    try {
      new Cron(expression, { paused: true }).stop();
      if (expression.split(/\s+/).length < 5) throw new Error('it has fewer than five fields');
    } catch (error) {
      const quoted = shown(expression);
      const reason = quoted === notShown ? '' : ` (${messageOf(error)})`;
      this.problem(name, `${quoted} is not a cron expression${reason}; write for example ${variables[name]}`);
    }
    return expression;
  }

  #shown(name: Variable): string {
    return shown(this.text(name) ?? '');
  }
}

/** Addresses that may contain secrets: the path of a chat webhook, the password of a proxy. */
const secretAddresses: ReadonlySet<Variable> = new Set(['ALERT_WEBHOOK_URL', 'HTTPS_PROXY']);

/** Addresses to which a path is added. */
const baseAddresses: ReadonlySet<Variable> = new Set([
  'WEBHOOK_BASE_URL',
  'GRAPH_BASE_URL',
  'GRAPH_AUTHORITY',
]);

const exampleOf = (name: Variable): string =>
  name === 'HTTPS_PROXY' ? 'http://proxy.example.org:3128' : (variables[name] ?? 'https://sync.example.org');

/** The path of a file for a message; hidden if it may be the content of the file instead. */
export const shownFile = (value: string): string =>
  /^[^@~\n\\]{1,200}$/.test(value) ? `'${value}'` : notShown;

const notShown = 'its value (not shown because it may be a secret)';

/**
 * A value for a message. Messages end in logs and tickets, and a value of the wrong variable may be a password, so only words,
 * addresses without a user, paths and schedules are quoted. A client secret of Entra has 40 characters.
 */
export const shown = (value: string): string =>
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
