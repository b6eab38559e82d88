import { expect, test } from 'vitest';
import { openApi, type Answer, type Api } from './api.ts';

interface Curve {
  count: number;
  p50_ms: number | null;
  p95_ms: number | null;
  histogram: { le_ms: number | null; count: number }[];
  curve: { at: string; count: number; p50_ms: number | null }[];
}
const directionsOf = (answer: Answer) => answer.body['directions'] as Record<string, Curve>;
const linesOf = (answer: Answer) => answer.body['lines'] as Record<string, unknown>[];

/** A line of the log as if it had been written some minutes ago. */
const log = (api: Api, action: string, latencyMs: number, minutesAgo = 0) =>
  api.db.query(
    `INSERT INTO bridge_log (action, latency_ms, at) VALUES ($1, $2, now() - $3 * interval '1 minute')`,
    [action, latencyMs, minutesAgo],
  );

test('the log lists what was done lately, the newest first, with room, title and words', async () => {
  await using api = await openApi();
  const booked = await api.desk.book(101, {
    title: '<img src=x onerror=alert(1)>',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  await api.settle();
  await api.desk.retitle(booked, 'Formannskapet');
  await api.settle();
  const answer = await api.call('GET', '/log?limit=2');
  expect(linesOf(answer)).toMatchObject([
    { action: 'updated', direction: 'booking_to_outlook', title: 'Formannskapet', resource_id: 101 },
    { action: 'created', room: 'formannskapssalen@bergen.example', reservation_id: booked.id },
  ]);
  expect(linesOf(answer)[0]!['text']).toMatch(/^Its event was changed in Outlook, \d+ ms after the change/);
});

test('the log of one room has only its lines', async () => {
  await using api = await openApi();
  for (const room of [101, 102])
    await api.desk.book(room, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.settle();
  const lines = linesOf(await api.call('GET', '/log?resource_id=102'));
  expect(lines.map((line) => line['resource_id'])).toEqual([102]);
});

test('latencies are counted for each direction, in percentiles, buckets and steps of the day', async () => {
  await using api = await openApi();
  for (const ms of [10, 11, 20]) await log(api, 'created', ms);
  await log(api, 'updated', 45_000, 60);
  await log(api, 'imported', 700);
  const { booking_to_outlook: out, outlook_to_booking: back } = directionsOf(
    await api.call('GET', '/stats/latency'),
  );
  const filled = ({ histogram }: Curve) => histogram.filter(({ count }) => count > 0);
  expect(out).toMatchObject({ count: 4, p50_ms: 15.5 });
  expect(filled(out!)).toEqual([
    { le_ms: 10, count: 1 },
    { le_ms: 20, count: 2 },
    { le_ms: null, count: 1 },
  ]);
  expect(filled(back!)).toEqual([{ le_ms: 1_000, count: 1 }]);
  expect(out!.curve).toHaveLength(96);
  expect(out!.curve.filter(({ count }) => count > 0).map(({ count }) => count)).toEqual([1, 3]);
});

test('what is older than the hours asked for does not count', async () => {
  await using api = await openApi();
  await log(api, 'created', 5, 180);
  const counts = async (hours: number) =>
    directionsOf(await api.call('GET', `/stats/latency?hours=${hours}`))['booking_to_outlook']!.count;
  expect([await counts(1), await counts(24)]).toEqual([0, 1]);
});

test('without any change there are steps and buckets, all empty', async () => {
  await using api = await openApi();
  const { outlook_to_booking: back } = directionsOf(await api.call('GET', '/stats/latency?hours=2'));
  expect(back).toMatchObject({ count: 0, p50_ms: null });
  expect(new Set(back!.curve.map(({ count }) => count))).toEqual(new Set([0]));
});

test.each(['0', '169', 'x'])('hours=%s is refused', async (hours) => {
  await using api = await openApi();
  expect(await api.call('GET', `/stats/latency?hours=${hours}`)).toMatchObject({
    status: 400,
    body: { field: 'hours' },
  });
});

test('a backfill is in no figure of speed, and its size stands beside them', async () => {
  await using api = await openApi();
  await log(api, 'created', 40);
  await api.db.query(
    `INSERT INTO bridge_log (action) SELECT 'created' FROM generate_series(1, 500)
     UNION ALL SELECT 'imported' FROM generate_series(1, 3) UNION ALL SELECT 'unchanged' FROM generate_series(1, 9)`,
  );
  expect(directionsOf(await api.call('GET', '/stats/latency'))).toMatchObject({
    booking_to_outlook: { count: 1, p50_ms: 40, backfilled: 500 },
    outlook_to_booking: { count: 0, p50_ms: null, backfilled: 3 },
  });
});

test('the latency at a glance leaves a backfill out and counts it beside', async () => {
  await using api = await openApi();
  for (const ms of [10, 30]) await log(api, 'created', ms);
  for (const action of ['created', 'imported', 'shadowed'])
    await api.db.query('INSERT INTO bridge_log (action) VALUES ($1)', [action]);
  await api.db.query(`INSERT INTO bridge_log (action, at) VALUES ('created', now() - interval '2 hours')`);
  const expected = { count: 2, backfilled: 2, p50_ms: 20 };
  expect((await api.call('GET', '/stats')).body['latency']).toMatchObject(expected);
  expect((await api.call('GET', '/health/dashboard')).body['latency']).toMatchObject(expected);
});

test('older lines of a room are read page by page', async () => {
  await using api = await openApi();
  await api.db.query(
    `INSERT INTO bridge_log (resource_id, action) SELECT 101 + n % 2, 'asked' FROM generate_series(1, 10) n`,
  );
  const ids: number[] = [];
  let path = '/log?resource_id=101&limit=2';
  for (let page = 0; page < 10; page += 1) {
    const { body } = await api.call('GET', path);
    const lines = body['lines'] as { id: number; resource_id: number }[];
    expect(lines.every((line) => line.resource_id === 101)).toBe(true);
    if (lines.length === 0) break;
    ids.push(...lines.map(({ id }) => id));
    path = `/log?resource_id=101&limit=2&before=${ids.at(-1)}`;
  }
  expect(ids).toHaveLength(5);
  expect(ids).toEqual(ids.toSorted((a, b) => b - a));
});
