/** Times on the page are those of the booking system, wherever the browser is. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, openStage, says, visit, type Stage } from './stage.ts';

describe.skipIf(chromiumPath === null)('the wall clock', () => {
  // for all tests: they only look
  let stage: Stage;
  let path: string;
  let sheet: string;
  beforeAll(async () => {
    stage = await openStage({ mapped: [101] });
    await stage.desk.book(101, { title: 'Vielse', from: stage.day(3, '10:00'), to: stage.day(3, '11:00') });
    await stage.settled();
    const [mapping] = await stage.db.query<{ id: number }>('SELECT id FROM bridge_mappings');
    path = `/mappings/${mapping!.id}/explain?limit=200`;
    sheet = `#/mapping/${mapping!.id}`;
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.each([
    ['America/New_York', 'America/New_York'],
    ['Asia/Kolkata', 'Asia/Calcutta'],
    ['Europe/Berlin', null],
  ])(
    'in a browser in %s every time is that of the booking system, and the page says so where they differ',
    async (timezoneId, elsewhere) => {
      await using page = await visit(`${stage.url}/${sheet}`, { timezoneId });
      await says(page, /Everything is equal/);
      await page.locator('#explain', { hasText: '10:00–11:00' }).waitFor();
      const zone = page.locator('#zone');
      await zone.waitFor({ state: elsewhere === null ? 'hidden' : 'visible' });
      if (elsewhere !== null)
        expect(await zone.textContent()).toBe(
          `All times are in the booking system's zone (Europe/Oslo), not in this browser's (${elsewhere}).`,
        );
      expect(await page.locator('#foot').textContent()).toContain('times are in Europe/Oslo');
      expect(page.problems).toEqual([]);
    },
  );

  test('a sheet whose booking is answered before the zone is known has the times of the booking system', async () => {
    await using page = await visit('about:blank', { timezoneId: 'America/New_York' });
    const answered = Promise.withResolvers<void>();
    await page.route('**/stats', async (route) => {
      await answered.promise;
      await route.continue();
    });
    await page.goto(`${stage.url}/${sheet}`);
    // asked after whatever the page asked for at first
    await page.evaluate(async (url) => (await fetch(url)).text(), path);
    answered.resolve();
    await page.locator('#explain', { hasText: 'Vielse' }).waitFor();
    expect(await page.locator('#explain').textContent()).toContain('10:00–11:00');
  });

  test('every sheet opens, with the times of the booking system, while /stats is refused', async () => {
    await using page = await visit('about:blank', { timezoneId: 'America/New_York' });
    await page.route('**/stats', (route) => route.fulfill({ status: 500, json: { error: 'Out of order.' } }));
    const date = stage.day(3, '').slice(0, 10);
    const [{ id }] = (await stage.db.query('SELECT reservation_id AS id FROM bridge_mappings')) as [
      { id: number },
    ];
    for (const hash of [
      sheet,
      '#/room/101',
      `#/booking/event/${id}`,
      '#/search/Vielse',
      `#/calendar/101/day/${date}`,
    ]) {
      await page.goto('about:blank');
      await page.goto(`${stage.url}/${hash}`);
      await page.locator('dialog[open]', { hasText: 'Vielse' }).waitFor();
      expect([hash, await page.locator('dialog[open]').textContent()]).toEqual([
        hash,
        expect.stringContaining('10:00–11:00'),
      ]);
    }
    await page.goto('about:blank');
    await page.goto(`${stage.url}/#/undo`);
    await page.locator('dialog[open] option[value="101"]').waitFor({ state: 'attached' });
    expect(await page.locator('dialog[open]').textContent()).toContain('Europe/Oslo');
  });

  test('activity that is answered before the zone is known has the times of the booking system', async () => {
    const { lines } = (await (await fetch(`${stage.url}/log?limit=120`)).json()) as {
      lines: { at: string }[];
    };
    await using page = await visit('about:blank', { timezoneId: 'America/New_York' });
    const answered = Promise.withResolvers<void>();
    await page.route('**/stats', async (route) => {
      await answered.promise;
      await route.continue();
    });
    await page.goto(stage.url);
    // asked and drawn after the first answers of the page
    await page.evaluate(
      `fetch('/log?limit=120').then((answer) => answer.text()).then(() => new Promise(requestAnimationFrame))`,
    );
    answered.resolve();
    await says(page, /Everything is equal/);
    const first = page.locator('#feed li time').last();
    await first.waitFor();
    const inOslo = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Oslo', timeStyle: 'medium' });
    expect(await first.textContent()).toBe(inOslo.format(new Date(lines.at(-1)!.at)));
  });

  test('the chart of the first hour begins when the daemon began', async () => {
    await using page = await visit(stage.url);
    await page.locator('#day-title', { hasText: 'Since' }).waitFor();
    const stats = (await (await fetch(`${stage.url}/stats`)).json()) as { started_at: string };
    const began = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Oslo', timeStyle: 'short' });
    expect(await page.locator('#day-title').textContent()).toBe(
      `Since ${began.format(new Date(stats.started_at))}`,
    );
  });
});
