/** Who uses no mouse, sees little, or listens to the page. */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { addDay } from './stage-days.ts';
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

/** Texts whose colour stands out from what lies behind them by less than WCAG 2.2 AA asks: 4.5, of large ones 3. */
const tooPale = (page: Page) =>
  page.evaluate<string[]>(`(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const behind = (element) => {
      for (let at = element; at !== null; at = at.parentElement) {
        const own = rgba(getComputedStyle(at).backgroundColor);
        if (own[3] === 1) return own;
        if (own[3] > 0) {
          const under = behind(at.parentElement);
          return [0, 1, 2].map((i) => own[i] * own[3] + under[i] * (1 - own[3]));
        }
      }
      return [255, 255, 255];
    };
    const light = (rgb) => {
      const [r, g, b] = rgb.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() === '' || !element.checkVisibility() || element.closest('.hidden, noscript, option')) continue;
      const style = getComputedStyle(element);
      const [front, back] = [light(rgba(style.color)), light(behind(element))];
      const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) found.add(walker.currentNode.data.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
    }
    return [...found];
  })()`);

/** What can be used and has no name that could be read out. */
const nameless = (page: Page) =>
  page.evaluate<
    string[]
  >(`[...document.querySelectorAll('button, a[href], input, select, dialog[open], [role=region], [role=group], [role=img], progress')]
    .filter((element) => element.checkVisibility())
    .filter((element) => {
      const by = element.getAttribute('aria-labelledby');
      const name = element.getAttribute('aria-label') ?? (by && document.getElementById(by)?.textContent) ??
        element.labels?.[0]?.textContent ?? (element.matches('button, a') ? element.textContent : '');
      return name === null || name.trim() === '';
    })
    .map((element) => element.outerHTML.slice(0, 120))`);

/** Presses Tab until the element with this name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  const text = () =>
    page.evaluate<string>(
      `document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent ?? ''`,
    );
  for (let tabs = 0; tabs < 80 && (await text()) !== name; tabs += 1) await page.keyboard.press('Tab');
  expect(await text()).toBe(name);
  expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
}

describe.skipIf(chromiumPath === null)('within the reach of every user', () => {
  /** A failure with its alert, a conflict, and a day behind it. */
  async function openTrouble() {
    const stage = await openStage();
    await addDay(stage.db);
    const sick = stage.tenant.faults.add({
      match: { method: 'POST', mailbox: 'bystyresalen@bergen.example' },
      action: { do: 'refuse', status: 400, code: 'ErrorInvalidRequest', message: 'The request is invalid.' },
    });
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
    await stage.desk.book(102, { title: 'Byggesak', from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await stage.poll();
    return { stage, mend: () => stage.tenant.faults.remove(sick) };
  }

  test('every text stands out from its ground, and everything that can be used has a name, in light and dark', async () => {
    const { stage } = await openTrouble();
    await using _ = stage;
    await using page = await visit(stage.url);
    await page.locator('#errors').getByText('Byggesak').waitFor();
    await page.locator('#conflicts').getByRole('button', { name: 'Lagt oppå' }).waitFor();
    await page.locator('#alerts li').first().waitFor();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await tooPale(page)).toEqual([]);
      await photograph(page, `trouble-${colorScheme}`);
    }
    expect(await nameless(page)).toEqual([]);
    await page.locator('#rooms-body').getByRole('button', { name: 'Bystyresalen' }).click();
    await page.locator('#room h3').first().waitFor();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await tooPale(page)).toEqual([]);
    }
    await photograph(page, 'room-trouble-dark', false);
    expect(await nameless(page)).toEqual([]);
  });

  test('what is stale is still read without strain', async () => {
    await using stage = await openStage();
    await using page = await visit(stage.url);
    await says(page, /Everything is equal/);
    await stage.stopDaemon();
    await says(page, /The daemon does not answer/);
    expect(await page.locator('#content').getAttribute('data-stale')).toBe('');
    expect(await tooPale(page)).toEqual([]);
  });

  test('an alert is acknowledged, a failure tried again and a side kept without a mouse, and the focus is never lost', async () => {
    const { stage, mend } = await openTrouble();
    await using _ = stage;
    await using page = await visit(stage.url);
    await page.locator('#errors').getByText('Byggesak').waitFor();
    await page.locator('#conflicts').getByRole('button', { name: 'Lagt oppå' }).waitFor();
    const first = await page.locator('#alerts li').first().textContent();
    const isSomewhere = () => page.evaluate<boolean>('document.activeElement !== document.body');
    await tabTo(page, 'Acknowledge');
    await page.keyboard.press('Enter');
    await page.locator('#alerts li', { hasText: first! }).waitFor({ state: 'detached' });
    expect(await isSomewhere()).toBe(true);
    await page.locator('#content').focus();
    await tabTo(page, 'Keep Outlook');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#conflicts section').waitFor({ state: 'detached' });
    expect(await isSomewhere()).toBe(true);
    mend();
    await page.locator('#content').focus();
    await tabTo(page, 'Try again');
    await page.keyboard.press('Space');
    await says(page, /Everything is equal/);
    expect(await isSomewhere()).toBe(true);
    expect(page.problems).toEqual([]);
  });

  test('the focus stays where it is while the page is drawn anew around it, also in a sheet that changes', async () => {
    await using stage = await openStage();
    await using page = await visit(stage.url);
    await page.locator('#rooms-body').getByRole('button', { name: 'Formannskapssalen' }).focus();
    await page.keyboard.press('Enter');
    const sheet = page.locator('#room');
    await sheet.getByRole('button', { name: 'Pause' }).focus();
    await stage.desk.book(101, { title: 'Årsmøte', from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await sheet.getByRole('button', { name: 'Årsmøte' }).first().waitFor();
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Pause');
    await page.keyboard.press('Enter');
    await sheet.getByRole('button', { name: 'Resume' }).waitFor();
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Resume');
  });

  test('a row that moves because others come, go or are worse now keeps the focus', async () => {
    await using stage = await openStage({ mapped: [101, 102, 103] });
    await using page = await visit(stage.url);
    const names = () => page.locator('#rooms-body .name').allTextContents();
    await expect.poll(names).toEqual(['Bystyresalen', 'Formannskapssalen', 'Møterom Fløyen']);
    await page.locator('#rooms-body').getByRole('button', { name: 'Møterom Fløyen' }).focus();
    const focused = () => page.evaluate<string>('document.activeElement.textContent');
    const pause = (room: number, active: number) =>
      stage.db.query('UPDATE bridge_resource_mappings SET active = $2 WHERE resource_id = $1', [
        room,
        active,
      ]);
    await pause(102, 0);
    await expect.poll(names).toEqual(['Formannskapssalen', 'Møterom Fløyen', 'Bystyresalen']);
    expect(await focused()).toBe('Møterom Fløyen');
    await pause(103, 0);
    await expect.poll(names).toEqual(['Formannskapssalen', 'Bystyresalen', 'Møterom Fløyen']);
    expect(await focused()).toBe('Møterom Fløyen');
    await stage.db.query('DELETE FROM bridge_resource_mappings WHERE resource_id = 101');
    await expect.poll(names).toEqual(['Bystyresalen', 'Møterom Fløyen']);
    expect(await focused()).toBe('Møterom Fløyen');
  });

  test('a screen reader says how it stands once, and not every second or with every change', async () => {
    await using stage = await openStage();
    await using page = await visit(stage.url);
    await says(page, /Everything is equal/);
    await page.evaluate(`
      window.heard = [];
      for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live]'))
        new MutationObserver(() => window.heard.push(region.textContent)).observe(region,
          { childList: true, characterData: true, subtree: true })`);
    for (let day = 1; day <= 4; day += 1)
      await stage.desk.book(101, { from: stage.day(day, '10:00'), to: stage.day(day, '11:00') });
    await says(page, /4 reservations, last change [2-9] s ago/);
    expect(await page.evaluate('window.heard')).toEqual([]);
    expect(await page.locator('#spoken').textContent()).toBe('Everything is equal.');
    const start = await stage.stopDaemon();
    await says(page, /The daemon does not answer/);
    await start();
    await says(page, /Everything is equal/);
    const heard = (await page.evaluate('window.heard')) as string[];
    // true for a moment of a start, and told to a reader at just that time
    expect(heard.filter((said) => !said.startsWith('Notifications of the booking database'))).toEqual([
      'The daemon does not answer.',
      'Everything is equal.',
    ]);
  });

  test('a user who wants no motion gets none', async () => {
    await using stage = await openStage();
    await using page = await visit(stage.url, { reducedMotion: 'reduce' });
    await says(page, /Everything is equal/);
    expect(
      await page.evaluate(`[...document.querySelectorAll('*')].filter((element) => {
        const { animationName, transitionDuration } = getComputedStyle(element);
        return animationName !== 'none' || !/^0s(, 0s)*$/.test(transitionDuration);
      }).length`),
    ).toBe(0);
  });
});
