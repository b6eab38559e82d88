/** Ids that a JavaScript number rounds, in paths, query strings, bodies and answers. */
import { expect, test } from 'vitest';
import { enlargeIds, roundedIds } from '../support/large-ids.ts';
import { day } from '../support/dates.ts';
import { openApi } from './api.ts';

const [even, odd] = roundedIds;

async function openLarge() {
  const api = await openApi();
  await enlargeIds(api.db);
  await api.settle();
  for (const hour of [10, 12])
    await api.desk.book(101, {
      title: `Kl. ${hour}`,
      from: day(3, `${hour}:00`),
      to: day(3, `${hour + 1}:00`),
    });
  await api.settle();
  return api;
}

type Large = Awaited<ReturnType<typeof openLarge>>;

const active = (api: Large) => api.db.query('SELECT id::text, active FROM bb_event ORDER BY id');
const json = (body: string) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body });

test('a path and a query string name one of two neighbours, and the answer says which', async () => {
  await using api = await openLarge();
  const { body: listed } = await api.call('GET', `/mappings?reservation_type=event&reservation_id=${odd}`);
  expect(listed['mappings']).toMatchObject([{ reservation_id: odd }]);
  const { body: checked } = await api.call('GET', `/cancel/check/event/${even}`);
  expect(checked).toMatchObject({ reservation_status: { reservation_id: even } });
  const { body: synced } = await api.call('POST', `/sync/item/event/${odd}/101`);
  expect(JSON.stringify(synced)).toContain(`"item_id":"${odd}"`);
  await api.call('DELETE', `/cancel/reservation/event/${odd}/101`);
  expect(await active(api)).toEqual([
    { id: even, active: 1 },
    { id: odd, active: 0 },
  ]);
  expect(
    await api.db.query(
      `SELECT reservation_id::text AS id FROM bridge_log WHERE action = 'asked' ORDER BY id DESC LIMIT 1`,
    ),
  ).toEqual([{ id: odd }]);
});

test.for([
  ['a number', `${odd}`],
  ['a text', `"${odd}"`],
])('a body names it by %s of JSON', async ([, written]) => {
  await using api = await openLarge();
  const body = `{ "reservations": [{ "reservation_type": "event", "reservation_id": ${written}, "resource_id": 101 }] }`;
  const answer = await api.call('POST', '/cancel/bulk', json(body));
  expect(answer.body).toMatchObject({ results: { details: [{ reservation_id: odd, status: 'cancelled' }] } });
  expect(await active(api)).toEqual([
    { id: even, active: 1 },
    { id: odd, active: 0 },
  ]);
});

test.for(['9223372036854775808', '99999999999999999999', '1.5', '-1'])(
  '%s is refused with the name of the field',
  async (id) => {
    await using api = await openApi();
    const answer = await api.call('GET', `/cancel/check/event/${id}`);
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining('id:') } });
  },
);
