import { describe, expect, test } from 'vitest';
import { openProxy } from '../support/proxy.ts';
import { addDay } from './stage-days.ts';
import { chromiumPath, openStage, photograph, says, visit, type Stage } from './stage.ts';

describe.skipIf(chromiumPath === null)('what is stuck, and what to do about it', () => {
  /** Twelve meetings in Outlook whose rows are gone: more than the brake lets go. */
  async function openHeld(): Promise<Stage> {
    const stage = await openStage();
    await addDay(stage.db);
    for (let day = 1; day <= 12; day += 1)
      await stage.desk.book(102, {
        title: `Bystyrekomité ${day}`,
        from: stage.day(day, '10:00'),
        to: stage.day(day, '12:00'),
      });
    await stage.settled();
    await stage.db.query('TRUNCATE bb_event CASCADE');
    await stage.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    return stage;
  }

  test('the brake shows what it holds; a part is refused, the rest released, and the events say so', async () => {
    await using stage = await openHeld();
    await using page = await visit(stage.url);
    expect(await says(page, /The brake holds/)).toBe('The brake holds 12 removals in Bystyresalen.');
    await page.locator('#brake').getByText('Bystyrekomité 12').waitFor();
    await photograph(page, 'brake-light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await photograph(page, 'brake-dark');
    await page.getByLabel('All of them').uncheck();
    await page.getByLabel('Choose Bystyrekomité 3').check();
    await page.getByRole('button', { name: 'Refuse: keep 1 event' }).click();
    await photograph(page, 'brake-question', false);
    await page.getByRole('dialog').getByRole('button', { name: 'Keep' }).click();
    await says(page, /holds 11 removals/);
    await page.getByLabel('All of them').check();
    await page.getByRole('button', { name: 'Release: delete 11 events' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await says(page, /Everything is equal/);
    expect(stage.titles(102)).toEqual(['Bystyrekomité 3']);
    expect(page.problems).toEqual([]);
  });

  test('of events that are gone from Outlook it says that reservations would be cancelled; refused, they are shown again', async () => {
    await using stage = await openStage();
    for (let day = 1; day <= 12; day += 1)
      await stage.desk.book(102, {
        title: `Bystyrekomité ${day}`,
        from: stage.day(day, '10:00'),
        to: stage.day(day, '12:00'),
      });
    await stage.settled();
    for (const event of stage.events(102))
      stage.tenant.people.remove('bystyresalen@bergen.example', event.id);
    await stage.poll();
    await using page = await visit(stage.url);
    expect(await says(page, /The brake holds/)).toBe('The brake holds 12 removals in Bystyresalen.');
    await page.locator('#detail', { hasText: 'events disappeared from Outlook' }).waitFor();
    await page.getByRole('button', { name: 'Release: cancel 12 reservations' }).waitFor();
    await photograph(page, 'brake-booking');
    await page.getByRole('button', { name: 'Refuse: keep 12 reservations' }).click();
    await page.getByRole('dialog').getByText('gets a new event in Outlook').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep' }).click();
    await says(page, /Everything is equal: 2 rooms, 12 reservations/);
    expect(stage.titles(102)).toHaveLength(12);
    expect(page.problems).toEqual([]);
  });

  test('a question that is cancelled changes nothing', async () => {
    await using stage = await openHeld();
    await using page = await visit(stage.url);
    await page.getByRole('button', { name: 'Release: delete 12 events' }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(stage.tenant.journal.filter(({ method }) => method === 'DELETE')).toEqual([]);
    expect(stage.titles(102)).toHaveLength(12);
  });

  test('what could not be brought over has its reason, and a button that tries again', async () => {
    await using stage = await openStage();
    const sick = stage.tenant.faults.add({
      match: { method: 'POST' },
      action: { do: 'refuse', status: 400, code: 'ErrorInvalidRequest', message: 'The request is invalid.' },
    });
    await stage.desk.book(101, {
      title: 'Byggesaksutvalget',
      from: stage.day(1, '10:00'),
      to: stage.day(1, '11:00'),
    });
    await using page = await visit(stage.url);
    expect(await says(page, /could not/)).toBe('1 reservation could not be synced.');
    await page.locator('#errors').getByText('The request is invalid').waitFor();
    await page.locator('#errors').getByText('Try again, or change the booking').waitFor();
    await page.locator('#rooms-body tr', { hasText: 'Formannskapssalen' }).getByText('failed').waitFor();
    await page.locator('#alerts').getByText('See the remedy above').waitFor();
    await photograph(page, 'error-light');
    stage.tenant.faults.remove(sick);
    await page.locator('#errors').getByRole('button', { name: 'Try again' }).click();
    await says(page, /Everything is equal: 2 rooms, 1 reservation/);
    expect(stage.titles(101)).toEqual(['Byggesaksutvalget']);
    expect(await page.locator('#errors').textContent()).toBe('');
  });

  test('a mailbox that refuses us is named with what to do', async () => {
    await using stage = await openStage();
    stage.tenant.faults.add({
      match: { mailbox: 'bystyresalen@bergen.example' },
      action: { do: 'refuse', as: 'accessDenied' },
    });
    await stage.desk.book(102, { from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await using page = await visit(stage.url);
    expect(await says(page, /refuses/)).toBe('Outlook refuses 1 room: Bystyresalen.');
    const needsAttention = page.locator('#figures > div', { hasText: 'Needs attention' });
    await needsAttention.getByText('1 room refused').waitFor();
    await page.getByRole('button', { name: /^Trouble 1/ }).click();
    expect(await page.locator('#rooms-body tr').count()).toBe(1);
  });

  test('while Outlook is away the page says since when and what waits; when it is back, that all is equal', async () => {
    await using stage = await openStage();
    await stage.desk.book(101, { title: 'First', from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await stage.settled();
    stage.tenant.faults.token({ refuse: 'unavailable' });
    stage.tenant.revokeTokens();
    await stage.desk.book(101, { title: 'Second', from: stage.day(2, '10:00'), to: stage.day(2, '11:00') });
    await using page = await visit(stage.url);
    expect(await says(page, /unreachable/)).toMatch(/^Outlook has been unreachable since \d\d:\d\d\.$/);
    await page.locator('#detail', { hasText: '1 change waits' }).waitFor();
    await photograph(page, 'outage-light');
    stage.tenant.faults.clear();
    await says(page, /Everything is equal: 2 rooms, 2 reservations/);
  });

  test('while a backfill runs its bar grows, and the sentence says how far it is', async () => {
    await using stage = await openStage({ mapped: [] });
    await stage.db.query(`
      WITH made AS (INSERT INTO bb_event (activity_id, name, description, from_, to_, building_id, building_name, contact_name,
        contact_email, contact_phone, is_public, secret)
        SELECT 1, 'Møte ' || n, '', d, d + interval '30 minutes', 10, 'Rådhuset', 'Kari', 'kari@bergen.example', '5', 1, 'demo'
        FROM generate_series(1, 300) n, LATERAL (SELECT date_trunc('day', now())::timestamp + n * interval '1 hour' AS d) t
        RETURNING id, from_, to_), dated AS (INSERT INTO bb_event_date (event_id, from_, to_) SELECT id, from_, to_ FROM made)
      INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 101 FROM made`);
    const slow = stage.tenant.faults.add({ match: { method: 'POST' }, action: { do: 'delay', ms: 400 } });
    await using page = await visit(stage.url);
    await says(page, /No room is mapped yet/);
    await stage.map(101);
    await says(page, /Backfilling existing bookings/);
    await page.locator('#backfill-text', { hasText: /of 300/ }).waitFor();
    await photograph(page, 'backfill-light');
    stage.tenant.faults.remove(slow);
    await says(page, /Everything is equal: 1 room, 300 reservations/);
    expect(await page.locator('#backfill').isHidden()).toBe(true);
  });

  test('when the daemon is away the page says so, and goes on by itself when it is back', async () => {
    await using stage = await openStage();
    await using page = await visit(stage.url);
    await says(page, /Everything is equal/);
    const start = await stage.stopDaemon();
    await says(page, /The daemon does not answer/);
    // what still stands there is told to be old, and no light is green
    await page.locator('#detail', { hasText: /The data below is from \d\d:\d\d:\d\d, / }).waitFor();
    expect(
      await page.evaluate('getComputedStyle(document.querySelector("#rooms-body .dot")).backgroundColor'),
    ).toBe('rgba(0, 0, 0, 0)');
    await page.locator('#line[data-state=lost]').waitFor();
    await photograph(page, 'daemon-away');
    await start();
    await says(page, /Everything is equal/);
    await page.locator('#line[data-state=on]').waitFor();
    expect(page.problems).toEqual([]);
  });

  test('when the database is away the page says so, and goes on by itself when it is back', async () => {
    await using opened = new AsyncDisposableStack();
    let proxy: Awaited<ReturnType<typeof openProxy>> | null = null;
    await using stage = await openStage({
      through: async (url) => {
        proxy = opened.use(await openProxy(url));
        return proxy.through(url);
      },
    });
    await using page = await visit(stage.url);
    await says(page, /Everything is equal/);
    proxy!.refuseNew = true;
    proxy!.reset();
    await says(page, /The booking database is unreachable/);
    await photograph(page, 'database-away');
    proxy!.refuseNew = false;
    await says(page, /Everything is equal/);
  });
});
