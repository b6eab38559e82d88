/** Every figure of the page is what SQL says of the same database. */
import { describe, expect, test } from 'vitest';
import { untilTrue } from '../support/until.ts';
import { addDay } from './stage-days.ts';
import { chromiumPath, openStage, photograph, says, visit, type Stage } from './stage.ts';

describe.skipIf(chromiumPath === null)('the figures', () => {
  /** Three rooms with reservations that are equal, covered, cancelled, failed and in conflict, and one that is paused. */
  async function openMixed(): Promise<Stage> {
    const stage = await openStage({ mapped: [101, 102, 103, 104] });
    const book = (room: number, title: string, day: number) =>
      stage.desk.book(room, { title, from: stage.day(day, '10:00'), to: stage.day(day, '12:00') });
    await book(101, 'Formannskapet', 1);
    await book(101, 'Kulturutvalget', 2);
    const called = await book(101, 'Avlyst', 3);
    await stage.desk.allocate(101, { from: stage.day(1, '10:00'), to: stage.day(1, '12:00') });
    await book(102, 'Reservert', 2);
    await book(104, 'Pause', 2);
    await stage.settled();
    await stage.desk.cancel(called);
    await stage.settled();
    const refusing = stage.tenant.faults.add({
      match: { method: 'POST', mailbox: 'floyen@bergen.example' },
      action: { do: 'refuse', status: 400, code: 'ErrorInvalidRequest', message: 'The request is invalid.' },
    });
    await book(103, 'Byggesak', 4);
    const [reserved] = stage.events(102);
    stage.tenant.people.book('bystyresalen@bergen.example', {
      subject: 'Lagt oppå',
      start: reserved!.start,
      end: reserved!.end,
    });
    await stage.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 104');
    await stage.poll();
    await untilTrue(
      stage.db,
      `(SELECT count(*) FROM bridge_mappings WHERE sync_status IN ('error', 'conflict')) = 2`,
    );
    stage.tenant.faults.remove(refusing);
    return stage;
  }

  test('of synced, covered, cancelled, failed, conflicting and paused: each as SQL counts it', async () => {
    await using stage = await openMixed();
    await addDay(stage.db);
    await using page = await visit(stage.url);
    await says(page, /1 reservation could not be synced/);
    const counted = Object.fromEntries(
      (
        await stage.db.query<{ status: string; n: number }>(
          'SELECT sync_status AS status, count(*)::int AS n FROM bridge_mappings GROUP BY 1',
        )
      ).map(({ status, n }) => [status, n]),
    );
    expect(counted).toEqual({ synced: 4, shadowed: 1, cancelled: 1, error: 1, conflict: 1 });
    const figure = (name: string) =>
      page
        .locator('#figures > div', { hasText: name })
        .evaluate((cell) => [
          cell.querySelector('dd span')?.textContent,
          cell.querySelector('small')?.textContent,
        ]);
    await expect.poll(() => figure('Needs attention')).toEqual(['2', '1 failed, 1 conflict']);
    await expect.poll(() => figure('Equal reservations')).toEqual(['4', '1 covered, 1 cancelled']);
    await expect.poll(() => figure('Rooms')).toEqual(['3', '1 equal, 1 paused']);
    await expect.poll(() => figure('On the way')).toEqual(['0', 'nothing']);
    const state = (room: string) =>
      page.locator('#rooms-body tr', { hasText: room }).locator('.state').textContent();
    expect(await Promise.all(['Formannskap', 'Bystyre', 'Fløyen', 'Ulriken'].map(state))).toEqual([
      'equal',
      'conflict',
      'failed',
      'paused',
    ]);
    expect(await page.locator('#rooms-filter').textContent()).toBe('AllTrouble 2Busy 0Paused 1');
    await photograph(page, 'figures-light');
    expect(page.problems).toEqual([]);
  });

  test('of speed: the middle and the 95 of 100 of the last hour, both ways, as SQL has them', async () => {
    await using stage = await openStage();
    await stage.db.query(`
      INSERT INTO bridge_log (at, resource_id, reservation_type, reservation_id, action, latency_ms, call_ms)
      SELECT now() - n * interval '1 minute', 101, 'event', n, CASE WHEN n % 3 = 0 THEN 'imported' ELSE 'updated' END, n * 31, 5
      FROM generate_series(1, 300) n`);
    await using page = await visit(stage.url);
    const shown = async (where: string) =>
      (await page.locator('#figures > div', { hasText: where }).locator('dd').textContent()) ?? '';
    await expect.poll(() => shown('To Outlook')).toMatch(/last hour$/);
    const [row] = await stage.db.query<{ out: number[]; back: number[] }>(`
      SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE action = 'updated') AS out,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE action = 'imported') AS back
      FROM bridge_log WHERE at > now() - interval '1 hour'`);
    const seconds = (text: string) =>
      [...text.matchAll(/([\d.]+) (ms|s)\b/g)].map(([, n, unit]) => Number(n) * (unit === 's' ? 1_000 : 1));
    for (const [where, want] of [
      ['To Outlook', row!.out],
      ['To booking', row!.back],
    ] as const) {
      const [half, most] = seconds((await shown(where)).replace(/(ms|s)95/, '$1 95'));
      // the page's hour begins at a whole step, so one line more or less is in it
      expect(Math.abs(half! - want[0]!)).toBeLessThanOrEqual(100);
      expect(Math.abs(most! - want[1]!)).toBeLessThanOrEqual(100);
    }
  });

  test('where nothing changed within the hour, the speed is that of the day and says so', async () => {
    await using stage = await openStage();
    await stage.db.query(`
      INSERT INTO bridge_log (at, resource_id, reservation_type, reservation_id, action, latency_ms, call_ms)
      VALUES (now() - interval '5 hours', 101, 'event', 1, 'updated', 250, 5)`);
    await using page = await visit(stage.url);
    await page
      .locator('#figures > div', { hasText: 'To Outlook' })
      .getByText('95 % within 250 ms, last 24 hours')
      .waitFor();
    await page
      .locator('#figures > div', { hasText: 'To booking' })
      .getByText('no change in 24 hours')
      .waitFor();
  });
});
