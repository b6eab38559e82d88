import { describe, expect, test } from 'vitest';
import { addDay, meetings, nameDay } from './stage-days.ts';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('at first sight', () => {
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
    await using page = await visit(stage.url);
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

  test('of a day in six rooms: what there is, how fast it went both ways, and what went where last', async () => {
    await using stage = await openStage({ mapped: [101, 102, 103, 104, 201, 202] });
    for (const [at, title] of [...meetings, ...meetings, ...meetings].entries())
      await stage.desk.book([101, 102, 103, 104, 201, 202][at % 6]!, {
        title,
        from: stage.day(1 + Math.floor(at / 6), `${10 + (at % 5) * 2}:00`),
        to: stage.day(1 + Math.floor(at / 6), `${11 + (at % 5) * 2}:30`),
      });
    await stage.settled();
    await addDay(stage.db);
    await nameDay(stage.db);
    await stage.db.query("UPDATE bridge_log SET latency_ms = NULL WHERE at > now() - interval '5 minutes'");
    await using page = await visit(stage.url, { viewport: { width: 1440, height: 1080 } });
    await page.locator('#histogram canvas').waitFor();
    const made = await stage.desk.book(101, {
      title: 'Kommunestyret',
      from: stage.day(9, '17:00'),
      to: stage.day(9, '20:00'),
    });
    await page.locator('#feed li', { hasText: 'Kommunestyret' }).waitFor();
    await stage.desk.move(made, stage.day(9, '18:00'), stage.day(9, '21:00'));
    await page.locator('#feed li', { hasText: 'changed' }).first().waitFor();
    await says(page, /^Everything is equal: 6 rooms, 37 reservations/);
    expect(await page.locator('#figures dd span').allTextContents()).toMatchObject({
      0: '6',
      1: '37',
      2: '0',
      3: '0',
    });
    await photograph(page, 'dashboard', false);
    await page.emulateMedia({ colorScheme: 'dark' });
    await photograph(page, 'dashboard-dark', false);
    await page.setViewportSize({ width: 360, height: 740 });
    await photograph(page, 'dashboard-phone');
    expect(page.problems).toEqual([]);
  });
});
