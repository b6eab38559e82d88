/** The sheet of one reservation: both sides as they are now, and each step with its old and new. */
import { describe, expect, test } from 'vitest';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('explain', () => {
  test('shows both sides beside each other, what differs marked, and old and new of each step in words', async () => {
    await using stage = await openStage({ mapped: [101] });
    const booked = await stage.desk.book(101, {
      title: 'Korprøve',
      from: stage.day(1, '10:00'),
      to: stage.day(1, '11:00'),
    });
    await stage.settled();
    await stage.desk.move(booked, stage.day(2, '12:00'), stage.day(2, '13:30'));
    await stage.settled();
    await stage.db.query('UPDATE bridge_resource_mappings SET active = 0');
    await stage.desk.retitle(booked, 'Øvelse');
    const [mapping] = await stage.db.query<{ id: number }>('SELECT id FROM bridge_mappings');
    for (const [name, options] of [
      ['light', {}],
      ['dark', { colorScheme: 'dark' }],
      ['phone', { viewport: { width: 390, height: 844 } }],
    ] as const) {
      await using page = await visit(`${stage.url}/#/mapping/${mapping!.id}`, options);
      await says(page, /./);
      const sheet = page.locator('#explain');
      await sheet.getByText('Both sides now').waitFor();
      await sheet.getByText('Its room is paused').waitFor();
      await photograph(page, `explain-${name}`, false);
      expect(await sheet.locator('.side.differs').allTextContents()).toEqual(['Øvelse', 'Korprøve']);
      const text = (await sheet.textContent()) ?? '';
      expect(text).toContain('Kari Nordmann');
      expect(text).toContain(`time from ${stage.day(1, '10:00')}–11:00 to ${stage.day(2, '12:00')}–13:30`);
      expect(text).not.toMatch(/startsAt|endsAt|starts_at/);
      const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
      expect(wide, 'nothing is wider than the screen').toBe(false);
      expect(page.problems).toEqual([]);
    }
  }, 120_000);
});
