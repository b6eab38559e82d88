/** Where reservations have uuids and rooms have codes, the page shows those, not the numbers that the bridge makes of them. */
import { describe, expect, test } from 'vitest';
import { campus } from '../support/adapters.ts';
import { openTestDatabase } from '../support/database.ts';
import { at } from '../support/dates.ts';
import { room } from '../e2e/campus-world.ts';
import { chromiumPath, openStage, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('keys on the page', () => {
  /** One booking in room A-101. */
  async function openBooked() {
    const stage = await openStage({
      mapped: [],
      database: await openTestDatabase({ schema: `installed ${campus}` }),
      env: { BOOKING_ADAPTER: campus },
    });
    await stage.db.query(
      'INSERT INTO bridge_resource_mappings (resource_key, outlook_item_id) VALUES ($1, $2)',
      [room.plain.code, room.plain.upn],
    );
    const [booked] = await stage.db.query<{ key: string }>(
      `INSERT INTO campus_booking (room_code, during, title) VALUES ($1, tstzrange($2, $3), 'Seminar') RETURNING id AS key`,
      [room.plain.code, at(3, '10:00'), at(3, '11:00')],
    );
    await stage.settled();
    const [mapped] = await stage.db.query<{ id: number }>('SELECT resource_id AS id FROM bridge_mappings');
    return { stage, key: booked!.key, resource: mapped!.id };
  }

  test('the sheet of a room names the room, and its history a reservation without a title', async () => {
    const { stage: opened, key, resource } = await openBooked();
    await using stage = opened;
    await stage.db.query(
      `UPDATE bridge_mappings SET booking_seen = NULL, booking_base = NULL, outlook_base = NULL, outlook_seen = NULL;
       ALTER TABLE campus_booking DISABLE TRIGGER USER;
       DELETE FROM campus_booking`,
    );
    await using page = await visit(`${stage.url}/#/room/${resource}`);
    const sheet = page.locator('#room');
    await sheet
      .locator('.steps')
      .getByRole('button', { name: `booking ${key}` })
      .waitFor();
    expect(await sheet.textContent()).toContain('resource A-101');
    expect(page.problems).toEqual([]);
  });

  test('the undo names a reservation that is gone and a room that is no longer kept equal', async () => {
    const { stage: opened, key } = await openBooked();
    await using stage = opened;
    await stage.db.query('UPDATE campus_booking SET deleted_at = now()');
    await stage.settled();
    await stage.db.query('DELETE FROM campus_booking');
    await stage.settled();
    await stage.db.query('DELETE FROM bridge_resource_mappings');
    await using page = await visit(stage.url);
    await page.getByRole('button', { name: 'Undo …' }).click();
    const sheet = page.locator('#undo');
    await sheet.getByRole('button', { name: 'Show the plan' }).click();
    const item = sheet.locator('ol.calendar li');
    await item.getByRole('button', { name: `booking ${key}` }).waitFor();
    expect(await item.textContent()).toContain('resource A-101');
    expect(page.problems).toEqual([]);
  });
});
