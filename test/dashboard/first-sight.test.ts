import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, openBrowser, openStage, photograph, says } from './stage.ts';

describe.skipIf(chromiumPath === null)('at first sight', () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());

  test('the sentence says that everything is equal, with rooms, reservations, the last change and its way', async () => {
    await using stage = await openStage();
    for (const room of [101, 102])
      await stage.desk.book(room, {
        title: 'Budsjettmøte',
        from: stage.day(1, '10:00'),
        to: stage.day(1, '11:00'),
      });
    await stage.settled();
    await stage.desk.book(101, {
      title: 'Formannskapet',
      from: stage.day(2, '10:00'),
      to: stage.day(2, '11:00'),
    });
    await using page = await browser.look(stage.url);
    const text = await says(page, /3 reservations, last change/);
    expect(text).toMatch(
      /^Everything is equal: 2 rooms, 3 reservations, last change (now|\d+ s ago), \d+\.\d\d s on the way\.$/,
    );
    expect(await page.locator('#verdict').getAttribute('data-state')).toBe('good');
    await page.locator('.u-wrap').first().waitFor();
    await photograph(page, 'equal-light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await photograph(page, 'equal-dark');
    await page.setViewportSize({ width: 360, height: 740 });
    await photograph(page, 'equal-phone');
    expect(page.problems).toEqual([]);
  });
});
