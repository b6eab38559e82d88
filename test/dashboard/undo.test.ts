/** Undo on the page: plan, question, result, and the undo of the undo; by keyboard, also on a phone. */
import { describe, expect, test } from 'vitest';
import { untilTrue } from '../support/until.ts';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

const mailbox = 'formannskapssalen@bergen.example';

describe.skipIf(chromiumPath === null)('undo', () => {
  /** Two reservations that a person deleted in Outlook; on the time of one another stands by now. */
  async function openMistake() {
    const stage = await openStage();
    const book = (title: string, days: number) =>
      stage.desk.book(101, { title, from: stage.day(days, '10:00'), to: stage.day(days, '11:00') });
    await book('Kor', 2);
    await book('Dans', 3);
    await stage.settled();
    for (const { id } of stage.events(101)) stage.tenant.people.remove(mailbox, id);
    await stage.poll();
    await untilTrue(stage.db, 'NOT EXISTS (SELECT FROM bb_event WHERE active = 1)');
    await book('Bryllup', 3);
    await stage.settled();
    return { stage };
  }

  const active = async (stage: Awaited<ReturnType<typeof openStage>>) =>
    (await stage.db.query<{ name: string }>('SELECT name FROM bb_event WHERE active = 1 ORDER BY name')).map(
      ({ name }) => name,
    );

  test('opened by its address, it asks in the zone of the booking system and offers its rooms', async () => {
    await using stage = await openStage();
    await using page = await visit(`${stage.url}/#/undo`);
    const sheet = page.locator('#undo');
    await sheet.getByLabel(/^Changes since/).waitFor();
    expect(await sheet.locator('label').first().textContent()).toContain('(Europe/Oslo)');
    expect(await sheet.getByLabel('Room').locator('option').allTextContents()).toContain('Formannskapssalen');
  });

  test.each([
    { name: 'desktop', width: 1440, height: 900 },
    { name: 'phone', width: 360, height: 740 },
  ])(
    'the plan comes first, what is refused says why, and the undo is undone: $name',
    async ({ name, ...viewport }) => {
      const { stage: opened } = await openMistake();
      await using stage = opened;
      await using page = await visit(stage.url, { viewport });
      await says(page, /Everything is equal/);
      await page.getByRole('button', { name: 'Undo …' }).focus();
      await page.keyboard.press('Enter');
      const sheet = page.locator('#undo');
      await sheet.getByLabel('Room').selectOption({ label: 'Formannskapssalen' });
      await sheet.getByRole('button', { name: 'Show the plan' }).focus();
      await page.keyboard.press('Enter');
      await sheet.getByText('1 would be undone').waitFor();
      const items = sheet.locator('ol.calendar li');
      expect(await items.allTextContents()).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/Kor.*It becomes active again, with a new event\./),
          expect.stringMatching(/Dans.*Not reverted: its time is taken by event\/\d+\./),
        ]),
      );
      expect(await active(stage)).toEqual(['Bryllup']);
      expect(await page.evaluate('document.querySelector("#undo").scrollWidth <= innerWidth')).toBe(true);
      await photograph(page, `undo-${name}`, false);
      await page.emulateMedia({ colorScheme: 'dark' });
      await photograph(page, `undo-${name}-dark`, false);
      await sheet.getByRole('button', { name: 'Undo 1 …' }).focus();
      await page.keyboard.press('Enter');
      const question = page.locator('#confirm');
      await question.getByText('1 becomes active again, with a new event.').waitFor();
      await question.getByRole('button', { name: 'Undo' }).focus();
      await page.keyboard.press('Enter');
      await sheet.getByText('1 undone', { exact: true }).waitFor();
      await stage.settled();
      expect(await active(stage)).toEqual(['Bryllup', 'Kor']);
      expect(stage.titles(101).toSorted()).toEqual(['Bryllup', 'Kor']);
      await photograph(page, `undone-${name}`, false);
      await sheet.getByRole('button', { name: 'Undo this …' }).click();
      await sheet.getByRole('button', { name: 'Show the plan' }).click();
      await sheet.getByText('It is cancelled again, with its event.').waitFor();
      await sheet.getByRole('button', { name: 'Undo 1 …' }).click();
      await question.getByRole('button', { name: 'Undo' }).click();
      await sheet.getByText('1 undone', { exact: true }).waitFor();
      await stage.settled();
      expect(await active(stage)).toEqual(['Bryllup']);
      expect(page.problems).toEqual([]);
    },
  );

  test('a user who says no undoes nothing, and what happened after the plan was read is left alone', async () => {
    const { stage: opened } = await openMistake();
    await using stage = opened;
    await using page = await visit(`${stage.url}/#/undo`);
    const sheet = page.locator('#undo');
    await sheet.getByRole('button', { name: 'Show the plan' }).click();
    await sheet.getByRole('button', { name: 'Undo 1 …' }).click();
    await page.locator('#confirm').getByRole('button', { name: 'Back' }).click();
    expect(await active(stage)).toEqual(['Bryllup']);
    // cancelled only now: it was not in the plan
    await stage.db.query(`UPDATE bb_event SET active = 0 WHERE name = 'Bryllup'`);
    await stage.settled();
    await sheet.getByRole('button', { name: 'Undo 1 …' }).click();
    await page.locator('#confirm').getByRole('button', { name: 'Undo' }).click();
    await sheet.getByText(/^\d undone$/).waitFor();
    expect(await active(stage)).not.toContain('Bryllup');
    expect(await active(stage)).toContain('Kor');
    expect(page.problems).toEqual([]);
  });
});
