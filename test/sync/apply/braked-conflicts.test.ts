/** Conflicts are no removals that the brake holds, also when they are about a deleted event. */
import { expect, test } from 'vitest';
import { readReasons } from '../../../src/ops/alert-reasons.ts';
import { createHeldRemovals, readHeld } from '../../../src/sync/manual/held-removals.ts';
import { room, open, heard, conflicts, resolve, type Rooms } from '../two-way-world.ts';

const hourAgo = `UPDATE bridge_removals SET wanted_at = wanted_at - interval '2 hours', applied_at = applied_at - interval '2 hours'`;

/** Reservations on the next `n` days, and their events. */
async function openBooked(n: number, change: Parameters<typeof open>[0] = {}) {
  const w = await open(change);
  for (let day = 1; day <= n; day += 1)
    await w.desk.book(101, { title: `B${day}`, from: w.day(day, '10:00'), to: w.day(day, '11:00') });
  await w.settle();
  return { w, events: w.outlook.in(room) };
}

/** What each list and alert says about removals that the brake holds. */
async function held(w: Rooms) {
  const removals = createHeldRemovals(w.db.pool, () => Promise.reject(new Error('not used')));
  const { alerts } = await readReasons(w.db.pool, { webhooks: false, sends: true });
  return {
    listed: (await removals.list(101)).length,
    rooms: await removals.rooms(),
    counted: await readHeld(w.db.pool, null),
    alerts: alerts.filter(({ type }) => type === 'brake').length,
    refused: await removals.refuse({ resourceId: 101, mappings: null }),
    told: w.facts.filter(({ fact }) => fact === 'brake-held').length,
  };
}

const nothing = { listed: 0, rooms: [], counted: [], alerts: 0, refused: 0, told: 0 };

/** A person deletes an event whose reservation the booking system changes meanwhile. */
async function deletedAndChanged({ w, events }: Awaited<ReturnType<typeof openBooked>>) {
  await w.db.query(`UPDATE bb_event SET name = 'changed' WHERE name = 'B1'`);
  w.outlook.remove(events[0]!.id);
  await heard(w);
  expect(await conflicts(w)).toMatchObject([{ kind: 'deleted' }]);
}

test('a deleted event whose reservation was changed is listed as a conflict only, also after another deletion', async () => {
  const booked = await openBooked(6, { conflict: 'ask' });
  await using w = booked.w;
  await deletedAndChanged(booked);
  w.outlook.remove(booked.events[1]!.id);
  await heard(w);
  expect((await w.reserved()).filter(({ active }) => active)).toHaveLength(5);
  expect(await held(w)).toEqual(nothing);
  expect(await conflicts(w)).toMatchObject([{ kind: 'deleted' }]);
});

test('nor is it counted among the removals that the brake holds', async () => {
  const booked = await openBooked(14, { conflict: 'ask' });
  await using w = booked.w;
  await deletedAndChanged(booked);
  for (const { id } of booked.events.slice(1, 13)) w.outlook.remove(id);
  await heard(w);
  expect(await held(w)).toMatchObject({ listed: 12, counted: [{ resource_id: 101, n: 12 }] });
  expect(w.facts.filter(({ fact }) => fact === 'brake-held').at(-1)).toMatchObject({ held: 12 });
});

test('an alert about the brake does not stay open for a conflict', async () => {
  const booked = await openBooked(6, { conflict: 'ask' });
  await using w = booked.w;
  await deletedAndChanged(booked);
  w.outlook.remove(booked.events[1]!.id);
  await heard(w);
  await w.db.query(
    `INSERT INTO bridge_alerts (type, severity, resource_id, message) VALUES ('brake', 'critical', 101, 'held')`,
  );
  expect((await readReasons(w.db.pool, { webhooks: false, sends: true })).kept).toEqual([]);
});

test('a conflict about a deleted event counts as a removal once a person follows Outlook', async () => {
  const booked = await openBooked(6, { conflict: 'ask' });
  await using w = booked.w;
  await deletedAndChanged(booked);
  for (const event of booked.events.slice(1, 3)) w.outlook.remove(event.id);
  await heard(w);
  await resolve(w, 'outlook');
  expect((await w.reserved()).filter(({ active }) => active)).toHaveLength(3);
  expect(
    await w.db.query('SELECT count(*)::int AS n FROM bridge_removals WHERE applied_at IS NOT NULL'),
  ).toEqual([{ n: 3 }]);
});

test('cancellations that the booking system refused do not count: nothing was removed', async () => {
  const { w, events } = await openBooked(20);
  await using _ = w;
  // several dates: it cannot be cancelled from Outlook
  await w.db.query(`INSERT INTO bb_event_date (event_id, from_, to_)
    SELECT id, from_ + interval '30 days', to_ + interval '30 days' FROM bb_event ORDER BY id LIMIT 10`);
  for (const event of events.slice(0, 10)) {
    w.outlook.remove(event.id);
    await heard(w);
    await w.db.query(hourAgo);
  }
  expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'refused'));
  w.outlook.remove(events[15]!.id);
  await heard(w);
  expect((await w.reserved()).filter(({ active }) => !active)).toHaveLength(1);
  expect(await held(w)).toEqual(nothing);
});

test('cancellations that were refused, and that a person asks for together once they are accepted, are not held', async () => {
  const { w, events } = await openBooked(14);
  await using _ = w;
  const dates = await w.db.query<{ id: number }>(`INSERT INTO bb_event_date (event_id, from_, to_)
    SELECT id, from_ + interval '30 days', to_ + interval '30 days' FROM bb_event RETURNING id`);
  for (const event of events.slice(0, 12)) {
    w.outlook.remove(event.id);
    await heard(w);
    await w.db.query(hourAgo);
  }
  expect(await conflicts(w)).toHaveLength(12);
  await w.db.query('DELETE FROM bb_event_date WHERE id = ANY ($1)', [dates.map(({ id }) => id)]);
  await resolve(w, 'outlook');
  expect((await w.reserved()).filter(({ active }) => !active)).toHaveLength(12);
  expect(await held(w)).toEqual(nothing);
  // they are counted, and the next loss waits
  w.outlook.remove(events[12]!.id);
  await heard(w);
  expect((await w.reserved()).filter(({ active }) => !active)).toHaveLength(12);
  expect(await held(w)).toMatchObject({ listed: 1, told: 1 });
});

test('a choice about a refused change does not release the loss of its event', async () => {
  const { w, events } = await openBooked(14);
  await using _ = w;
  await w.db.query(`INSERT INTO bb_event_date (event_id, from_, to_)
    SELECT id, from_ + interval '30 days', to_ + interval '30 days' FROM bb_event`);
  for (const { id, item } of events.slice(0, 12))
    w.outlook.edit(id, { endsAt: item!.endsAt.replace(/T\d\d/, 'T23') });
  await heard(w);
  expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(Array.from({ length: 12 }, () => 'refused'));
  for (const { id } of events.slice(0, 12)) w.outlook.remove(id);
  await w.notify(101);
  await resolve(w, 'outlook');
  expect((await w.reserved()).filter(({ active }) => !active)).toEqual([]);
  expect(await held(w)).toMatchObject({ listed: 12 });
});
