/** The page in Norwegian: as the browser asks, or as its reader chose. */
import { describe, expect, test } from 'vitest';
import en from '../../src/http/dashboard/en.json' with { type: 'json' };
import nb from '../../src/http/dashboard/nb.json' with { type: 'json' };
import { chromiumPath, openStage, photograph, says, visit } from './stage.ts';

/** What English says otherwise than Norwegian, as long as a sentence of it cannot be a title or a name. */
const english = Object.entries(en)
  .filter(
    ([key, message]) =>
      typeof message === 'string' && !key.startsWith('server.') && message !== nb[key as keyof typeof nb],
  )
  .map(([, message]) => String(message))
  .filter((message) => message.length >= 4 && !message.includes('{') && !Object.values(nb).includes(message));

describe.skipIf(chromiumPath === null)('in Norwegian', () => {
  test('a browser that asks for Norwegian gets every word of it, numbers and days as well', async () => {
    await using stage = await openStage({ mapped: [101, 102] });
    await stage.desk.book(101, { title: 'Kor', from: stage.day(3, '10:00'), to: stage.day(3, '11:00') });
    await stage.settled();
    await using page = await visit(stage.url, { locale: 'nb-NO' });
    await says(page, /^Alt er likt: 2 rom, 1 reservasjon/);
    expect(await page.locator('html').getAttribute('lang')).toBe('nb');
    await page.locator('#rooms-body').getByRole('button', { name: 'Formannskapssalen' }).click();
    await page.locator('#room').getByRole('button', { name: 'Kor' }).first().click();
    await page.locator('#explain').getByText('Avtalen ble opprettet i Outlook').waitFor();
    const texts = (await page.evaluate(`[...document.querySelectorAll('*')].flatMap((element) => [
      ...[...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent.trim()),
      ...['title', 'placeholder', 'aria-label'].map((name) => element.getAttribute(name) ?? ''),
    ]).filter((text) => text !== '')`)) as string[];
    expect(texts.length).toBeGreaterThan(80);
    expect(
      texts.filter((text) => english.includes(text.replace(/[.:]$/, '')) || english.includes(text)),
    ).toEqual([]);
    await photograph(page, 'norwegian', false);
    expect(page.problems).toEqual([]);
  });

  test('the switch changes the language, keeps what is open, and is remembered', async () => {
    await using stage = await openStage({ mapped: [101] });
    await using page = await visit(`${stage.url}/#/room/101`, {
      viewport: { width: 1440, height: 900 },
    });
    await page.locator('#room').getByRole('button', { name: 'Close' }).click();
    await page.locator('#rooms-body').getByRole('button', { name: 'Formannskapssalen' }).waitFor();
    await page.getByRole('link', { name: 'Norsk' }).focus();
    await page.keyboard.press('Enter');
    await says(page, /^Alt er likt/);
    expect(new URL(page.url()).search).toBe('');
    await page.goto(`${stage.url}/#/room/101`);
    await page.reload();
    await page.locator('#room').getByRole('button', { name: 'Lukk' }).click();
    await page.getByRole('link', { name: 'English' }).click();
    await says(page, /^Everything is equal/);
    expect(page.problems).toEqual([]);
  });

  test('the login page speaks it too, also of a wrong key', async () => {
    await using stage = await openStage({ mapped: [101], env: { API_KEY: 'et-langt-hemmelig-passord' } });
    await using page = await visit(stage.url, { locale: 'no' });
    await page.getByLabel('API-nøkkel').fill('feil');
    await page.getByRole('button', { name: 'Logg inn' }).click();
    await page.getByRole('alert').getByText('API-nøkkelen er feil.').waitFor();
    await page.getByRole('link', { name: 'English' }).click();
    await page.getByRole('button', { name: 'Log in' }).waitFor();
  });
});
