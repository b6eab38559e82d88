/** Finding a reservation, and a room's week, on the page. */
import { describe, expect, test } from 'vitest';
import { date } from '../support/dates.ts';
import { chromiumPath, openStage, photograph, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('search and calendar', () => {
  async function openSeason() {
    const stage = await openStage();
    for (const [title, days] of [
      ['Korprøve', 2],
      ['Budsjettmøte', 2],
    ] as const)
      await stage.desk.book(title === 'Korprøve' ? 101 : 102, {
        title,
        from: stage.day(days, '18:00'),
        to: stage.day(days, '20:00'),
      });
    await stage.settled();
    return stage;
  }

  test('what is typed is found by keyboard, leads to its explanation, and has an address', async () => {
    await using stage = await openSeason();
    await using page = await visit(stage.url);
    await page.getByLabel('Search reservations and events').fill(`korprove ${date(2)}`);
    await page.keyboard.press('Enter');
    await page.locator('#search').getByRole('button', { name: 'Korprøve' }).waitFor();
    expect(await page.locator('#search').getByText('Budsjettmøte').count()).toBe(0);
    await photograph(page, 'search-light', false);
    await page.reload();
    await page.locator('#search').getByRole('button', { name: 'Korprøve' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#explain-title', { hasText: 'Korprøve' }).waitFor();
    expect(page.problems).toEqual([]);
  });

  test('a room opens its week, both sides side by side, on a phone as well', async () => {
    await using stage = await openSeason();
    for (const viewport of [
      { width: 1440, height: 900 },
      { width: 360, height: 740 },
    ]) {
      await using page = await visit(`${stage.url}/#/calendar/101/week/${date(2)}`, { viewport });
      const item = page.locator('#calendar .calendar li');
      await item.getByRole('button', { name: 'Korprøve' }).waitFor();
      expect(await item.locator('.one-side').allTextContents()).toEqual([
        expect.stringMatching(/^Booking.* 18:00–20:00 · Korprøve$/),
        expect.stringMatching(/^Outlook.* 18:00–20:00 · Korprøve$/),
      ]);
      expect(await item.textContent()).toContain('equal');
      expect(await page.evaluate('document.querySelector("#calendar").scrollWidth <= innerWidth')).toBe(true);
      await photograph(page, `week-${viewport.width}`, false);
      await page.emulateMedia({ colorScheme: 'dark' });
      await photograph(page, `week-${viewport.width}-dark`, false);
      await page.getByRole('button', { name: 'Next week' }).click();
      await item.getByRole('button', { name: 'Korprøve' }).waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Previous week' }).click();
      await item.getByRole('button', { name: 'Korprøve' }).click();
      await page.locator('#explain-title', { hasText: 'Korprøve' }).waitFor();
      expect(page.problems).toEqual([]);
    }
  });

  test('the sheet of a room leads to its week', async () => {
    await using stage = await openSeason();
    await using page = await visit(`${stage.url}/#/room/101`);
    await page.locator('#room').getByRole('button', { name: 'Week' }).click();
    await page.locator('#calendar-title', { hasText: 'Formannskapssalen' }).waitFor();
  });
});
