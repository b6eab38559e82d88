/** `npm run demo` as a user runs it who has just cloned the repository: a child process, its output, its traces. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { repository, startDemo, type Demo } from './demo-process.ts';

/** An ordinary user that every system has. */
const nobody = 65_534;

const canBeNobody = () =>
  process.getuid?.() === 0 &&
  spawnSync(process.execPath, [join(repository, 'src/main.ts'), 'help'], { uid: nobody, gid: nobody })
    .status === 0;

async function expectAWholeDay(demo: Demo): Promise<void> {
  expect(await demo.ended).toBe(0);
  const text = demo.output();
  expect(text).toMatch(/reservations are in Outlook after \d+ ms, as \d+ events/);
  expect(text).toMatch(/open {3}http:\/\/127\.0\.0\.1:\d+ {3}the dashboard/);
  expect(text).toContain('npm run demo -- --sql "UPDATE bb_event');
  expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  // on a busy machine a short day has few turns: whatever was done first, on each side
  expect(text).toMatch(/\w+ +«.+» .+ → +[\d.]+ m?s/);
  expect(text).toMatch(/\w+ +«.+» .+ ← +[\d.]+ m?s/);
  expect(text).toMatch(/\d+ changes?, all on the other side; both sides equal: yes/);
  expect(text).toContain('Nothing is left behind');
  expect(text, 'no keys outside a terminal').not.toContain('keys');
  expect(text, 'no colours outside a terminal').not.toContain('\u001b[');
  await demo.gone();
}

test(
  'it shows changes that arrive, ends by itself with 0, and leaves nothing',
  { timeout: 90_000 },
  async () => {
    await using demo = await startDemo(['--seconds', '5', '--port', '0']);
    await expectAWholeDay(demo);
    expect(inShort(demo.output()), 'the beginning is as the README shows it').toContain(
      inShort(readFileSync(join(repository, 'README.md'), 'utf8').match(/```\n(A small[^]+?)\n\n\d\d:/)![1]!),
    );
  },
);

/** Without figures and addresses, and without the line that is there only where psql is. */
const inShort = (text: string) =>
  text
    .replace(/^ *psql .*\n/m, '')
    .replace(/ +--port \d+/g, '')
    .replace(/[\d.]+/g, '0')
    .replace(/^ +(?=0 s)/gm, '');

test('an ordinary user can run it', { timeout: 90_000 }, async ({ skip }) => {
  // without being root we are one, and the test above has shown it
  if (!canBeNobody()) skip();
  await using demo = await startDemo(['--seconds', '3', '--port', '0', '--latency', '20'], nobody);
  await expectAWholeDay(demo);
});

/** Another one for another `SEED`. */
const someMs = 2_000 * ((Number(process.env['SEED'] ?? 1) * 0.618_034) % 1);

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
      await demo.shows('Ctrl-C to stop');
      if (moment === 'some moment') await pause(someMs);
      if (moment === 'the tables are there') await demo.shows('room mailboxes');
      if (moment === 'the daemon runs') await demo.shows('daemon started: process');
      if (moment === 'the clerk works') await demo.shows('→ ');
    }
    demo.signal('SIGINT');
    // npm tells that its child was interrupted, by the code or by the signal; the demo itself ends with 0
    expect([0, 130, 'SIGINT']).toContain(await demo.ended);
    if (moment !== 'npm has hardly begun') expect(demo.output()).toContain('Nothing is left behind');
    expect(demo.output()).not.toMatch(/Error|\n {4}at /);
    await demo.gone();
  });

for (const [name, told, moment] of [
  ['SIGHUP', 'a terminal that is closed', '→ '],
  ['SIGKILL', 'a kill in the middle of the work', '→ '],
  ['SIGKILL', 'a kill in the middle of the start', 'Ctrl-C to stop'],
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
    expect(demo.output()).toContain(`port ${port} is in use`);
    expect(demo.output()).not.toContain(`http://127.0.0.1:${port}/`);
  } finally {
    other.close();
  }
});

test(
  'a user who deletes 14 rows by the command it names sees the brake hold, and how to release it',
  { timeout: 90_000 },
  async () => {
    await using bin = await onlyThese('node', 'npm', 'sh', 'id');
    await using demo = await startDemo(['--port', '0'], undefined, bin.path);
    await demo.shows('in a second terminal');
    // never all of a room, which the brake holds however few there are
    const said = demo.sql(`DELETE FROM bb_event_resource WHERE (event_id, resource_id) IN (
      SELECT event_id, resource_id FROM (
        SELECT *, row_number() OVER (PARTITION BY resource_id ORDER BY event_id) AS n FROM bb_event_resource) r
      WHERE n > 1 AND event_id NOT IN (SELECT event_id FROM bb_event_resource GROUP BY 1 HAVING count(*) > 1) LIMIT 14)`);
    expect(said).toContain('DELETE 14');
    await demo.shows('The brake holds');
    await demo.shows('/brake/release');
    expect(demo.output(), 'where there is no psql nobody is sent to it').not.toContain('psql');
    const url = /curl -X POST (\S+\/brake\/release)/.exec(demo.output())?.[1] ?? '';
    const released = await fetch(url, { method: 'POST' });
    expect(released.status).toBe(200);
    expect(demo.sql('SELECT count(*) FROM bb_event WHERE false')).toContain('SELECT 1');
    expect(
      demo
        .output()
        .split('\n')
        .filter((line) => line.length > 80),
    ).toEqual([]);
  },
);

/** A PATH on which there is nothing else. */
async function onlyThese(...programs: readonly string[]) {
  const path = await mkdtemp(join(tmpdir(), 'bridge-path-'));
  for (const program of programs) {
    const found = (process.env['PATH'] ?? '')
      .split(delimiter)
      .map((folder) => join(folder, program))
      .find((file) => existsSync(file));
    await symlink(found!, join(path, program));
  }
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

test('wrong words are answered with the right ones', async () => {
  await using demo = await startDemo(['--port', 'eighty']);
  expect(await demo.ended).not.toBe(0);
  expect(demo.output()).toContain("--port is 'eighty'");
});
