import { describe, expect, test } from 'vitest';
import { date } from '../support/dates.ts';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

const side = {
  starts_at: '2026-12-01T09:00:00Z',
  ends_at: '2026-12-01T10:00:00Z',
  all_day: false,
  title: 'Budsjettmøte',
  description: 'Med kaffe',
  is_private: false,
};
const conflict = {
  id: 41,
  reservation_type: 'event',
  reservation_id: 1042,
  resource_id: 101,
  room: 'Formannskapssalen',
  outlook_event_id: 'AAMk',
  kind: 'both-changed',
  message: 'Both sides changed the time.',
  hint: 'Choose which one is right.',
  since: '2026-11-20T08:00:00Z',
  fields: ['starts_at', 'ends_at'],
  version: 'v1',
  organizer: 'Kari Nordmann',
  effects: {
    booking: 'It stays.',
    outlook: 'It moves.',
    loses: null,
    mail: { booking: null, outlook: 'Ola Hansen' },
  },
  booking: side,
  outlook: { ...side, starts_at: '2026-12-01T12:00:00Z', ends_at: '2026-12-01T13:00:00Z' },
};

describe.skipIf(chromiumPath === null)('conflicts', () => {
  test('both sides stand beside each other, what differs is marked, and the chosen side is sent', async () => {
    await using stage = await openStage();
    await using page = await visit('about:blank');
    let open = [
      conflict,
      { ...conflict, id: 42, outlook: null, fields: ['presence'], message: 'It is gone from Outlook.' },
    ];
    const sent: unknown[] = [];
    await page.route('**/conflicts', (route) =>
      route.fulfill({ json: { success: true, count: open.length, conflicts: open } }),
    );
    await page.route('**/conflicts/*/resolve', (route) => {
      sent.push(route.request().postDataJSON());
      open = open.filter(({ id }) => !route.request().url().includes(`/${id}/`));
      return route.fulfill({ json: { success: true, message: 'Kept Outlook', conflict } });
    });
    await page.goto(stage.url);
    expect(await says(page, /conflict/)).toBe('2 conflicts need a decision.');
    const card = page.locator('#conflicts section').first();
    expect(await card.locator('.side.differs').allTextContents()).toEqual([
      'Tue 01 Dec 10:00–11:00',
      'Tue 01 Dec 13:00–14:00',
    ]);
    await photograph(page, 'conflict-light');
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await photograph(page, 'conflict-phone');
    await card.getByRole('button', { name: 'Keep Outlook' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
    await says(page, /1 conflict needs/);
    expect(sent).toEqual([{ keep: 'outlook', version: 'v1' }]);
    expect(page.problems).toEqual([]);
  });

  test('what both sides changed is named and marked, and the question says what becomes of the other side', async () => {
    await using stage = await openStage({ env: { CONFLICT_POLICY: 'ask' } });
    const booked = await stage.desk.book(101, {
      title: 'Kor',
      from: stage.day(2, '10:00'),
      to: stage.day(2, '12:00'),
    });
    await stage.settled();
    await stage.db.query('UPDATE bridge_resource_mappings SET active = 0');
    const [event] = stage.events(101);
    stage.tenant.people.retitle('formannskapssalen@bergen.example', event!.id, 'Orkester');
    await stage.desk.retitle(booked, 'Korps');
    await stage.db.query('UPDATE bridge_resource_mappings SET active = 1 WHERE resource_id = 101');
    await using page = await visit(stage.url);
    await says(page, /1 conflict needs/);
    expect(await page.locator('#detail').textContent()).toBe(
      '\u2068Formannskapssalen\u2069: Both sides changed the title. Choose below.',
    );
    const card = page.locator('#conflicts section').first();
    expect(await card.locator('.side.differs').allTextContents()).toEqual(['Korps', 'Orkester']);
    expect(await page.locator('#rooms-body .state').first().textContent()).toBe('conflict');
    await photograph(page, 'conflict-fields');
    await card.getByRole('button', { name: 'Keep booking' }).click();
    await page.getByRole('dialog').getByText('The event in Outlook is changed to this.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
    await says(page, /Everything is equal/);
    expect(stage.titles(101)).toEqual(['Korps']);
    expect(page.problems).toEqual([]);
  });

  test('one side is kept for all that are shown, after it is said what is done and to whom mail goes', async () => {
    await using stage = await openStage();
    for (const [name, options] of [
      ['light', {}],
      ['dark', { colorScheme: 'dark' }],
      ['phone', { viewport: { width: 390, height: 844 } }],
    ] as const) {
      await using page = await visit('about:blank', options);
      const titles = ['Vielse', 'Korprøve', 'Korps'];
      let open = titles.map((title, n) => ({
        ...conflict,
        id: 50 + n,
        version: `v${n}`,
        booking: { ...side, title },
        outlook: { ...side, title: `${title} i Outlook` },
      }));
      const sent: unknown[] = [];
      await page.route('**/conflicts', (route) =>
        route.fulfill({ json: { success: true, count: open.length, conflicts: open } }),
      );
      await page.route('**/conflicts/resolve', (route) => {
        sent.push(route.request().postDataJSON());
        open = open.slice(0, 1);
        return route.fulfill({
          json: { success: true, message: 'Kept the version of Outlook of 2.', count: 2, results: [] },
        });
      });
      await page.goto(stage.url);
      await says(page, /3 conflicts need/);
      await page.getByText('Organiser: Kari Nordmann').first().waitFor();
      await page.getByLabel('Find among the conflicts').fill('KOR');
      await page.getByText('2 of 3 conflicts shown').waitFor();
      await photograph(page, `conflicts-many-${name}`);
      await page.getByRole('button', { name: 'Keep Outlook for all shown' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('2 × It moves. Mail goes to Ola Hansen.').waitFor();
      await photograph(page, `conflicts-ask-${name}`, false);
      await dialog.getByRole('button', { name: 'Keep Outlook for 2' }).click();
      await says(page, /1 conflict needs/);
      expect(sent).toEqual([
        {
          keep: 'outlook',
          conflicts: [
            { id: 51, version: 'v1' },
            { id: 52, version: 'v2' },
          ],
        },
      ]);
      expect(page.problems).toEqual([]);
    }
  }, 120_000);

  test('of very many conflicts ten are shown, and all when they are asked for', async () => {
    await using stage = await openStage();
    await using page = await visit('about:blank');
    const many = Array.from({ length: 25 }, (_, n) => ({ ...conflict, id: 100 + n }));
    await page.route('**/conflicts', (route) =>
      route.fulfill({ json: { success: true, count: many.length, conflicts: many } }),
    );
    await page.goto(stage.url);
    await says(page, /25 conflicts need/);
    expect(await page.locator('#conflicts section').count()).toBe(10);
    await page.getByRole('button', { name: 'Show 15 more conflicts' }).click();
    expect(await page.locator('#conflicts section').count()).toBe(25);
  });

  test('a meeting that Outlook put on a reserved time is decided by a person, and what was said is done', async () => {
    await using stage = await openStage();
    await stage.desk.book(101, {
      title: 'Reservert',
      from: stage.day(2, '10:00'),
      to: stage.day(2, '12:00'),
    });
    await stage.settled();
    const [reserved] = stage.events(101);
    stage.tenant.people.book('formannskapssalen@bergen.example', {
      subject: 'Lagt oppå',
      start: reserved!.start,
      end: reserved!.end,
    });
    await stage.poll();
    await using page = await visit(stage.url);
    await says(page, /1 conflict needs/);
    await page.locator('#conflicts', { hasText: 'Lagt oppå' }).waitFor();
    await photograph(page, 'conflict-real');
    await page.getByRole('button', { name: 'Keep booking' }).click();
    await page.getByRole('dialog').getByText('The event is deleted in Outlook.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Back' }).click();
    await page.getByRole('button', { name: 'Keep Outlook' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
    await says(page, /Everything is equal/);
    const [made] = await stage.db.query(`SELECT count(*)::int AS n FROM bb_event WHERE name = 'Lagt oppå'`);
    expect(made).toEqual({ n: 1 });
  });

  test('a meeting on a taken time names who invited, in the conflict, the week and its explanation, and who is told', async () => {
    await using stage = await openStage({ mapped: [101] });
    await stage.desk.book(101, {
      title: 'Reservert',
      from: stage.day(2, '10:00'),
      to: stage.day(2, '12:00'),
    });
    await stage.settled();
    const [reserved] = stage.events(101);
    stage.tenant.addPerson({ upn: 'anna@bergen.example', name: 'Anna Hansen' });
    stage.tenant.people.invite('anna@bergen.example', ['formannskapssalen@bergen.example'], {
      subject: 'Budsjett',
      start: reserved!.start,
      end: reserved!.end,
    });
    // a delegate takes it although the room is taken
    const invited = stage.events(101).find((event) => event.subject === 'Budsjett');
    stage.tenant.people.respond('formannskapssalen@bergen.example', invited!.id, 'accepted');
    await stage.poll();
    await using page = await visit(stage.url);
    await says(page, /1 conflict needs/);
    const [known] = await stage.db.query<{ outlook_organizer: string; id: number }>(
      'SELECT outlook_organizer, id FROM bridge_mappings WHERE outlook_organizer IS NOT NULL',
    );
    expect(known).toMatchObject({ outlook_organizer: 'Anna Hansen' });
    const name = 'Anna Hansen';
    await page.locator('#conflicts', { hasText: `Organiser: Kari Nordmann · ${name}` }).waitFor();
    await page.getByRole('button', { name: 'Keep booking' }).click();
    await page.getByRole('dialog').getByText(`Mail goes to ${name}.`).waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Back' }).click();
    await page.goto(`${stage.url}/#/calendar/101/week/${date(2)}`);
    const item = page.locator('#calendar li', { hasText: 'Budsjett' });
    await item.getByText(`Organiser: ${name}`).waitFor();
    expect(await item.getByRole('link', { name: 'Open in Outlook' }).getAttribute('href')).toMatch(
      /^https:\/\/outlook\.office365\.com\/calendar\/item\/[^/?&=+]+$/,
    );
    await page.goto(`${stage.url}/#/mapping/${known!.id}`);
    await page.locator('#explain', { hasText: name }).waitFor();
    expect(await page.locator('#explain').getByRole('link', { name: 'Open in Outlook' }).count()).toBe(1);
    expect(page.problems).toEqual([]);
  });

  test('where there is no such endpoint the page goes without', async () => {
    await using stage = await openStage();
    await using page = await visit('about:blank');
    await page.route('**/conflicts', (route) =>
      route.fulfill({ status: 404, json: { success: false, error: 'no', hint: '' } }),
    );
    await page.goto(stage.url);
    await says(page, /Everything is equal/);
    expect(await page.locator('#conflicts').textContent()).toBe('');
  });
});
