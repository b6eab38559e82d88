import { describe, expect, test } from 'vitest';
import { untilTrue } from '../support/until.ts';
import { addDay, addPausedRooms } from './stage-days.ts';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('at work', () => {
  test('a booking made now appears in the feed with its way in ms, and its row explains it step by step', async () => {
    await using stage = await openStage();
    await using page = await visit(stage.url);
    await says(page, /Everything is equal/);
    const booked = await stage.desk.book(101, {
      title: 'Kulturutvalget',
      description: 'Sak 12',
      from: stage.day(1, '10:00'),
      to: stage.day(1, '11:00'),
    });
    const entry = page.locator('#feed li', { hasText: 'Kulturutvalget' });
    await entry.waitFor();
    expect(await entry.textContent()).toMatch(/→Kulturutvalgetcreated · Formannskapssalen\d+(\.\d)? (ms|s)$/);
    await stage.desk.retitle(booked, 'Kulturutvalget, ekstra');
    await page.locator('#feed li', { hasText: 'ekstra' }).first().waitFor();
    await page.getByRole('button', { name: 'Kulturutvalget, ekstra' }).first().click();
    const steps = page.locator('#explain .steps li');
    await steps.nth(1).waitFor();
    const texts = await steps.allTextContents();
    expect(texts[0]).toMatch(/Its event was changed in Outlook, \d+ ms after the change/);
    expect(texts[1]).toMatch(/Its event was created in Outlook/);
    expect(texts[0]).toMatch(/request [0-9a-f-]{36}/);
    await photograph(page, 'explain-light', false);
    await page.keyboard.press('Escape');
    await page.locator('#explain').waitFor({ state: 'hidden' });
    expect(page.problems).toEqual([]);
  });

  test('a room is given settings of its own on its sheet, and its events follow', async () => {
    await using stage = await openStage();
    await stage.desk.book(101, { title: 'Kor', from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await stage.settled();
    await using page = await visit(stage.url);
    await page.locator('#rooms-body').getByRole('button', { name: 'Formannskapssalen' }).click();
    await page.getByText('Settings of this room').click();
    await page.getByLabel('Titles').fill('Rom: {title}');
    await page.getByLabel('Titles').press('Tab');
    await page.getByLabel('Outlook shows').selectOption('full');
    await untilTrue(
      stage.db,
      `(SELECT (privacy, title_template) = ('full', 'Rom: {title}') FROM bridge_resource_mappings WHERE resource_id = 101)`,
    );
    await stage.settled();
    expect(stage.titles(101)).toEqual(['Rom: Kor']);
    await page.getByLabel('Titles').fill('{title} {who}');
    await page.getByLabel('Titles').press('Tab');
    await page.getByText('has the unknown placeholder {who}').first().waitFor();
    await photograph(page, 'room-settings', false);
  });

  test('what is booked at once under one name is one line, with its number and its slowest', async () => {
    await using stage = await openStage();
    for (let day = 1; day <= 8; day += 1)
      await stage.desk.bookGroup(101, { from: stage.day(day, '18:00'), to: stage.day(day, '19:00') });
    await stage.settled();
    await stage.desk.book(102, { title: 'Årsmøte', from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await using page = await visit(stage.url);
    await page.locator('#feed li', { hasText: 'Årsmøte' }).waitFor();
    await page.locator('#feed .sub', { hasText: '8 times created · Formannskapssalen' }).waitFor();
    expect(await page.locator('#feed li').count()).toBe(2);
    expect(await page.locator('#feed li', { hasText: '8 times' }).locator('.took').textContent()).toMatch(
      /^≤ \d/,
    );
    await photograph(page, 'feed-folded', false);
  });

  test('a reservation is found by its type and number, in all its rooms; an address leads to it', async () => {
    await using stage = await openStage();
    const { id } = await stage.desk.book([101, 102], {
      title: 'Formannskap og bystyre',
      from: stage.day(1, '10:00'),
      to: stage.day(1, '11:00'),
    });
    await stage.settled();
    await using page = await visit(stage.url);
    await page.getByLabel('Search reservations and events').fill(`event/${id}`);
    await page.keyboard.press('Enter');
    await page.locator('#explain-title', { hasText: 'Formannskap og bystyre' }).waitFor();
    await page
      .getByRole('group', { name: 'Its rooms' })
      .getByRole('button', { name: 'Bystyresalen' })
      .click();
    await page.locator('#explain dd', { hasText: 'bystyresalen@bergen.example' }).waitFor();
    expect(new URL(page.url()).hash).toBe(`#/booking/event/${id}`);
    await page.reload();
    await page.locator('#explain-title', { hasText: 'Formannskap og bystyre' }).waitFor();
  });

  test('a reservation that is nowhere is said to be nowhere', async () => {
    await using stage = await openStage();
    await using page = await visit(`${stage.url}/#/booking/allocation/424242`);
    await page.locator('#explain', { hasText: 'There is no history here.' }).waitFor();
  });

  test('a room is paused, resumed and compared again from its sheet', async () => {
    await using stage = await openStage();
    await stage.desk.book(101, { title: 'Årsmøte', from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await stage.settled();
    await using page = await visit(stage.url);
    await page.locator('#rooms-body').getByRole('button', { name: 'Formannskapssalen' }).click();
    const sheet = page.locator('#room');
    await sheet.getByRole('button', { name: 'Årsmøte' }).first().waitFor();
    await photograph(page, 'room-light', false);
    await sheet.getByRole('button', { name: 'Pause' }).click();
    await sheet.getByRole('button', { name: 'Resume' }).click();
    await sheet.getByRole('button', { name: 'Compare both sides again' }).click();
    await page.getByText('Both sides were compared').waitFor();
    const [room] = await stage.db.query(
      'SELECT active FROM bridge_resource_mappings WHERE resource_id = 101',
    );
    expect(room).toEqual({ active: 1 });
    expect(page.problems).toEqual([]);
  });

  test('a thousand rooms are searched, filtered, sorted and shown a page at a time', async () => {
    await using stage = await openStage();
    await addPausedRooms(stage.db, 1_000);
    await addDay(stage.db);
    await using page = await visit(stage.url);
    await says(page, /Everything is equal: 2 rooms/);
    const rows = page.locator('#rooms-body tr');
    await expect.poll(() => rows.count()).toBe(150);
    await photograph(page, 'rooms-light');
    await page.getByRole('button', { name: 'Show all 1,002' }).click();
    expect(await rows.count()).toBe(1_002);
    await page.getByLabel('Search rooms').fill('grupperom 77');
    expect(await rows.count()).toBe(11);
    await page.locator('#rooms-head').getByRole('button', { name: 'Room' }).click();
    await page.locator('#rooms-head').getByRole('button', { name: 'Room' }).click();
    expect(await page.locator('#rooms-head th[aria-sort]').getAttribute('aria-sort')).toBe('descending');
    expect(await rows.first().locator('.name').textContent()).toBe('Grupperom 779');
    await page.getByLabel('Search rooms').fill('');
    await page.getByRole('button', { name: 'Paused 1,000' }).click();
    expect(await rows.first().locator('.state').textContent()).toBe('paused');
  });

  test('both charts show the day in both directions, and say it in words', async () => {
    await using stage = await openStage();
    await addDay(stage.db);
    await using page = await visit(stage.url);
    await page.locator('#day canvas').waitFor();
    await page.locator('#histogram canvas').waitFor();
    expect(await page.locator('#day-caption').textContent()).toMatch(
      /^To Outlook: \d+ changes, median \d+ ms, 95th percentile .+ To the booking system: \d+ changes/,
    );
    await page.locator('#day .u-over').hover();
    await page.locator('#day-caption', { hasText: /^\d\d:\d\d–\d\d:\d\d/ }).waitFor();
  });

  test('a hidden page asks for nothing, for minutes; seen again, it looks at once', async () => {
    await using stage = await openStage();
    await using page = await visit('about:blank');
    await page.clock.install();
    await page.goto(stage.url);
    await says(page, /Everything is equal/);
    const hide = (hidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await hide(true);
    const underWay = asked.filter((path) => path !== '/live').length;
    await page.clock.runFor(120_000);
    await stage.desk.book(101, { from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await stage.settled();
    expect(asked.length).toBe(underWay);
    await hide(false);
    await says(page, /2 rooms, 1 reservation/);
    expect(asked).toContain('/live');
  });
});
