import { expect, test } from 'vitest';
import { date } from '../support/dates.ts';
import { openApi, type Answer, type Api } from './api.ts';

const resultsOf = (answer: Answer) => answer.body['results'] as Record<string, unknown>[];
const search = (api: Api, q: string, more = '') =>
  api.call('GET', `/search?q=${encodeURIComponent(q)}${more}`);
const titles = async (api: Api, q: string) => resultsOf(await search(api, q)).map((one) => one['title']);

const weekday = (days: number) =>
  new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' }).format(
    new Date(`${date(days)}T00:00:00Z`),
  );

/** Choir rehearsals on two evenings, a budget meeting, and an event that a person makes in Outlook. */
async function openSeason() {
  const api = await openApi();
  const book = (days: number, title: string, resource = 101) =>
    api.desk.book(resource, { title, from: api.day(days, '18:00'), to: api.day(days, '20:00') });
  const [first] = [await book(2, 'Korprøve'), await book(3, 'Korprøve'), await book(2, 'Budsjettmøte', 102)];
  await api.settle();
  return Object.assign(api, { first });
}

test('a title and a weekday find the one on that day, and lead to its explanation', async () => {
  await using api = await openSeason();
  const found = await search(api, `Korprøve on ${weekday(2)}`);
  expect(found.body).toMatchObject({
    success: true,
    query: `Korprøve on ${weekday(2)}`,
    understood: { text: 'korprove', date: date(2), to: date(2) },
    count: 1,
  });
  const [one] = resultsOf(found);
  expect(one).toMatchObject({
    reservation_type: 'event',
    reservation_id: api.first.id,
    resource_id: 101,
    room: 'formannskapssalen@bergen.example',
    title: 'Korprøve',
    status: 'synced',
    outlook: { title: 'Korprøve' },
    explain: `/mappings/${String(one!['mapping_id'])}/explain`,
  });
  expect((await api.call('GET', String(one!['explain']))).status).toBe(200);
});

test('accents, case and typing errors do not hide a title, and words of which one matches nothing find nothing', async () => {
  await using api = await openSeason();
  for (const q of ['korprove', 'KORPRØVE', 'korpröve', 'korpørve', 'kor prøve', 'korpr'])
    expect(await titles(api, q), q).toEqual(['Korprøve', 'Korprøve']);
  expect(await titles(api, 'budsjetmote')).toEqual(['Budsjettmøte']);
  expect(await titles(api, 'korprøve zoologi')).toEqual([]);
});

test('a room is found by its name and by its resource, a reservation by its id and an event by its id in Outlook', async () => {
  await using api = await openSeason();
  await api.db.query(
    `UPDATE bridge_resource_mappings SET outlook_item_name = 'Bystyresalen' WHERE resource_id = 102`,
  );
  for (const q of ['bystyresal', 'room 102']) expect(await titles(api, q), q).toEqual(['Budsjettmøte']);
  for (const q of [
    `event/${api.first.id}`,
    `event ${api.first.id}`,
    `#${api.first.id}`,
    String(api.first.id),
  ])
    expect(resultsOf(await search(api, q))[0], q).toMatchObject({ reservation_id: api.first.id });
  const { outlook_event_id: event } = (await api.mapping(api.first)) as { outlook_event_id: string };
  expect(resultsOf(await search(api, event))).toMatchObject([
    { reservation_id: api.first.id, outlook_event_id: event },
  ]);
});

test('a person is found who booked, also by an address', async () => {
  await using api = await openSeason();
  await api.db.query(
    `UPDATE bb_event SET organizer = 'Åse Ødegård', contact_name = 'Åse Ødegård', contact_email = 'aase@kor.example' WHERE id = $1`,
    [api.first.id],
  );
  await api.settle();
  for (const q of ['ase odegard', 'Ødegård korprøve', 'aase@kor.example'])
    expect(resultsOf(await search(api, q)), q).toMatchObject([{ reservation_id: api.first.id }]);
});

test('an event that only Outlook has is found by what Outlook shows, and so is one that was renamed there', async () => {
  await using api = await openApi({ importMode: 'manual' });
  await api.settle();
  api.outlook.put(
    'formannskapssalen@bergen.example',
    {
      startsAt: `${date(4)}T10:00:00Z`,
      endsAt: `${date(4)}T11:00:00Z`,
      allDay: false,
      title: 'Utstillingsåpning',
      description: '',
      isPrivate: false,
    },
    null,
  );
  await api.notify(101);
  await api.settle();
  expect(resultsOf(await search(api, `utstillingsapning ${date(4)}`))).toMatchObject([
    {
      title: 'Utstillingsåpning',
      reservation_id: null,
      status: 'imported',
      outlook: { title: 'Utstillingsåpning' },
    },
  ]);
});

test('what is nearest to now comes first among equals, at most as many as asked for, with how many there are', async () => {
  await using api = await openSeason();
  const found = await search(api, 'korprøve', '&limit=1');
  expect(found.body).toMatchObject({ count: 1, total: 2 });
  expect(resultsOf(found)).toMatchObject([{ reservation_id: api.first.id }]);
  expect((await search(api, 'korprøve', '&limit=999999')).status).toBe(200);
});

test('a weekday without such a reservation shows those of other weeks and says so', async () => {
  await using api = await openSeason();
  await api.desk.book(101, { title: 'Revy', from: api.day(12, '18:00'), to: api.day(12, '20:00') });
  await api.settle();
  const found = await search(api, `revy ${weekday(12)}`);
  expect(found.body).toMatchObject({ count: 1, remark: expect.stringContaining('other such weekdays') });
});

test('a reservation of a room that is not mapped is found by its id and has nothing to explain', async () => {
  await using api = await openSeason();
  const { id } = await api.desk.book(103, {
    title: 'Utenfor',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  expect(resultsOf(await search(api, `event/${id}`))).toMatchObject([
    { mapping_id: null, title: 'Utenfor', status: 'unmapped', explain: null },
  ]);
});

test.each([
  ['', 'q'],
  ['?q=', 'q'],
  ['?q=%20', 'q'],
  [`?q=${'x'.repeat(2_001)}`, 'q'],
  ['?q=%00', 'q'],
  ['?q=2026-02-31', 'q'],
  ['?q=kor&limit=0', 'limit'],
  ['?q=kor&limit=many', 'limit'],
  ['?query=kor', 'query'],
])('/search%s is refused with the name of the field', async (query, field) => {
  await using api = await openApi();
  expect(await api.call('GET', `/search${query}`)).toMatchObject({
    status: 400,
    body: { success: false, field },
  });
});

test.each([`'; DROP TABLE bridge_mappings; --`, '%', '_', '\\', '((((', '[a-z]*', '😀', '½'])(
  'a search for %s is only a search',
  async (q) => {
    await using api = await openApi();
    expect([200, 400]).toContain((await search(api, `${q} x`)).status);
    expect((await api.call('GET', '/search?q=korpr')).status).toBe(200);
  },
);
test('a title far from now is found among very many that are nearer, and all that match are counted', async () => {
  await using api = await openApi();
  await api.db.query(`
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, sync_status, starts_at, ends_at,
      agreement, booking_base, booking_seen, outlook_base)
    SELECT 'event', 10000 + n, 101, 'formannskapssalen@bergen.example', 'synced', at, at + interval '1 hour', 'agreed', s, s, s
    FROM generate_series(1, 20100) n,
      LATERAL (SELECT now() + CASE WHEN n = 20100 THEN interval '300 days' ELSE n * interval '1 minute' END AS at) t,
      LATERAL (SELECT jsonb_build_object('startsAt', at, 'endsAt', at + interval '1 hour', 'allDay', false, 'description', '', 'isPrivate', false,
        'title', CASE WHEN n = 20100 THEN 'Særmøte' ELSE 'Korprøve ' || n % 7 END) AS s) i`);
  expect(await titles(api, 'særmøte')).toEqual(['Særmøte']);
  expect(await titles(api, 'sermote')).toEqual(['Særmøte']);
  const many = await search(api, 'korprøve 3', '&limit=5');
  expect(many.body).toMatchObject({ count: 5, total: 2_871 });
});
