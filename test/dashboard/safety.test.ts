import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, openStage, photograph, says, visit, type Stage } from './stage.ts';

const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

describe.skipIf(chromiumPath === null)('safe, and usable by every user', () => {
  test('a title that is markup is shown as the text that it is, wherever it appears', async () => {
    await using stage = await openStage();
    await stage.db.query(
      'UPDATE bridge_resource_mappings SET outlook_item_name = $1 WHERE resource_id = 102',
      [hostile],
    );
    const { id } = await stage.desk.book(102, {
      title: hostile,
      from: stage.day(1, '10:00'),
      to: stage.day(1, '11:00'),
    });
    await stage.settled();
    await using page = await visit(`${stage.url}/#/booking/event/${id}`);
    await page.locator('#explain-title', { hasText: '<img src=x onerror=' }).waitFor();
    await page.locator('#feed li', { hasText: '<script>' }).waitFor();
    await page.locator('#rooms-body td.name', { hasText: '<img' }).waitFor();
    expect(await page.locator('img[src=x]').count()).toBe(0);
    expect(await page.title()).not.toContain('owned');
    await photograph(page, 'hostile', false);
  });

  test.each([
    ['written from right to left', 'اجتماع المجلس البلدي – קבוצה (3) \u202Eabc'],
    ['of 255 characters without a space', 'Samarbeidsutvalgsmøte'.repeat(12).slice(0, 255)],
    ['of emoji', '🎉👩‍👩‍👧‍👦🏳️‍🌈'.repeat(8)],
  ])('a title %s bursts nothing, on a phone neither', async (_name, title) => {
    await using stage = await openStage();
    stage.tenant.faults.add({
      match: { method: 'POST', mailbox: 'bystyresalen@bergen.example' },
      action: { do: 'refuse', status: 400, code: 'ErrorInvalidRequest', message: 'The request is invalid.' },
    });
    for (const room of [101, 102])
      await stage.desk.book(room, { title, from: stage.day(1, '10:00'), to: stage.day(1, '11:00') });
    await using page = await visit(stage.url, { viewport: { width: 360, height: 740 } });
    await page.locator('#errors .error-row').waitFor();
    await page.locator('#feed li').nth(1).waitFor();
    const overflow = () => page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
    expect(await overflow()).toBeLessThanOrEqual(0);
    await photograph(page, `title-${_name.slice(-9).replace(/\W/g, '')}`);
    await page.setViewportSize({ width: 1280, height: 800 });
    expect(await overflow()).toBeLessThanOrEqual(0);
    // the sentence that names it has it between isolates
    await expect
      .poll(() => page.locator('#detail').textContent())
      .toMatch(/^\u2068[^\u2069]{1,300}\u2069 in \u2068Bystyresalen\u2069: /);
    // its direction is its own: what follows it on the line is not turned round
    const turned = await page.evaluate<number>(`
      [...document.querySelectorAll('#feed li .what > :first-child, #errors .link')]
        .filter((one) => getComputedStyle(one).unicodeBidi !== 'isolate').length`);
    expect(turned).toBe(0);
    await photograph(page, `title-wide-${_name.slice(-9).replace(/\W/g, '')}`);
  });

  test('an installation without rooms says what to do first', async () => {
    await using stage = await openStage({ mapped: [] });
    await using page = await visit(stage.url);
    await says(page, /No room is mapped yet/);
    expect(await page.locator('#detail').textContent()).toContain('mappings match');
    await page.locator('#rooms-more').getByText('No room yet.').waitFor();
    await photograph(page, 'empty');
    expect(page.problems).toEqual([]);
  });

  test('with a key set, who comes is asked for it once, and can go again', async () => {
    await using stage = await openStage({
      env: { API_KEY: 'a-key-that-is-long-enough-1234567890', HOST: '127.0.0.1' },
    });
    await using page = await visit(stage.url);
    await photograph(page, 'login-light', false);
    await page.locator('input[type=password]').fill('a-wrong-key');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await page.emulateMedia({ colorScheme: 'dark' });
    await photograph(page, 'login-wrong-dark', false);
    await page.locator('input[type=password]').fill('a-key-that-is-long-enough-1234567890');
    await page.keyboard.press('Enter');
    await says(page, /Everything is equal/);
    await page.locator('#line[data-state=on]').waitFor();
    await page.locator('#rooms-body').getByRole('button', { name: 'Formannskapssalen' }).click();
    await page.locator('#room').getByRole('button', { name: 'Pause' }).click();
    await page.locator('#room').getByRole('button', { name: 'Resume' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('input[type=password]').waitFor();
  });

  test('a session that ended is said to have ended, with the way to a new one', async () => {
    await using stage = await openStage({
      env: { API_KEY: 'a-key-that-is-long-enough-1234567890', HOST: '127.0.0.1' },
    });
    await using page = await visit(stage.url);
    await page.locator('input[type=password]').fill('a-key-that-is-long-enough-1234567890');
    await page.keyboard.press('Enter');
    await says(page, /Everything is equal/);
    await page.context().clearCookies();
    await says(page, /You are signed out/);
    expect(await page.getByRole('link', { name: 'Sign in' }).getAttribute('href')).toBe('/login');
  });
});

describe.skipIf(chromiumPath === null)('safe, and usable by every user, where nothing is changed', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
    await stage.desk.book(101, {
      title: `${'Samarbeidsutvalgsmøte'.repeat(8)} og ${'et langt navn '.repeat(5)}`,
      from: stage.day(1, '10:00'),
      to: stage.day(1, '11:00'),
    });
    await stage.settled();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test('the policy lets no script in but our files, and none of the page breaks it', async () => {
    const policy = (await fetch(stage.url)).headers.get('content-security-policy')!;
    expect(policy).toMatch(/default-src 'none'/);
    expect(policy).toMatch(/script-src 'self'(;|$)/);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    await using page = await visit(stage.url);
    await says(page, /Everything is equal/);
    const ran = await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'window.owned = true';
      document.body.append(script);
      'owned' in window`);
    expect(ran).toBe(false);
  });

  test('nothing is fetched from another host', async () => {
    await using page = await visit('about:blank');
    const hosts = new Set<string>();
    page.on('request', (request) => hosts.add(new URL(request.url()).origin));
    await page.goto(stage.url);
    await says(page, /Everything is equal/);
    expect([...hosts]).toEqual([stage.url]);
  });

  test.each([360, 768, 1440])('at a width of %i px nothing is scrolled sideways', async (width) => {
    await using page = await visit(stage.url, { viewport: { width, height: 800 } });
    await page.locator('#feed li button').waitFor();
    await page.locator('#histogram canvas').waitFor();
    const overflow = () => page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
    expect(await overflow()).toBeLessThanOrEqual(0);
    await page.locator('#feed li button').click();
    await page.locator('#explain .steps li').waitFor();
    expect(
      await page.locator('#explain').evaluate((sheet) => sheet.scrollWidth - sheet.clientWidth),
    ).toBeLessThanOrEqual(0);
    await photograph(page, `width-${width}`, false);
  });

  test('everything is reached and done with the keyboard: skip link, rooms, their sheet, and back to where one was', async () => {
    await using page = await visit(stage.url);
    await page.locator('#rooms-body button').first().waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
    const room = page.locator('#rooms-body').getByRole('button', { name: 'Bystyresalen' });
    const isFocused = () => room.evaluate((own) => own.matches(':focus'));
    for (let tabs = 0; tabs < 40 && !(await isFocused()); tabs += 1) await page.keyboard.press('Tab');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.keyboard.press('Enter');
    await page.locator('#room-title', { hasText: 'Bystyresalen' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#room').waitFor({ state: 'hidden' });
    expect(await isFocused()).toBe(true);
  });

  test('light and dark follow the system until a person chooses, and the choice is kept', async () => {
    await using page = await visit(stage.url, { colorScheme: 'dark' });
    const brightness = () =>
      page.evaluate<number>('Number(/\\d+/.exec(getComputedStyle(document.body).backgroundColor)[0])');
    expect(await brightness()).toBeLessThan(60);
    await page.getByRole('button', { name: 'Colours: as in the system' }).click();
    expect(await brightness()).toBeGreaterThan(200);
    await page.reload();
    expect(await brightness()).toBeGreaterThan(200);
    await page.getByRole('button', { name: 'Colours: light' }).click();
    await page.getByRole('button', { name: 'Colours: dark' }).click();
    expect(await brightness()).toBeLessThan(60);
  });
});
