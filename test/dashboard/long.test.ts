/** A page that is left open for days: it stays small, and it comes back to the truth whatever happened to its line. */
import { describe, expect, test } from 'vitest';
import { chromiumPath, openStage, says, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('left open', () => {
  test('thousands of facts later the feed still holds sixty lines, the newest of them', async () => {
    await using stage = await openStage();
    await using page = await visit('about:blank');
    const told = Array.from(
      { length: 3_000 },
      (_, n) =>
        `event: room-well\ndata: ${JSON.stringify({ fact: 'room-well', room: `Room ${n}`, resourceId: 101 })}\n\n`,
    );
    await page.route('**/live', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: told.join('') }),
    );
    await page.goto(stage.url);
    await page.locator('#feed li', { hasText: 'Room 2999 has recovered' }).first().waitFor();
    expect(await page.locator('#feed li').count()).toBe(60);
    expect(await page.locator('#feed li').first().textContent()).toContain('Room 2999');
    expect(page.problems).toEqual([]);
  });

  test('a line that was cut is opened again, and what happened meanwhile is there', async () => {
    await using stage = await openStage();
    await using page = await visit(stage.url);
    await says(page, /Everything is equal/);
    await page.locator('#line[data-state=on]').waitFor();
    const start = await stage.stopDaemon();
    await page.locator('#line[data-state=lost]').waitFor();
    await stage.desk.book(101, {
      title: 'Mens vi sov',
      from: stage.day(1, '10:00'),
      to: stage.day(1, '11:00'),
    });
    await start();
    await page.locator('#line[data-state=on]').waitFor();
    await says(page, /Everything is equal: 2 rooms, 1 reservation/);
    await page.locator('#feed li', { hasText: 'Mens vi sov' }).waitFor();
    await stage.desk.book(101, {
      title: 'Og etterpå',
      from: stage.day(2, '10:00'),
      to: stage.day(2, '11:00'),
    });
    await page.locator('#feed li', { hasText: 'Og etterpå' }).waitFor();
    await says(page, /2 rooms, 2 reservations/);
  });

  test('a line that is refused is asked for again until it is given', async () => {
    await using stage = await openStage();
    await using page = await visit('about:blank');
    let refused = 0;
    await page.route('**/live', (route) => {
      refused += 1;
      return refused <= 2 ? route.fulfill({ status: 503, json: { success: false } }) : route.continue();
    });
    await page.goto(stage.url);
    await page.locator('#line[data-state=lost]').waitFor();
    await page.locator('#line[data-state=on]').waitFor();
    expect(refused).toBe(3);
  });

  test('what a person points at stays where it is, and goes on when the mouse goes', async () => {
    await using stage = await openStage();
    for (let day = 1; day <= 6; day += 1)
      await stage.desk.book(101, {
        title: `Møte ${day}`,
        from: stage.day(day, '10:00'),
        to: stage.day(day, '11:00'),
      });
    await stage.settled();
    await using page = await visit(stage.url);
    const third = page.locator('#feed li').nth(2);
    await page.locator('#feed li', { hasText: 'Møte 1' }).waitFor();
    const before = await third.textContent();
    await third.hover();
    await stage.desk.book(102, { title: 'Nytt', from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await says(page, /7 reservations/);
    await page.getByText('paused under the pointer').waitFor();
    expect(await third.textContent()).toBe(before);
    await page.mouse.move(5, 5);
    await page.locator('#feed li', { hasText: 'Nytt' }).waitFor();
    expect(await page.getByText('paused under the pointer').isHidden()).toBe(true);
  });
});
