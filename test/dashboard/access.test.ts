/** With a key that only reads the page shows everything and offers nothing that would be refused. */
import { describe, expect, test } from 'vitest';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

const key = 'a-key-that-is-long-enough-1234567890';
const readKey = 'another-key-that-only-reads-1234567890';

describe.skipIf(chromiumPath === null)('a session that only reads', () => {
  /** Something for every button: a conflict, a failure, alerts, a queue. */
  async function openTrouble() {
    const stage = await openStage({ env: { API_KEY: key, API_KEY_READ_HALL: readKey, HOST: '127.0.0.1' } });
    for (const days of [1, 2])
      await stage.desk.book(101, {
        title: `Kor ${days}`,
        from: stage.day(days, '10:00'),
        to: stage.day(days, '12:00'),
      });
    await stage.settled();
    await stage.db.query(
      `UPDATE bridge_mappings SET sync_status = CASE WHEN rank = 1 THEN 'error' ELSE 'conflict' END, error_message = 'It is so.',
         conflict = CASE WHEN rank = 2 THEN '{"kind": "fields", "fields": ["title"]}'::jsonb END, due_at = NULL
       FROM (SELECT id, row_number() OVER (ORDER BY id) AS rank FROM bridge_mappings) r WHERE r.id = bridge_mappings.id`,
    );
    await fetch(`${stage.url}/alerts/check`, { method: 'POST', headers: { 'X-API-Key': key } });
    return stage;
  }

  async function signIn(page: Awaited<ReturnType<typeof visit>>, with_: string) {
    await page.getByLabel('API key').fill(with_);
    await page.keyboard.press('Enter');
    await says(page, /could not be synced/);
    await page.locator('#conflicts .panel').first().waitFor();
    await page.locator('#alerts .panel').waitFor();
  }

  test('it says so, and no button is there that would be refused; with another key they are there', async () => {
    await using stage = await openTrouble();
    await using reader = await visit(stage.url);
    await signIn(reader, readKey);
    await reader.getByText('You are signed in with the key READ_HALL, which is read-only').waitFor();
    const writing = ['Try again', 'Keep booking', 'Keep Outlook', 'Acknowledge', 'Send now'];
    for (const name of writing) expect(await reader.getByRole('button', { name }).count(), name).toBe(0);
    await photograph(reader, 'read-only');
    await reader.goto(`${stage.url}/#/room/101`);
    await reader.locator('#room').getByRole('button', { name: 'Week' }).waitFor();
    for (const name of ['Pause', 'Compare both sides again'])
      expect(await reader.locator('#room').getByRole('button', { name }).count(), name).toBe(0);
    await reader.getByText('Settings of this room').click();
    expect(await reader.getByLabel('Titles').isDisabled()).toBe(true);
    await reader.goto(`${stage.url}/#/undo`);
    await reader.locator('#undo').getByRole('button', { name: 'Show the plan' }).click();
    await reader
      .locator('#undo')
      .getByText(/would be undone/)
      .waitFor();
    const refused: string[] = [];
    reader.on('response', (answer) => {
      if (answer.status() === 403) refused.push(answer.url());
    });
    expect(refused).toEqual([]);
    expect(reader.problems).toEqual([]);

    await using writer = await visit(stage.url);
    await signIn(writer, key);
    expect(await writer.locator('#access').isHidden()).toBe(true);
    for (const name of writing.slice(0, 4))
      expect(await writer.getByRole('button', { name }).count(), name).toBeGreaterThan(0);
  });
});
