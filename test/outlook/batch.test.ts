import { describe, expect, test } from 'vitest';
import { itemOf } from '../../src/event.ts';
import type { Item } from '../../src/item.ts';
import type { Write, WriteAnswer } from '../../src/event.ts';
import { answeredEvent } from './exchange.ts';
import { wrongWith } from './graph-schema.ts';
import {
  always,
  anItem,
  create,
  hall,
  library,
  openTold,
  openWorld,
  refusal,
  type Asked,
  type Told,
} from './world.ts';

const many = (count: number, change: Partial<Item> = {}) =>
  Array.from({ length: count }, (_, n) => create(n + 1, { title: `Class ${n + 1}`, ...change }));
const titleOf = (written: WriteAnswer) =>
  written.outcome === 'written' ? written.event && itemOf(written.event.shows)?.title : written.outcome;

interface Inner {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: { readonly subject: string };
}
const innerOf = ({ body }: Asked) => (JSON.parse(body) as { requests: Inner[] }).requests;

/** A Graph that answers each inner request as told, in reverse order; `single` for calls outside of a batch. */
const openBatched = (
  inner: (one: Inner) => { status: number; headers?: object; body?: unknown } | null,
  single: Told = { status: 500 },
) =>
  openTold((asked) => {
    if (!asked.path.endsWith('/$batch')) return single;
    const responses = innerOf(asked).map((one) => {
      const said = inner(one);
      return said === null ? null : { id: one.id, ...said };
    });
    return { status: 200, body: { responses: responses.filter((one) => one !== null).reverse() } };
  });
const createdAs = ({ body }: Inner) => ({ status: 201, body: answeredEvent({ subject: body?.subject }) });

describe('writes into one mailbox', () => {
  test('go singly up to four', async () => {
    await using world = await openWorld();
    await world.outlook.write(hall, many(4), always);
    expect(world.tenant.journal.some(({ path }) => path === '/$batch')).toBe(false);
  });

  test.each([
    [20, 3],
    [8, 6],
    [50, 3],
  ])('go in batches of %i when there are more, each answered in its place', async (batchSize, batches) => {
    await using world = await openWorld({}, { batchSize });
    const written = await world.outlook.write(hall, many(45), always);
    expect(written.map(titleOf)).toEqual(many(45).map(({ item }) => item.title));
    expect(world.tenant.journal.filter(({ path }) => path === '/$batch').length).toBe(batches);
    expect(world.tenant.violations).toEqual([]);
  });

  test('leave no more than four in flight there, whatever else is read meanwhile', async () => {
    await using world = await openWorld({ latencyMs: 5 });
    const reading = () => world.outlook.find(hall, { type: 'event', id: 1 }, always);
    await Promise.all([
      reading(),
      reading(),
      world.outlook.write(hall, many(30), always),
      reading(),
      reading(),
    ]);
    expect(world.tenant.violations).toEqual([]);
    expect(Math.max(...world.tenant.journal.map(({ inFlight }) => inFlight))).toBe(4);
  });

  test('of a backfill let a change made now pass', async () => {
    await using world = await openWorld({}, { inFlight: 4 });
    const backfill = many(6).map((write) => ({ ...write, isBackfill: true }));
    const [, later, [now]] = await Promise.all([
      world.outlook.write(hall, backfill, always),
      world.outlook.write(library, backfill, always),
      world.outlook.write(hall, [create(99)], always),
    ]);
    expect(now!.acceptedAt).toBeLessThan(Math.min(...later.map(({ acceptedAt }) => acceptedAt)));
  });

  test('of every kind go together, and what is gone is gone', async () => {
    await using world = await openWorld();
    const ids = (await world.outlook.write(hall, many(6), always)).map((one) =>
      one.outcome === 'written' ? one.event!.id : '',
    );
    world.tenant.people.remove(hall.mailbox, ids[0]!);
    const rename = (eventId: string): Write => ({
      do: 'change',
      eventId,
      change: { title: 'New' },
      whole: anItem({ title: 'New' }),
    });
    const written = await world.outlook.write(
      hall,
      [
        rename(ids[0]!),
        rename(ids[1]!),
        { do: 'remove', eventId: ids[0]! },
        { do: 'remove', eventId: ids[2]! },
        create(9),
        create(2, { title: 'Other' }),
      ],
      always,
    );
    expect(written.map(({ outcome }) => outcome)).toEqual([
      'gone',
      'written',
      'gone',
      'written',
      'written',
      'taken',
    ]);
    expect(written[5]).toMatchObject({ existingId: ids[1] });
    expect(
      world.tenant
        .eventsIn(hall.mailbox)
        .map(({ subject }) => subject)
        .sort(),
    ).toEqual(['Class 4', 'Class 5', 'Class 6', 'New', 'Yoga']);
  });
});

describe('a batch', () => {
  test('is one that Microsoft describes, with the Prefer header in each inner request', async () => {
    await using told = await openBatched(createdAs);
    await told.outlook.write(hall, many(5), always);
    const [batch] = told.asked;
    expect(wrongWith('POST', '/$batch', JSON.parse(batch!.body))).toEqual([]);
    for (const { url, headers, body, method } of innerOf(batch!)) {
      expect(url).toBe('/users/hall%40sandbox.example/events');
      expect(headers).toEqual({
        'Content-Type': 'application/json',
        Prefer: 'IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="text"',
      });
      expect(wrongWith(method, url, body)).toEqual([]);
    }
  });

  test('is split before it is larger than Graph takes', async () => {
    await using told = await openBatched(createdAs);
    const written = await told.outlook.write(hall, many(40, { description: '🎉'.repeat(60_000) }), always);
    expect(written.every(({ outcome }) => outcome === 'written')).toBe(true);
    expect(Math.max(...told.asked.map(({ body }) => Buffer.byteLength(body)))).toBeLessThan(3_200_000);
    expect(told.asked.length).toBeGreaterThan(1);
  });

  test('has an answer for each of its requests, each its own', async () => {
    await using told = await openBatched((one) => {
      switch (one.id) {
        case '0':
          return {
            status: 429,
            headers: { 'Retry-After': '2.5' },
            body: { error: { code: 'ApplicationThrottled', message: '' } },
          };
        case '1':
          return { status: 424, body: { error: { code: 'FailedDependency', message: '' } } };
        case '2':
          return { status: 500, body: { error: { code: 'InternalServerError', message: '' } } };
        case '3':
          return {
            status: 400,
            headers: { 'request-id': 'inner-3' },
            body: { error: { code: 'ErrorInvalidRequest', message: '' } },
          };
        case '4':
          return null;
        default:
          return createdAs(one);
      }
    });
    const written = await told.outlook.write(hall, many(6), always);
    expect(written.map((one) => (one.outcome === 'failed' ? one.error : one.outcome))).toMatchObject([
      { name: 'Retryable', reach: 'room', afterMs: 2_500, ambiguous: false },
      { name: 'Retryable', reach: 'item', ambiguous: false },
      { name: 'Retryable', reach: 'item', ambiguous: true },
      { name: 'Permanent', reach: 'item', requestId: 'inner-3' },
      { name: 'Retryable', ambiguous: true },
      'written',
    ]);
  });

  test.each<[string, Told, object]>([
    [
      'throttled',
      refusal(429, 'TooManyRequests', { 'retry-after': '3' }),
      { reach: 'room', afterMs: 3_000, ambiguous: false },
    ],
    ['unavailable', refusal(503, 'ServiceUnavailable'), { reach: 'room', ambiguous: false }],
    ['given up by a gateway', refusal(504, 'UnknownError'), { reach: 'room', ambiguous: true }],
    ['lost', 'drop', { reach: 'item', ambiguous: true }],
  ])('that is %s as a whole has failed for each of its writes', async (_, answer, error) => {
    await using told = await openTold(() => answer);
    const written = await told.outlook.write(hall, many(6), always);
    expect(written.length).toBe(6);
    for (const one of written)
      expect(one).toMatchObject({ outcome: 'failed', error: { name: 'Retryable', ...error } });
    expect(told.asked.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('that Graph does not take as a whole is sent one by one, so that one bad write harms no other', async () => {
    await using told = await openTold(({ path, body }) => {
      if (path.endsWith('/$batch')) return refusal(400, 'BadRequest');
      const { subject } = JSON.parse(body) as { subject: string };
      return subject === 'Class 3'
        ? refusal(400, 'ErrorInvalidRequest')
        : { status: 201, body: answeredEvent({ subject }) };
    });
    const written = await told.outlook.write(hall, many(5), always);
    expect(written.map(titleOf)).toEqual(['Class 1', 'Class 2', 'failed', 'Class 4', 'Class 5']);
  });

  test('whose answer is lost is made good by repeating it: no event is there twice', async () => {
    await using world = await openWorld();
    world.tenant.faults.add({
      match: { method: 'POST', path: '/events' },
      times: 1,
      action: { do: 'dropAnswer' },
    });
    const lost = await world.outlook.write(hall, many(12), always);
    expect(lost.every((one) => one.outcome === 'failed')).toBe(true);
    await world.outlook.write(hall, many(12), always);
    expect(world.tenant.eventsIn(hall.mailbox).length).toBe(12);
  });
});
