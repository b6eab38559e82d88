/** Times on the page are those of the booking system, wherever the browser is. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, openBrowser, openStage, says } from './stage.ts';

describe.skipIf(chromiumPath === null)('the wall clock', () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());

  test('in a browser of another zone every time is that of the booking system, and the page says so', async () => {
    await using stage = await openStage({ mapped: [101] });
    await stage.desk.book(101, { title: 'Vielse', from: stage.day(3, '10:00'), to: stage.day(3, '11:00') });
    await stage.settled();
    const [mapping] = await stage.db.query<{ id: number }>('SELECT id FROM bridge_mappings');
    for (const [timezoneId, elsewhere] of [
      ['America/New_York', true],
      ['Asia/Kolkata', true],
      ['Europe/Berlin', false],
    ] as const) {
      await using page = await browser.visit(`${stage.url}/#/mapping/${mapping!.id}`, { timezoneId });
      await says(page, /Everything is equal/);
      await page.locator('#explain', { hasText: '10:00–11:00' }).waitFor();
      const told = page.locator('#zone');
      if (elsewhere) await told.waitFor();
      expect(await told.isVisible()).toBe(elsewhere);
      if (elsewhere)
        expect(await told.textContent()).toBe(
          `All times are in the booking system's zone (Europe/Oslo), not in this browser's (${timezoneId === 'Asia/Kolkata' ? 'Asia/Calcutta' : timezoneId}).`,
        );
      expect(await page.locator('#foot').textContent()).toContain('times are in Europe/Oslo');
      expect(page.problems).toEqual([]);
    }
  });

  test('the chart of the first hour begins when the daemon began', async () => {
    await using stage = await openStage({ mapped: [101] });
    await stage.settled();
    await stage.desk.book(101, { from: stage.day(3, '10:00'), to: stage.day(3, '11:00') });
    await stage.settled();
    await using page = await browser.visit(stage.url);
    await page.locator('#day-title', { hasText: 'Since' }).waitFor();
    const stats = (await (await fetch(`${stage.url}/stats`)).json()) as { started_at: string };
    const began = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Oslo', timeStyle: 'short' });
    expect(await page.locator('#day-title').textContent()).toBe(
      `Since ${began.format(new Date(stats.started_at))}`,
    );
  });
});
