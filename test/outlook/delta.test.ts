import { describe, expect, test } from 'vitest';
import { itemOf, type DeltaAnswer, type DeltaRow } from '../../src/event.ts';
import type { DeltaStart } from '../../src/outlook/delta.ts';
import { answeredEvent } from './exchange.ts';
import { always, create, hall, openTold, openWorld, refusal, type Told, type World } from './world.ts';

const december: DeltaStart = { from: '2026-12-01T00:00:00Z', to: '2027-01-01T00:00:00Z' };

type Outlook = World['outlook'];
const answersOf = (outlook: Outlook, start: DeltaStart) =>
  Array.fromAsync(outlook.delta(hall, start, always));

/** A whole round: its rows by id, what it calls removed, and the link of the next one. */
async function round(outlook: Outlook, start: DeltaStart) {
  const pages = (await answersOf(outlook, start)).filter(
    (one): one is DeltaAnswer & { answer: 'page' } => one.answer === 'page',
  );
  return {
    pages: pages.length,
    rows: new Map(pages.flatMap(({ rows }) => rows).map((row) => [row.id, row])),
    removed: pages.flatMap(({ removed }) => removed),
    link: pages.at(-1)?.deltaLink ?? 'none',
  };
}

const titleOf = (row: DeltaRow | undefined) => row?.event && itemOf(row.event.shows)?.title;

const december1 = { start: '2026-12-01T10:00:00Z', end: '2026-12-01T11:00:00Z' };

describe('a round of changes', () => {
  test('begins with all that is there and goes on with what changed since', async () => {
    await using world = await openWorld();
    const { people } = world.tenant;
    const first = people.book(hall.mailbox, { subject: 'One', ...december1 });
    const begun = await round(world.outlook, december);
    expect([...begun.rows.values()]).toMatchObject([
      {
        id: first.id,
        type: 'singleInstance',
        event: { shows: { item: { title: 'One' } }, isOrganizer: true, properties: null },
      },
    ]);

    people.retitle(hall.mailbox, first.id, 'Eins');
    const second = people.book(hall.mailbox, { subject: 'Two', ...december1 });
    const gone = await round(world.outlook, { link: begun.link });
    expect(titleOf(gone.rows.get(first.id))).toBe('Eins');
    expect(titleOf(gone.rows.get(second.id))).toBe('Two');

    people.remove(hall.mailbox, first.id);
    const { removed, rows, link } = await round(world.outlook, { link: gone.link });
    expect([removed, rows.size]).toEqual([[first.id], 0]);
    expect((await round(world.outlook, { link })).rows.size).toBe(0);
  });

  test('takes as many pages as it takes', async () => {
    await using world = await openWorld();
    await world.outlook.write(
      hall,
      Array.from({ length: 450 }, (_, n) => create(n + 1)),
      always,
    );
    const { pages, rows } = await round(world.outlook, december);
    expect(rows.size).toBe(450);
    expect(pages).toBeGreaterThan(2);
  });

  test('may begin with an empty page, and repeat rows', async () => {
    await using world = await openWorld();
    world.tenant.people.book(hall.mailbox, { subject: 'One', ...december1 });
    world.tenant.faults.set({ deltaEmptyFirstPage: true, deltaRepeats: true });
    const { rows, pages } = await round(world.outlook, december);
    expect(rows.size).toBe(1);
    expect(pages).toBeGreaterThan(1);
  });

  test('shows occurrences of a series only as what is to be read anew', async () => {
    await using world = await openWorld();
    world.tenant.people.bookSeries(hall.mailbox, {
      subject: 'Choir',
      start: '2026-12-01T18:00:00Z',
      end: '2026-12-01T20:00:00Z',
      pattern: { type: 'weekly', interval: 1, daysOfWeek: ['tuesday'] },
      range: { type: 'numbered', numberOfOccurrences: 3 },
    });
    const { rows } = await round(world.outlook, december);
    const occurrences = [...rows.values()].filter(({ type }) => type === 'occurrence');
    expect(occurrences.length).toBe(3);
    for (const row of occurrences)
      expect(row).toMatchObject({ event: null, seriesMasterId: expect.any(String) as string });
  });

  test('sends the same preferences on every page', async () => {
    await using told: Awaited<ReturnType<typeof openTold>> = await openTold((_, number) => ({
      status: 200,
      body: {
        value: [answeredEvent({ id: `event-${number}` })],
        [number < 3 ? '@odata.nextLink' : '@odata.deltaLink']:
          `${told.graph.baseUrl}/users/x/calendarView/delta?$token=${number}%20x`,
      },
    }));
    const { link, rows } = await round(told.outlook, december);
    expect(told.asked.map(({ headers }) => headers.prefer)).toEqual(
      new Array(3).fill(
        'IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="text", odata.maxpagesize=200',
      ),
    );
    expect(told.asked[1]?.path).toBe('/v1.0/users/x/calendarView/delta?$token=1%20x');
    expect([rows.size, link]).toEqual([3, `${told.graph.baseUrl}/users/x/calendarView/delta?$token=3%20x`]);
  });

  test('with a row that cannot be read says so for that row alone', async () => {
    await using told: Awaited<ReturnType<typeof openTold>> = await openTold(() => ({
      status: 200,
      body: {
        value: [answeredEvent({ id: 'odd', start: {} }), answeredEvent({ id: 'fine' }), { nothing: true }],
        '@odata.deltaLink': `${told.graph.baseUrl}/x?$deltatoken=1`,
      },
    }));
    const { rows } = await round(told.outlook, december);
    expect([...rows.values()].map(({ id, event }) => [id, event?.shows.is])).toEqual([
      ['odd', 'unreadable'],
      ['fine', 'occupied'],
    ]);
  });
});

describe('a round ends otherwise', () => {
  const answerTo = async (
    told: Told,
    start: (base: string) => DeltaStart = (base) => ({
      link: `${base}/users/x/calendarView/delta?$deltatoken=1`,
    }),
  ) => {
    await using graph = await openTold(() => told);
    return await answersOf(graph.outlook, start(graph.graph.baseUrl));
  };

  test('when Graph has forgotten the token', async () => {
    await using world = await openWorld();
    const { link } = await round(world.outlook, december);
    world.tenant.forgetDeltaTokens(hall.mailbox);
    expect(await answersOf(world.outlook, { link })).toMatchObject([{ answer: 'lost' }]);
    expect((await round(world.outlook, december)).link).not.toBe('none');
  });

  test.each([
    [410, 'SyncStateNotFound'],
    [410, 'Gone'],
    [404, 'syncStateNotFound'],
    [400, 'resyncRequired'],
  ])('as a lost token, however Graph words it: %i %s', async (status, code) => {
    expect(await answerTo(refusal(status, code))).toMatchObject([{ answer: 'lost' }]);
  });

  test('as a lost token when the token was mangled on its way', async () => {
    const told = { status: 400, body: { error: { code: 'BadRequest', message: 'Badly formed token.' } } };
    expect(await answerTo(told)).toMatchObject([{ answer: 'lost' }]);
  });

  test('because the window is too wide for Graph', async () => {
    expect(await answerTo(refusal(504, 'UnknownError'), () => december)).toMatchObject([
      { answer: 'too-wide', error: { name: 'Retryable' } },
    ]);
  });

  test('because its pages do not', async () => {
    await using world = await openWorld();
    for (let day = 1; day < 5; day += 1)
      world.tenant.people.book(hall.mailbox, { subject: `${day}`, ...december1 });
    world.tenant.faults.set({ deltaEndless: true });
    const answers = await answersOf(world.outlook, december);
    expect(answers.at(-1)).toMatchObject({ answer: 'endless' });
    expect(answers.length).toBeLessThan(10);
  });

  test('because it yields nothing but empty pages', async () => {
    await using told: Awaited<ReturnType<typeof openTold>> = await openTold((_, number) => ({
      status: 200,
      body: {
        value: [],
        '@odata.nextLink': `${told.graph.baseUrl}/users/x/calendarView/delta?$skiptoken=${number}`,
      },
    }));
    expect((await answersOf(told.outlook, december)).at(-1)).toMatchObject({ answer: 'endless' });
    expect(told.asked.length).toBeLessThan(30);
  });

  test.each<[string, Told, object]>([
    [
      'throttled',
      refusal(429, 'ApplicationThrottled', { 'retry-after': '2' }),
      { name: 'Retryable', reach: 'room', afterMs: 2_000 },
    ],
    ['throttled without a time', refusal(429, 'TooManyRequests'), { name: 'Retryable', reach: 'room' }],
    ['refused for its token', refusal(401, 'InvalidAuthenticationToken'), { name: 'Retryable' }],
  ])('as any call does when it is %s', async (_, told, error) => {
    await expect(answerTo(told)).rejects.toMatchObject(error);
  });

  test.each<[string, Told]>([
    ['full', refusal(403, 'ErrorQuotaExceeded')],
    ['no right', refusal(403, 'ErrorAccessDenied')],
    ['no mailbox', refusal(404, 'ErrorInvalidUser')],
    ['a query it does not take', refusal(400, 'ErrorInvalidRequest')],
    ['an error', refusal(500, 'InternalServerError')],
    ['away', refusal(503, 'ServiceUnavailable')],
    ['a broken connection', 'drop'],
    ['neither link', { status: 200, body: { value: [] } }],
    ['nonsense', { status: 200, body: '<html>' }],
  ])('as refused, so that the calendar is listed, when the answer is: %s', async (_, told) => {
    expect(await answerTo(told)).toMatchObject([{ answer: 'refused' }]);
  });

  test('as lost at a link that leads away from Graph, which is not followed', async () => {
    const link = 'https://evil.example/v1.0/users/x/calendarView/delta?$deltatoken=1';
    await using told = await openTold(() => ({ status: 200, body: { value: [], '@odata.deltaLink': link } }));
    expect(await answersOf(told.outlook, { link })).toMatchObject([{ answer: 'lost' }]);
    expect(told.asked).toEqual([]);
    expect(await answersOf(told.outlook, december)).toMatchObject([
      { answer: 'page', deltaLink: null, nextLink: null },
      { answer: 'lost', reason: expect.stringContaining('https://evil.example') as unknown },
    ]);
    expect(told.asked).toHaveLength(1);
  });
});
