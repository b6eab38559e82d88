/** The command line as people use it: its settings in the environment, its words on the pipes, its exit code. */
import { execFile, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { clockShim } from '../../src/environment.ts';
import type { Environment } from '../../src/settings.ts';
import { startTenant, type Tenant } from '../../src/sandbox/tenant/tenant.ts';
import { openTestDatabase, type Schema, type TestDatabase } from '../support/database.ts';
import { environmentOf } from '../support/settings.ts';

const compiled = fileURLToPath(new URL('../../node_modules/.cache/outlook-booking-sync', import.meta.url));
export const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Whatever command is run: no `.env` is in this folder. */
const folder = fileURLToPath(new URL('.', import.meta.url));
const environmentFor = (env: Environment) => ({
  PATH: process.env['PATH'],
  NO_COLOR: '1',
  LOG_LEVEL: 'silent',
  ...clockShim(),
  ...env,
});

export interface ToRun {
  readonly args: readonly string[];
  readonly env: Environment;
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Said extends Ran {
  /** What was printed, as JSON. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each command has its own shape; the tests say which
  json(): any;
}

/** Runs one command to its end, in a process of its own. */
export function cli(env: Environment, ...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      {
        cwd: folder,
        env: environmentFor(env),
        maxBuffer: 20_000_000,
      },
      (_error, out, err) => resolve(said({ code: child.exitCode ?? -1, out, err })),
    );
  });
}

const said = (ran: Ran): Said => ({ ...ran, json: () => JSON.parse(ran.out) as unknown });

/** Processes of `command.child.ts` that run nothing at the moment. */
const idle: ChildProcess[] = [];

/** Runs one command to its end, in a process that runs many: most of the cost of a command is the start of its process. */
export async function runCommand(env: Environment, ...args: readonly string[]): Promise<Said> {
  const child = idle.pop() ?? (await startChild());
  const ended = new AbortController();
  const fail = () => ended.abort(new Error(`the process of '${args.join(' ')}' ended`));
  child.once('exit', fail);
  try {
    child.send({ args, env: environmentFor(env) } satisfies ToRun);
    const [ran] = (await once(child, 'message', { signal: ended.signal })) as [Ran];
    idle.push(child);
    return said(ran);
  } finally {
    child.off('exit', fail);
  }
}

async function startChild(): Promise<ChildProcess> {
  const child = fork(new URL('./command.child.ts', import.meta.url), [main], {
    cwd: folder,
    env: environmentFor({ NODE_COMPILE_CACHE: compiled }),
    execArgv: [],
  });
  await once(child, 'message');
  // it keeps no worker of the tests alive
  child.unref();
  child.channel?.unref();
  return child;
}

/** Resource of the seed → its room. */
export const rooms: Readonly<Record<number, { readonly upn: string; readonly name: string }>> = {
  101: { upn: 'formannskapssalen@bergen.example', name: 'Formannskapssalen' },
  102: { upn: 'bystyresalen@bergen.example', name: 'Bystyresalen' },
  103: { upn: 'floyen@bergen.example', name: 'Møterom Fløyen' },
};

/** A booking database, a tenant with rooms, and the environment that names both. */
export async function openOffice(schema: Schema = 'bridge') {
  await using opened = new AsyncDisposableStack();
  const db: TestDatabase = opened.use(await openTestDatabase({ schema }));
  const tenant: Tenant = opened.use(await startTenant({ rooms: Object.values(rooms) }));
  const { LOG_LEVEL: _level, ...env } = environmentOf(db, tenant);
  const owned = opened.move();
  return {
    db,
    tenant,
    env,
    run: (...args: readonly string[]) => runCommand(env, ...args),
    map: (resource: number) =>
      db.query(
        'INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name) VALUES ($1, $2, $3)',
        [resource, rooms[resource]!.upn, rooms[resource]!.name],
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
