import { describe, expect, test } from 'vitest';
import type { Fact } from '../../src/facts.ts';
import { createLog } from '../../src/log.ts';
import { createTell } from '../../src/ops/tell.ts';

const about = { room: 'Formannskapssalen', resourceId: 101 };
const item = { ...about, mappingId: 7, reservationType: 'event', reservationId: 456 };
const resting: Fact = {
  ...about,
  fact: 'room-resting',
  error: 'Graph says 503',
  hint: null,
  inMs: 400,
  throttled: false,
};
const pushed: Fact = { ...item, fact: 'pushed', action: 'created', latencyMs: 85, callMs: 60 };

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}
const levels: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };

function openLog(level = 'debug') {
  const lines: Line[] = [];
  const log = createLog(level, { write: (line) => void lines.push(JSON.parse(line) as Line) });
  let clock = 0;
  const seen: Fact[] = [];
  const told = createTell({ log, observers: [(fact) => seen.push(fact)], now: () => clock });
  return {
    ...told,
    lines,
    seen,
    levelsOf: () => lines.map((line) => levels[line.level]),
    pass: (ms: number) => {
      clock += ms;
    },
  };
}

describe('levels', () => {
  test.each<[string, Fact]>([
    ['info', pushed],
    ['debug', { ...item, fact: 'pushed', action: 'created', latencyMs: null, callMs: 60 }],
    ['debug', { ...item, fact: 'pushed', action: 'unchanged', latencyMs: 3, callMs: 0 }],
    ['debug', { ...item, fact: 'item-delayed', error: 'Graph says 503', inMs: 400 }],
    ['warn', { ...item, fact: 'item-parked', error: 'Graph refuses it', hint: 'Shorten it.' }],
    ['warn', resting],
    [
      'info',
      { ...about, fact: 'room-resting', error: 'Graph says 429', hint: null, inMs: 9_000, throttled: true },
    ],
    ['error', { ...about, fact: 'room-refused', error: 'Access is denied', hint: 'Ask the admin.' }],
    ['info', { ...about, fact: 'room-well' }],
    ['error', { ...about, fact: 'brake-held', held: 20, wanted: 20, synced: 25 }],
    ['error', { fact: 'outage', side: 'outlook', error: 'no route', hint: null }],
    ['info', { fact: 'outage-over', side: 'outlook', ms: 9_000 }],
    ['warn', { fact: 'listening', heard: false, reason: 'silence' }],
    ['info', { fact: 'listening', heard: true, reason: '' }],
    ['error', { fact: 'capture-broken', triggers: ['bb_event.bridge_update'] }],
    ['error', { fact: 'bug', error: new Error('oops'), where: 'the drain' }],
  ])('%s: %o', (level, fact) => {
    const log = openLog();
    log.tell(fact);
    expect(log.levelsOf()).toEqual([level]);
  });

  test('a retry of an item is no line at info, and an outage is one', () => {
    const log = openLog('info');
    log.tell({ fact: 'outage', side: 'outlook', error: 'no route', hint: null });
    for (let n = 0; n < 100; n += 1)
      log.tell({ ...item, fact: 'item-delayed', error: 'no route', inMs: 400 });
    log.tell({ fact: 'outage-over', side: 'outlook', ms: 9_000 });
    expect(log.lines.map((line) => line.msg)).toEqual([
      'outlook is unreachable',
      'outlook is reachable again',
    ]);
  });

  test('trouble of one room that repeats is logged once a minute, and at once when it was well in between', () => {
    const log = openLog('info');
    const elsewhere: Fact = { ...resting, room: 'Bystyresalen', resourceId: 102 };
    for (let n = 0; n < 5; n += 1) log.tell(resting);
    log.tell(elsewhere);
    expect(log.lines.length).toBe(2);
    log.pass(60_000);
    log.tell(resting);
    expect(log.lines.length).toBe(3);
    log.tell({ ...about, fact: 'room-well' });
    log.tell(resting);
    expect(log.lines.length).toBe(5);
  });
});

test('a line has the facts as fields and the same message each time', () => {
  const log = openLog();
  log.tell(pushed);
  expect(log.lines[0]).toMatchObject({
    msg: 'item created',
    room: 'Formannskapssalen',
    resourceId: 101,
    mappingId: 7,
    latencyMs: 85,
  });
});

test('nothing that names a person reaches the log', () => {
  const log = openLog();
  const error = 'no mailbox kari.nordmann@bergen.example (<ola@bergen.example>), born 01017012345';
  log.tell({ ...item, fact: 'item-parked', error, hint: 'Ask kari.nordmann@bergen.example.' });
  log.tell({ fact: 'outage', side: 'booking', error, hint: error });
  log.tell({ fact: 'listening', heard: false, reason: error });
  log.tell({
    fact: 'bug',
    error: Object.assign(new Error(error), { detail: 'Key (name)=(Kari)' }),
    where: 'here',
  });
  expect(JSON.stringify(log.lines)).not.toMatch(/@bergen|01017012345|\(Kari\)/);
  expect(log.lines[0]!['error']).toBe('no mailbox [address] (<[address]>), born [number]');
});

test('a bug is logged with its stack', () => {
  const log = openLog();
  log.tell({ fact: 'bug', error: new Error('oops'), where: 'the drain' });
  expect(log.lines[0]).toMatchObject({
    where: 'the drain',
    error: 'oops',
    stack: expect.stringContaining('tell.test.ts'),
  });
});

test('a bug that comes again and again is one line and one fact a minute for each kind, and all are counted', () => {
  const log = openLog('info');
  const watched: Fact[] = [];
  log.watch((fact) => void watched.push(fact));
  const bug = (where: string, message: string): Fact => ({ fact: 'bug', error: new Error(message), where });
  for (let n = 0; n < 45; n += 1) log.tell(bug('the heartbeat', `row ${n}`));
  log.tell(bug('the work loop', 'row 1'));
  expect(log.lines.map((line) => line['where'])).toEqual(['the heartbeat', 'the work loop']);
  expect(watched.length).toBe(2);
  expect(log.seen.length).toBe(46);
  log.pass(60_000);
  log.tell(bug('the heartbeat', 'row 1'));
  expect(log.lines.length).toBe(3);
});

test('a watcher is told everything until it stops, and one that throws stops nothing', () => {
  const log = openLog();
  const watched: Fact[] = [];
  const stop = log.watch((fact) => void watched.push(fact));
  log.watch(() => {
    throw new Error('the browser is gone');
  });
  log.tell(pushed);
  log.tell(resting);
  stop();
  log.tell(pushed);
  expect(watched).toEqual([pushed, resting]);
  expect(log.seen).toEqual([pushed, resting, pushed]);
  expect(log.lines.filter((line) => line.msg.includes('watcher')).length).toBe(1);
});
