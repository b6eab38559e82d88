/** What the demo prints, whatever people and rooms are called. */
import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { expect, test } from 'vitest';
import { countOpen } from '../../src/cli/demo-run.ts';
import { createDemoScreen } from '../../src/cli/demo-screen.ts';
import type { Fact } from '../../src/facts.ts';
import { rooms } from '../../src/sandbox/world.ts';

function openScreen() {
  const out = new PassThrough();
  const screen = createDemoScreen(out as unknown as WriteStream);
  return { screen, printed: () => String(out.read() ?? '') };
}

const long = 'Opplæring i saksbehandling og arkiv for alle nye medarbeidere i kommunen';

test('no line is wider than 80 columns, however long names, addresses and figures are', () => {
  const { screen, printed } = openScreen();
  screen.opening(12_345);
  screen.step(`${long}: ${long}`);
  screen.served('http://127.0.0.1:65535', 4_194_304);
  screen.whereToStart(
    'http://127.0.0.1:65535',
    'npx node src/main.ts demo --sql',
    `psql postgresql://${'x'.repeat(90)}`,
  );
  const when = 'Wed 30 Sep 10:00–11:30';
  const reservation = { type: 'allocation' as const, id: 1_234_567_890 };
  for (const verb of ['booked', 'other room', 're-enabled'])
    screen.arrival({
      act: { verb, title: long, when, resources: [101, 102, 201], touched: [reservation], committedAt: 0 },
      ms: [123_456.7],
      graphMs: [123_000],
    });
  const expected = { start: '', end: '', title: null, there: true };
  screen.visited({ verb: 'calls off', title: long, when, room: rooms[0]!, expected, doneAt: 0 }, 99_999);
  const made = { ...reservation, action: 'created', room: long, ms: 123_456, at: 0 };
  screen.manual([made]);
  screen.manual([made, { ...made, room: 'Formannskapssalen' }]);
  screen.summary(
    { done: 123_456, waiting: 1_234, held: 1_234, totalMs: [98_765], ownMs: [98_765], visitMs: [98_765] },
    { reservations: 123_456, events: 123_456, differences: [`only booked: ${long}, ${long}`] },
  );
  const troubles = [
    { fact: 'brake-held', room: long, resourceId: 103, held: 14, wanted: 14, synced: 45 },
    { fact: 'room-held', room: long, error: long, hint: 'y'.repeat(200) },
    {
      fact: 'capture-broken',
      triggers: Array.from({ length: 9 }, (_, at) => `bridge_trigger_of_table_${at}`),
    },
  ];
  screen.scenario(long.repeat(2));
  screen.labelled('daemon', long.repeat(2));
  screen.keys([{ key: 'k', title: long.repeat(2) }]);
  screen.keysAgain([{ key: 'k' }]);
  for (const fact of troubles) screen.problem(fact as unknown as Fact);
  const text = printed();
  expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  expect(text).toContain('curl -X POST http://127.0.0.1:65535/rooms/103/brake/release\n');
});

test('a change is one line, with its verb, title, room, time and how long it took', () => {
  const { screen, printed } = openScreen();
  screen.arrival({
    act: {
      verb: 'booked',
      title: 'Vielse',
      when: 'Wed 30 Sep 10:00',
      resources: [102],
      touched: [{ type: 'event', id: 1 }],
      committedAt: 0,
    },
    ms: [63.4],
    graphMs: [60],
  });
  expect(printed()).toMatch(
    /^\d\d:\d\d:\d\d {2}booked {5}«Vielse» +Bystyresalen +Wed 30 Sep 10:00 → +63 ms\n$/,
  );
});

test.each([
  [[], 'all on the other side'],
  [[[101]], '1 under way'],
  [[[103]], '1 held by the brake'],
  [[[103], [101, 103], [102]], '2 under way, 1 held by the brake'],
])('changes in a room that the brake holds are not under way: %j', (open, text) => {
  const { screen, printed } = openScreen();
  const counts = countOpen(
    open.map((some) => some.map((resource) => ({ resource }))),
    new Set([103]),
  );
  screen.summary({ done: 9, ...counts, totalMs: [], ownMs: [], visitMs: [] }, null);
  expect(printed()).toContain(`9 changes, ${text}; stopped`);
});
