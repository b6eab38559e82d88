/** What the command line says to wrong words and settings, and its exit codes. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { clockShim } from '../../src/environment.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { openTestDatabase } from '../support/database.ts';
import { cli, main, openOffice } from './command-line.ts';

test.each([
  [['serve', '--nonsense'], "unknown option '--nonsense'", '--help'],
  [['serve', 'now'], 'too many arguments', '--help'],
  [['--nonsense'], "unknown option '--nonsense'", '--help'],
  [['migrat'], "unknown command 'migrat'", 'Did you mean migrate?'],
  [['mappings', 'lst'], "unknown command 'lst'", 'Did you mean list?'],
  [['doctor', '--wrte'], "unknown option '--wrte'", 'Did you mean --write?'],
  [['pause'], "missing required argument 'resource'", '--help'],
])('%s is an error that names the repair', async (args, problem, repair) => {
  const said = await cli({}, ...args);
  expect(said.code).toBe(64);
  expect(said.err).toContain(problem);
  expect(said.err).toContain(repair);
  expect(said.out).toBe('');
});

test.each([
  [['--help']],
  [['help', 'doctor']],
  ...[
    'serve',
    'migrate',
    'demo',
    'doctor',
    'search',
    'explain',
    'pause',
    'resume',
    'resync',
    'report',
    'adopt',
  ].map((command) => [[command, '--help']]),
  [['adapter', 'check', '--help']],
  ...['list', 'add', 'remove', 'import', 'match'].map((command) => [['mappings', command, '--help']]),
])('%s explains and ends with 0, without any settings', async (args) => {
  const said = await cli({}, ...args);
  expect(said.code).toBe(0);
  expect(said.out).toMatch(/^Usage: outlook-booking-sync /);
});

test.each(['--version', '-V'])('%s tells the version of the package', async (option) => {
  const said = await cli({}, option);
  expect({ code: said.code, out: said.out }).toEqual({ code: 0, out: `${packageJson.version}\n` });
});

test('wrong settings are all named, and a script gets them as JSON', async () => {
  const said = await cli({ BOOKING_ADAPTER: 'nowhere', DB_PORT: 'x' }, 'report', '--json');
  expect(said.code).toBe(64);
  expect(said.json()).toMatchObject({ success: false, hint: expect.stringContaining('.env.example') });
  for (const name of ['DB_HOST', 'DB_PORT', 'BOOKING_ADAPTER']) expect(said.err).toContain(`${name}:`);
});

test.each(['mappings list', 'migrate', 'adopt', 'adapter new ./never', 'adapter check', 'plan'])(
  'to %s a database that is away is an error that may go by, with the settings to check',
  async (line) => {
    const app = {
      GRAPH_TENANT_ID: randomUUID(),
      GRAPH_CLIENT_ID: randomUUID(),
      GRAPH_CLIENT_SECRET: 'secret',
    };
    const said = await cli({ ...app, DATABASE_URL: 'postgresql://u:p@127.0.0.1:1/x' }, ...line.split(' '));
    expect(said.code).toBe(75);
    expect(said.err).toContain('ECONNREFUSED');
    expect(said.err).toContain('Check DB_HOST and DB_PORT');
  },
);

test('a database that does not exist is an error that names its setting', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const url = new URL(db.url);
  url.pathname = '/never';
  const said = await cli({ DATABASE_URL: url.href }, 'migrate');
  expect(said.code).toBe(75);
  expect(said.err).toContain('Check DB_NAME');
});

test('a database without the bridge is told what to run', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const said = await cli({ DATABASE_URL: db.url }, 'report');
  expect(said.code).toBe(1);
  expect(said.err).toContain('src/main.ts migrate');
});

test.each([
  ['BOOKING_TIMEZONE', 'Europe/London'],
  ['BOOKING_ADAPTER', 'mrbs'],
])('serve refuses to run with another %s than the database was set up with', async (name, value) => {
  await using office = await openOffice();
  const said = await cli({ ...office.env, [name]: value }, 'serve');
  expect(said.code).toBe(64);
  expect(said.err).toContain(`${name} is '${value}', but this database was set up with`);
  expect(said.err).toContain(`UPDATE bridge_settings SET value = '${value}'`);
});

test('a reader who has seen enough, as in `… | head -1`, is no crash', async () => {
  const child = spawn(process.execPath, [main, 'doctor'], { cwd: import.meta.dirname, env: {} });
  child.stdout.destroy();
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect(err).toBe('');
  expect(code).toBe(1);
});

test('a Node that is too old is told in one line which one it takes', async () => {
  const older = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '22.18.0' } })`;
  const child = spawn(process.execPath, ['--import', older, main, 'doctor'], { env: {} });
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect(err).toMatch(/^outlook-booking-sync needs Node 24; .*npx node src\/main\.ts.*\n$/);
  expect(code).toBe(64);
});

test.skipIf(process.platform !== 'linux').each([
  { started: 'as documented', flags: [], arenas: undefined },
  {
    started: 'with the flags of the heap',
    flags: ['--max-semi-space-size=2', '--heap-growing-percent=20'],
    arenas: undefined,
  },
  { started: 'with a limit of its own', flags: [], arenas: '2' },
])('serve keeps its memory small, in the same process: started $started', async ({ flags, arenas }) => {
  await using office = await openOffice();
  const child = spawn(process.execPath, [...flags, main], {
    env: {
      PATH: process.env['PATH'],
      ...clockShim(),
      ...office.env,
      PORT: '0',
      LOG_LEVEL: 'info',
      ...(arenas !== undefined && { MALLOC_ARENA_MAX: arenas }),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const of = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8').split('\0');
  expect(of('cmdline')).toContain('--max-semi-space-size=2');
  expect(of('environ')).toContain(`MALLOC_ARENA_MAX=${arenas ?? '1'}`);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test.skipIf(process.platform !== 'linux')(
  'serve keeps nothing in memory of what strips types: the first start begins anew once that is done, a later one need not',
  async () => {
    await using office = await openOffice();
    await using folder = await mkdtempDisposable(join(tmpdir(), 'compiled-'));
    const startsAnew = async () => {
      const child = spawn(process.execPath, [main], {
        env: {
          PATH: process.env['PATH'],
          ...clockShim(),
          ...office.env,
          PORT: '0',
          NODE_COMPILE_CACHE: folder.path,
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      const environment = readFileSync(`/proc/${child.pid}/environ`, 'utf8').split('\0');
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([0, null]);
      return environment.includes('OUTLOOK_BOOKING_SYNC_COMPILED=1');
    };
    expect([await startsAnew(), await startsAnew()]).toEqual([true, false]);
  },
);

test.each(['doctor', 'plan'])(
  '%s that is stopped before it is done says so, and does not end as if it were',
  async (command) => {
    await using office = await openOffice();
    await office.map(101);
    office.tenant.faults.add({
      match: { mailbox: 'formannskapssalen@bergen.example' },
      action: { do: 'hang' },
    });
    const child = spawn(process.execPath, [main, command], {
      env: { PATH: process.env['PATH'], NO_COLOR: '1', ...clockShim(), ...office.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said = text(child.stderr);
    await office.tenant.until((entry) => entry.lost);
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(1);
    expect(await said).toContain('stopped before its end');
  },
);

test('a command whose reader ends says that, and not that it was stopped', async () => {
  await using office = await openOffice();
  await office.map(101);
  const child = spawn(process.execPath, [main, 'doctor'], {
    env: { PATH: process.env['PATH'], NO_COLOR: '1', ...clockShim(), ...office.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = text(child.stderr);
  child.stdout.destroy();
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(1);
  expect(await said).toMatch(
    /^The command ended early because its output cannot be written \(.*EPIPE\)\.\n$/,
  );
});
