/** The faults that a visitor plays: each ends with both sides equal, and says so. */
import { spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import type { WriteStream } from 'node:tty';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runScenario } from '../../src/cli/demo-run.ts';
import { createDemoScreen } from '../../src/cli/demo-screen.ts';
import { createContext, type Scenario } from '../../src/cli/demo-scenario.ts';
import { scenarios } from '../../src/cli/demo-scenarios.ts';
import { migrate } from '../../src/cli/migrate.ts';
import { createClerk } from '../../src/sandbox/clerk.ts';
import { startDaemon, type RunningDaemon } from '../../src/sandbox/daemon.ts';
import { freePort } from '../../src/sandbox/postgres.ts';
import { mapRooms, openWorld, rooms } from '../../src/sandbox/world.ts';
import { startDemo } from './demo-process.ts';

const timeout = 120_000;
/** util-linux' one runs a command in a terminal of its own. */
const hasTerminal = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;
const columnsOf = (text: string) =>
  stripVTControlCharacters(text)
    .split(/\r?\n/)
    .map((line) => line.length);

/** What a scenario has printed that ended well. */
function expectEqualAgain(title: string, text: string): void {
  expect(text).toContain(`── ${title}`);
  expect(text).toMatch(/^result .*\d/m);
  expect(text).toMatch(/^why /m);
  expect(text).toMatch(/^at rest +both sides equal: yes; (\d+) booked, \1 in Outlook$/m);
  expect(Math.max(...columnsOf(text))).toBeLessThanOrEqual(80);
}

const [first, ...others] = scenarios;

test(
  `npm run demo -- --scenario ${first!.name}: ${first!.title}, both sides are equal again, and it ends with 0`,
  { timeout },
  async () => {
    await using demo = await startDemo(['--port', '0', '--scenario', first!.name]);
    expect(await demo.ended, demo.output()).toBe(0);
    expectEqualAgain(first!.title, demo.output());
    await demo.gone();
  },
);

describe('in one demo, as by keys', () => {
  let demo: Awaited<ReturnType<typeof openDemo>>;
  beforeAll(async () => {
    demo = await openDemo();
  }, timeout);
  afterAll(() => demo[Symbol.asyncDispose]());

  for (const scenario of others)
    test(`${scenario.name}: ${scenario.title}, and both sides are equal again`, { timeout }, async () => {
      const { isEqual, text } = await demo.play(scenario);
      expect(isEqual, text).toBe(true);
      expectEqualAgain(scenario.title, text);
    });
});

/** The world of the demo with its daemon, its rooms mapped, in which scenarios are played one after another. */
async function openDemo() {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld({ latencyMs: 60, seed: 1, onStep: () => undefined }, neverAborts));
  await createClerk(world.db, 1).prepare(10);
  await migrate(world.config, () => undefined, neverAborts);
  const daemon = opened.use((await startDaemon({ env: world.env, port: await freePort() }))!);
  await mapRooms(world.db);
  const out = new PassThrough();
  const screen = createDemoScreen(out as unknown as WriteStream);
  const context = createContext({ world, daemon, screen, choose: null, signal: neverAborts });
  await context.untilEqual();
  const owned = opened.move();
  return {
    async play(scenario: Scenario) {
      const isEqual = await runScenario(scenario, context, screen);
      return { isEqual, text: String(out.read()) };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

test(
  'a scenario that leaves both sides different has failed, and says what differs',
  { timeout },
  async () => {
    await using world = await openWorld({ latencyMs: 0, seed: 1, onStep: () => undefined }, neverAborts);
    await migrate(world.config, () => undefined, neverAborts);
    const out = new PassThrough();
    const screen = createDemoScreen(out as unknown as WriteStream);
    const context = createContext({ world, daemon: noDaemon, screen, choose: null, signal: neverAborts });
    const run = () => {
      world.tenant.people.book(rooms[0]!.upn, {
        subject: 'Intervju',
        start: '2030-01-07T10:00',
        end: '2030-01-07T11:00',
      });
      return Promise.resolve();
    };
    expect(await runScenario({ name: 'x', key: 'x', title: 'no daemon', run }, context, screen)).toBe(false);
    const printed = String(out.read());
    expect(printed).toContain('both sides equal: no; 0 booked, 1 in Outlook');
    expect(printed).toContain('only in Outlook: Formannskapssalen');
  },
);

const neverAborts = new AbortController().signal;
const noDaemon: RunningDaemon = {
  url: 'http://127.0.0.1:9',
  pid: 0,
  watch: () => () => undefined,
  kill: () => Promise.resolve(),
  lost: neverAborts,
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

test('the names can be listed, and a wrong one is answered with them', async () => {
  await using list = await startDemo(['--scenario', 'list']);
  expect(await list.ended).toBe(0);
  await using wrong = await startDemo(['--scenario', 'earthquake']);
  expect(await wrong.ended).not.toBe(0);
  expect(wrong.output()).toContain("--scenario is 'earthquake'");
  for (const { name } of scenarios) {
    expect(list.output()).toContain(name);
    expect(wrong.output()).toContain(name);
  }
});

test(
  'a key plays a fault while the demo runs, another one chooses, and q ends it',
  { timeout },
  async ({ skip }) => {
    if (!hasTerminal) skip();
    await using demo = await startDemo(['--port', '0'], undefined, undefined, true);
    await demo.shows('stop the demo');
    demo.press('e');
    await demo.shows("keep Outlook's version");
    demo.press('o');
    await demo.shows('at rest');
    demo.press('q');
    expect(await demo.ended).toBe(0);
    const text = stripVTControlCharacters(demo.output());
    expect(text).toMatch(/you +keep Outlook's version/);
    expect(text).toMatch(/result +both sides agree after [\d.]+ s: 16:00/);
    expect(text).toMatch(/at rest +both sides equal: yes/);
    expect(Math.max(...columnsOf(text))).toBeLessThanOrEqual(80);
    await demo.gone();
  },
);

test('Ctrl-C typed in a terminal ends it, and leaves nothing', { timeout }, async ({ skip }) => {
  if (!hasTerminal) skip();
  await using demo = await startDemo(['--port', '0'], undefined, undefined, true);
  await demo.shows('room mailboxes');
  demo.press('\u0003');
  expect(await demo.ended).toBe(0);
  expect(demo.output()).toContain('Nothing is left behind');
  await demo.gone();
});
