/** The history of a room on its sheet, page by page, by keyboard. */
import { describe, expect, test } from 'vitest';
import { chromiumPath, openStage, photograph, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('the history of a room', () => {
  test('the newest twenty lines first, older ones by keyboard, of this room only', async () => {
    await using stage = await openStage();
    await stage.desk.book(101, { title: 'Kor', from: stage.day(1, '10:00'), to: stage.day(1, '12:00') });
    await stage.desk.book(102, {
      title: 'Annet rom',
      from: stage.day(1, '10:00'),
      to: stage.day(1, '12:00'),
    });
    await stage.settled();
    await stage.db.query(
      `INSERT INTO bridge_log (resource_id, action, who, reason, at)
       SELECT 101, 'asked', 'ANNA', 'gammel ' || n, now() - interval '1 hour' FROM generate_series(1, 30) n`,
    );
    await using page = await visit(`${stage.url}/#/room/101`);
    const history = page.locator('#room .steps li');
    await expect.poll(() => history.count()).toBe(20);
    await photograph(page, 'room-history', false);
    await page.locator('#room').getByRole('button', { name: 'Show older' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => history.count()).toBe(31);
    expect(await page.locator('#room').getByRole('button', { name: 'Show older' }).count()).toBe(0);
    expect(await page.evaluate('document.activeElement.closest("#room .steps") !== null')).toBe(true);
    await history.getByText('Its event was created in Outlook').waitFor();
    expect(await page.locator('#room .steps').textContent()).not.toContain('Annet rom');
    expect(page.problems).toEqual([]);
  });

  test('a one-way room is named as such in the list, on its sheet, in its week and for each reservation', async () => {
    await using stage = await openStage({ mapped: [101, 102] });
    await stage.db.query(
      `UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook' WHERE resource_id = 101`,
    );
    await stage.desk.book(101, { title: 'Kor', from: stage.day(0, '10:00'), to: stage.day(0, '12:00') });
    await stage.settled();
    const text = 'One-way room: changes made in Outlook do not reach the booking system.';
    await using page = await visit(stage.url, { viewport: { width: 390, height: 844 } });
    const rows = page.locator('#rooms-body tr');
    await expect
      .poll(() => rows.filter({ hasText: 'only to Outlook' }).locator('.name').innerText())
      .toContain('Formannskapssalen');
    expect(await page.getByText('only to Outlook').count()).toBe(1);
    await page.goto(`${stage.url}/#/room/101`);
    await page.locator('#room').getByText(text).waitFor();
    await page.locator('#room').getByRole('button', { name: 'Kor' }).first().click();
    await page.locator('#explain').getByText(text).waitFor();
    await page.goto(`${stage.url}/#/calendar/101/day/`);
    await page.locator('#calendar').getByText(text).waitFor();
    await page.goto(`${stage.url}/#/room/102`);
    await page.locator('#room').getByRole('heading', { name: 'Bystyresalen' }).waitFor();
    expect(await page.locator('#room').getByText('One-way').count()).toBe(0);
  });

  test('the list of rooms is narrowed by typing and by state, by keyboard', async () => {
    await using stage = await openStage();
    await stage.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 102');
    await using page = await visit(stage.url);
    const rows = page.locator('#rooms-body tr');
    await expect.poll(() => rows.count()).toBe(2);
    await page.getByLabel('Search rooms').focus();
    await page.keyboard.type('bystyre');
    await expect.poll(() => rows.allTextContents()).toEqual([expect.stringContaining('Bystyresalen')]);
    await page.keyboard.press('Escape');
    await expect.poll(() => rows.count()).toBe(2);
    await page.getByRole('button', { name: 'Paused 1' }).focus();
    await page.keyboard.press('Space');
    await expect.poll(() => rows.allTextContents()).toEqual([expect.stringContaining('Bystyresalen')]);
    await rows.getByRole('button', { name: 'Bystyresalen' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#room').getByRole('button', { name: 'Resume' }).waitFor();
  });
});
