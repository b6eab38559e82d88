/** `npm run demo` as somebody runs it who has just cloned the repository: a child process, its output, its traces. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';

const repository = join(import.meta.dirname, '..', '..');
/** An ordinary user that every system has. */
const nobody = 65_534;

interface Demo extends AsyncDisposable {
  readonly output: () => string;
  /** Resolves when the output contains this text. Rejects when the demo ends without it. */
  shows(text: string): Promise<void>;
  /** To the whole group, as a terminal does it. */
  signal(name: NodeJS.Signals): void;
  /** The exit code, or the signal that ended npm. */
  readonly ended: Promise<number | string>;
  /** Resolves when no process and no folder of the demo is there any more; rejects after 20 s. */
  gone(): Promise<void>;
}

async function startDemo(args: readonly string[], asUser?: number): Promise<Demo> {
  // all that the demo writes goes into this folder, and its processes bear its name
  const folder = await mkdtemp(join(tmpdir(), 'bridge-demo-test-'));
  await chmod(folder, 0o1777); // as /tmp is: root lends its PostgreSQL to another user
  const child = spawn('npm', ['run', 'demo', '--', ...args], {
    cwd: repository,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder, HOME: folder, npm_config_cache: join(folder, '.npm') },
    ...(asUser === undefined ? {} : { uid: asUser, gid: asUser }),
  });
  let output = '';
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const look of watchers) look();
    });
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => code ?? signal!);
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, name);
    } catch {
      // nobody is left in the group
    }
  };
  return {
    output: () => output,
    signal,
    ended,
    shows: (text) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => output.includes(text) && resolve();
      watchers.add(look);
      look();
      void ended.then(() => reject(new Error(`it ended without '${text}':\n${output}`)));
      return promise;
    },
    async gone() {
      const left = async () => [
        // npm keeps caches of its own there
        ...(await readdir(folder)).filter((name) => name.startsWith('bridge-')),
        ...(await processesNaming(folder)),
      ];
      for (const givesUpAt = performance.now() + 20_000; (await left()).length > 0; await pause(50))
        if (performance.now() > givesUpAt) throw new Error(`still there: ${(await left()).join('\n')}`);
    },
    async [Symbol.asyncDispose]() {
      signal('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

/** Command lines that contain this text; none where there is no /proc. */
async function processesNaming(text: string): Promise<string[]> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(text));
}

const canBeNobody = () =>
  process.getuid?.() === 0 &&
  spawnSync(process.execPath, [join(repository, 'src/main.ts'), 'help'], { uid: nobody, gid: nobody })
    .status === 0;

async function expectAWholeDay(demo: Demo): Promise<void> {
  expect(await demo.ended).toBe(0);
  const text = demo.output();
  expect(text).toMatch(/they are in Outlook after \d+ ms, as \d+ events/);
  expect(text).toMatch(/look {3}http:\/\/127\.0\.0\.1:\d+ {3}the dashboard/);
  expect(text).toMatch(/play {3}psql postgresql:\/\//);
  // on a busy machine a short day has few turns: whatever was done first, on each side
  expect(text).toMatch(/\w+ +«.+» .+ → {2}Outlook +[\d.]+ ms/);
  expect(text).toMatch(/\w+ +«.+» .+ ← {2}Outlook +[\d.]+ ms/);
  expect(text).toMatch(/\d+ changes?, all on the other side; .*p50 .+; both sides equal: yes/);
  expect(text).toContain('Nothing is left behind');
  expect(text, 'no colours outside a terminal').not.toContain('\u001b[');
  await demo.gone();
}

test(
  'it shows changes that arrive, ends by itself with 0, and leaves nothing',
  { timeout: 90_000 },
  async () => {
    await using demo = await startDemo(['--seconds', '5', '--port', '0']);
    await expectAWholeDay(demo);
  },
);

test('an ordinary user can run it', { timeout: 90_000 }, async ({ skip }) => {
  // without being root we are one, and the test above has shown it
  if (!canBeNobody()) skip();
  await using demo = await startDemo(['--seconds', '3', '--port', '0', '--latency', '20'], nobody);
  await expectAWholeDay(demo);
});

for (const moment of [
  'npm has hardly begun',
  'some moment',
  'the tables are there',
  'the daemon runs',
  'the clerk works',
])
  test(`Ctrl-C when ${moment} leaves nothing`, { timeout: 90_000 }, async () => {
    await using demo = await startDemo(['--port', '0']);
    if (moment === 'npm has hardly begun') await demo.shows('main.ts demo');
    else {
      await demo.shows('Ctrl-C ends it');
      if (moment === 'some moment') await pause(2_000 * Math.random());
      if (moment === 'the tables are there') await demo.shows('room mailboxes');
      if (moment === 'the daemon runs') await demo.shows('the daemon, with');
      if (moment === 'the clerk works') await demo.shows('→  Outlook');
    }
    demo.signal('SIGINT');
    // npm tells that its child was interrupted, by the code or by the signal; the demo itself ends with 0
    expect([0, 130, 'SIGINT']).toContain(await demo.ended);
    if (moment !== 'npm has hardly begun') expect(demo.output()).toContain('Nothing is left behind');
    expect(demo.output()).not.toMatch(/Error|\n {4}at /);
    await demo.gone();
  });

for (const [name, told, moment] of [
  ['SIGHUP', 'a terminal that is closed', '→  Outlook'],
  ['SIGKILL', 'a kill in the middle of the work', '→  Outlook'],
  ['SIGKILL', 'a kill in the middle of the start', 'Ctrl-C ends it'],
] as const)
  test(`${told} leaves nothing`, { timeout: 90_000 }, async () => {
    await using demo = await startDemo(['--port', '0']);
    await demo.shows(moment);
    demo.signal(name);
    await demo.ended;
    await demo.gone();
  });

test('a port that is taken is said, and a free one serves', { timeout: 90_000 }, async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  try {
    await using demo = await startDemo(['--port', String(port), '--seconds', '1']);
    expect(await demo.ended).toBe(0);
    expect(demo.output()).toContain(`port ${port} is taken`);
    expect(demo.output()).not.toContain(`http://127.0.0.1:${port}/`);
  } finally {
    other.close();
  }
});

test('wrong words are answered with the right ones', async () => {
  await using demo = await startDemo(['--port', 'eighty']);
  expect(await demo.ended).not.toBe(0);
  expect(demo.output()).toContain("--port is 'eighty'");
});
