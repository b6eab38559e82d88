/** A refusal reaches as far as the call that it answers: what else works goes on. */
import { describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { openWorld, rooms } from './world.ts';

const upn = rooms[101]!.upn;
const noWebhook = { POLL_INTERVAL_SECONDS: '5' };

async function openQuiet() {
  const world = await openWorld({ env: noWebhook, mapped: [101] });
  const daemon = await world.start();
  await world.settled();
  const told = (match: RegExp) =>
    daemon.facts.filter((fact) => 'error' in fact && match.test(String(fact.error)));
  return { ...world, daemon, told };
}
type World = Awaited<ReturnType<typeof openQuiet>>;

const book = (w: World, n: number, days = 3) =>
  w.desk.book(101, {
    title: `Møte ${n}`,
    from: w.day(days, `${String(6 + n)}:00`),
    to: w.day(days, `${String(6 + n)}:45`),
  });

const health = async (w: World) =>
  (
    await w.db.query<{ health: string; hint: string | null }>('SELECT health, hint FROM bridge_room_state')
  )[0]!;

const calls = (w: World, method: string) =>
  w.tenant.journal.filter((entry) => entry.method === method && entry.mailbox !== null);

describe('delta alone', () => {
  for (const as of [
    'quotaExceeded',
    'accessDenied',
    'internalError',
    'serviceUnavailable',
    'noMailbox',
  ] as const)
    test(`refuses (${as}): bookings go out and events come in all the same`, async () => {
      await using w = await openQuiet();
      w.tenant.faults.set({ refuses: { delta: as } });
      await book(w, 1);
      await until(() => w.titles(101).length === 1);
      const start = `${w.day(4, '10:00').replace(' ', 'T')}:00Z`;
      const end = `${w.day(4, '11:00').replace(' ', 'T')}:00Z`;
      w.tenant.people.book(upn, { subject: 'Typed in Outlook', start, end });
      await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
      w.daemon.daemon.ring();
      await until(
        async () => (await w.db.query("SELECT FROM bb_event WHERE name = 'Typed in Outlook'")).length === 1,
      );
      await w.settled();
      expect(await health(w)).toMatchObject({ health: 'ok' });
      expect(w.told(/refuse|rights|quota/i)).toEqual([]);
    });
});

describe('creates alone', () => {
  for (const as of ['quotaExceeded', 'insufficientStorage', 'accessDenied'] as const)
    test(`are refused (${as}): a cancellation and an edit go out, and the creates do when they may`, async () => {
      await using w = await openQuiet();
      const old = await book(w, 0, 5);
      const kept = await book(w, 1, 5);
      await w.settled();
      w.tenant.faults.set({ refuses: { create: as } });
      for (let n = 0; n < 14; n += 1) await book(w, n);
      await until(() => calls(w, 'POST').some(({ status }) => status >= 400));
      await w.desk.cancel(old);
      await w.desk.retitle(kept, 'Ny tittel');
      await until(() => calls(w, 'DELETE').some(({ status }) => status === 204));
      await until(() => w.titles(101).includes('Ny tittel'));
      expect(w.titles(101)).toEqual(['Ny tittel']);
      // after the first of them, one tries for all
      expect(calls(w, 'POST').filter(({ status }) => status >= 400).length).toBeLessThan(2 + 14 * 2);
      // it is written down when the round ends, after the removal and the change went out
      const { hint } = await until(
        () => health(w),
        (room) => room.health === 'refused',
      );
      expect(hint).toMatch(as === 'accessDenied' ? /Calendars.ReadWrite/ : /full/);
      w.tenant.faults.set({ refuses: {} });
      await w.retried();
      expect(w.titles(101)).toHaveLength(15);
      expect(await health(w)).toMatchObject({ health: 'ok' });
    });
});

describe('a removal alone', () => {
  test('is refused and the event is not there: that is done', async () => {
    await using w = await openQuiet();
    const choir = await book(w, 1);
    await w.settled();
    w.tenant.faults.set({ refuses: { delete: 'cannotDelete' } });
    w.tenant.people.remove(upn, w.events(101)[0]!.id);
    await w.desk.cancel(choir);
    await w.settled();
    expect(await w.db.query('SELECT sync_status, error_message FROM bridge_mappings')).toEqual([
      { sync_status: 'cancelled', error_message: null },
    ]);
    expect(await health(w)).toMatchObject({ health: 'ok' });
  });

  test('is refused and the event is there: that item waits, and the room goes on', async () => {
    await using w = await openQuiet();
    const choir = await book(w, 1);
    await w.settled();
    w.tenant.faults.set({ refuses: { delete: 'cannotDelete' } });
    await w.desk.cancel(choir);
    await book(w, 2);
    await w.settled();
    expect(w.titles(101)).toEqual(['Møte 1', 'Møte 2']);
    expect(await health(w)).toMatchObject({ health: 'ok' });
    expect(
      await w.db.query(
        `SELECT conflict ->> 'kind' AS kind FROM bridge_mappings WHERE sync_status = 'conflict'`,
      ),
    ).toEqual([{ kind: 'rejected' }]);
  });
});

test('a removal that is answered "not there" about an event that is there is made again when it shows', async () => {
  await using w = await openQuiet();
  const at = (time: string) => `${w.day(3, time).replace(' ', 'T')}:00Z`;
  const typed = w.tenant.people.book(upn, { subject: 'Typed', start: at('10:00'), end: at('11:00') });
  await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
  w.daemon.daemon.ring();
  const reservations = () => w.db.query('SELECT active FROM bb_event ORDER BY id');
  await until(async () => (await reservations()).length === 1);
  await w.settled();
  w.tenant.faults.add({
    match: { method: 'DELETE' },
    times: 1,
    action: { do: 'refuse', as: 'itemNotFound' },
  });
  await w.db.query('UPDATE bb_event SET active = 0');
  await until(
    async () =>
      (await w.db.query("SELECT FROM bridge_mappings WHERE sync_status = 'cancelled'")).length === 1,
  );
  expect(w.titles(101)).toEqual(['Typed']);
  w.tenant.people.touch(upn, typed.id);
  await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
  w.daemon.daemon.ring();
  await until(() => w.titles(101).length === 0);
  await w.settled();
  expect(await reservations()).toEqual([{ active: 0 }]);
});

test('changes alone are refused: creates and removals go out', async () => {
  await using w = await openQuiet();
  const [choir, gone] = [await book(w, 1), await book(w, 2)];
  await w.settled();
  w.tenant.faults.set({ refuses: { change: 'accessDenied' } });
  await w.desk.retitle(choir, 'Koret');
  await w.desk.cancel(gone);
  await book(w, 3);
  await w.settled();
  expect(w.titles(101)).toEqual(['Møte 1', 'Møte 3']);
  expect(await health(w)).toMatchObject({ health: 'ok' });
});

describe('the whole calendar alone', () => {
  for (const as of ['accessDenied', 'internalError', 'quotaExceeded'] as const)
    test(`cannot be read (${as}) before a room is known: changes and removals go out, and creates when it can`, async () => {
      await using w = await openQuiet();
      const [kept, gone] = [await book(w, 1), await book(w, 2)];
      await w.settled();
      const fault = w.tenant.faults.add({
        match: { method: 'GET', path: '/calendarView' },
        action: { do: 'refuse', as },
      });
      await w.db.query('UPDATE bridge_resource_mappings SET active = 0');
      await w.db.query('UPDATE bridge_resource_mappings SET active = 1');
      await book(w, 3);
      await w.desk.retitle(kept, 'Koret');
      await w.desk.cancel(gone);
      await until(() => w.titles(101).join() === 'Koret');
      expect(calls(w, 'POST').length).toBe(2);
      await until(async () => (await health(w)).health !== 'ok');
      // what is changed later need not wait either
      await w.desk.retitle(kept, 'Orkesteret');
      await until(() => w.titles(101).join() === 'Orkesteret');
      const reads = calls(w, 'GET').filter(({ path }) => path.includes('calendarView')).length;
      expect(reads).toBeLessThan(40);
      w.tenant.faults.remove(fault);
      await w.retried();
      expect(w.titles(101)).toEqual(['Orkesteret', 'Møte 3']);
      expect(await health(w)).toMatchObject({ health: 'ok' });
    });
});
