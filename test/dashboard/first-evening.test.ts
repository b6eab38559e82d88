/** The page before anything is written (START_MODE plan and shadow): what a sync would do, and the button that lets it begin. */
import { describe, expect, test } from 'vitest';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

describe.skipIf(chromiumPath === null)('before anything is written', () => {
  /** Two rooms: two reservations that Outlook lacks, an event that the booking system lacks, a room with nothing. */
  async function openEvening(mode: 'plan' | 'shadow') {
    const stage = await openStage({ mapped: [101, 102, 103], env: { START_MODE: mode } });
    for (const [room, title] of [
      [101, 'Kor'],
      [102, 'Korps'],
    ] as const)
      await stage.desk.book(room, { title, from: stage.day(2, '10:00'), to: stage.day(2, '12:00') });
    const day = stage.day(3, '08:00').slice(0, 10);
    stage.tenant.people.book('formannskapssalen@bergen.example', {
      subject: 'Ledermøte',
      start: `${day}T10:00:00Z`,
      end: `${day}T11:00:00Z`,
    });
    return stage;
  }

  test('without a room it says how to map one, and there is nothing to confirm until then', async () => {
    await using stage = await openStage({ mapped: [], env: { START_MODE: 'plan' } });
    await using page = await visit(stage.url);
    await says(page, /^Nothing is written yet/);
    await page.getByText('No room is mapped yet. The command mappings match proposes pairs').waitFor();
    const confirm = page.getByRole('button', { name: 'Confirm this plan …' });
    expect(await confirm.isHidden()).toBe(true);
    await stage.db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'formannskapssalen@bergen.example')`,
    );
    await confirm.waitFor();
    await page.getByText('Check the plan below, then confirm it').waitFor();
  });

  test('the plan stands there room by room, and after a second look it is let begin', async () => {
    await using stage = await openEvening('plan');
    await using page = await visit(stage.url);
    await says(page, /^Nothing is written yet: the plan is not confirmed\./);
    const plan = page.locator('#plan');
    await plan.getByText('A sync creates 2 events in Outlook and imports 1 event as a reservation').waitFor();
    const rows = await plan
      .locator('tbody tr')
      .evaluateAll((all) =>
        all.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent)),
      );
    expect(rows).toEqual([
      ['Formannskapssalen', '1', '1', '0'],
      ['Bystyresalen', '1', '', '0'],
      ['Møterom Fløyen', '', '', '0'],
    ]);
    await plan.getByRole('button', { name: 'Formannskapssalen' }).click();
    await plan.getByText('Ledermøte imported as a reservation').waitFor();
    await photograph(page, 'plan-light');
    await plan.getByRole('button', { name: 'Confirm this plan …' }).click();
    const question = page.getByRole('dialog');
    expect(await question.textContent()).toContain(
      'It creates 2 events in Outlook and imports 1 event as a reservation, in 3 rooms.',
    );
    await photograph(page, 'plan-question', false);
    expect(stage.titles(102)).toEqual([]);
    await question.getByRole('button', { name: 'Start' }).click();
    await says(page, /^Everything is equal: 3 rooms, 3 reservations/);
    expect(await plan.isHidden()).toBe(true);
    expect(stage.titles(102)).toEqual(['Korps']);
    expect(page.problems).toEqual([]);
  });

  test('a user who goes back has begun nothing', async () => {
    await using stage = await openEvening('plan');
    await using page = await visit(stage.url);
    await page.locator('#plan tbody tr').first().waitFor();
    await page.getByRole('button', { name: 'Confirm this plan …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Back' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect((await (await fetch(`${stage.url}/stats`)).json()) as object).toMatchObject({
      start: { writes: false, confirmed_at: null },
    });
  });

  test('in shadow mode it says that nothing is ever written, shows what would be, and offers no button', async () => {
    await using stage = await openEvening('shadow');
    await using page = await visit(stage.url);
    await says(page, /nothing is ever written/);
    await page.locator('#plan tbody tr').first().waitFor();
    expect(await page.getByRole('button', { name: 'Confirm this plan …' }).isHidden()).toBe(true);
    expect(await page.getByRole('button', { name: 'Send now' }).isHidden()).toBe(true);
    await photograph(page, 'shadow-light');
  });
});
