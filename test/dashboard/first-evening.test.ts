/** The page on the first evening (START_MODE=plan): it says that nothing is written yet, and then that both sides are equal. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, openBrowser, openStage, photograph, says } from './stage.ts';

describe.skipIf(chromiumPath === null)('before the plan is confirmed', () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
  });

  test('the sentence on top says that nothing is written, and how it begins', async () => {
    await using stage = await openStage({ mapped: [101], env: { START_MODE: 'plan' } });
    await stage.desk.book(101, { title: 'Kor', from: stage.day(2, '10:00'), to: stage.day(2, '12:00') });
    await using page = await browser.look(stage.url);
    await says(page, /^Nothing is written yet: the plan waits to be confirmed\./);
    expect(await page.locator('#verdict').textContent()).toContain('plan --confirm');
    await photograph(page, 'not-yet');
    await fetch(`${stage.url}/plan/confirm`, { method: 'POST' });
    await says(page, /^Everything is equal: 1 room, 1 reservation/);
    expect(page.problems).toEqual([]);
  });
});
