/**
 * `npm run pictures`: takes the pictures of README again, from a demo that it starts itself. The simulated users of the demo stop
 * after a number of changes, so that all is equal and the page does not change, on a busy machine too. `--into FOLDER` writes them
 * there instead of docs/.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { restingText } from '../../src/cli/demo-screen.ts';
import { chromiumPath, openBrowser, says } from './stage.ts';

const root = join(import.meta.dirname, '..', '..');
const { into, changes } = parseArgs({
  options: {
    into: { type: 'string', default: join(root, 'docs') },
    changes: { type: 'string', default: '60' },
  },
}).values;
/** A machine may be busy. */
const patienceMs = 120_000;

interface Picture {
  readonly file: string;
  readonly colorScheme: 'light' | 'dark';
  readonly viewport: { readonly width: number; readonly height: number };
  /** After the address of the page. */
  readonly hash: string;
  /** Resolves when the page shows the content of the picture. */
  readonly ready: (page: Page) => Promise<unknown>;
  /** The element of the page. */
  readonly of: string;
}

if (chromiumPath === null) {
  process.stderr.write('No Chromium is found: install one, or set CHROMIUM_PATH.\n');
  process.exit(1);
}
await mkdir(into, { recursive: true });
await using demo = await startDemo();
await using browser = await openBrowser();
const week = await fullestWeek(demo.url);
const dashboard = { viewport: { width: 1280, height: 930 }, hash: '', ready: isAtRest, of: 'body' };
const pictures: readonly Picture[] = [
  { ...dashboard, file: 'dashboard.png', colorScheme: 'light' },
  { ...dashboard, file: 'dashboard-dark.png', colorScheme: 'dark' },
  {
    file: 'week.png',
    colorScheme: 'light',
    viewport: { width: 1280, height: 730 },
    of: '#calendar',
    hash: `#/calendar/${week.resource}/week/${week.date}`,
    ready: (page) =>
      page
        .locator('#calendar .calendar li')
        .nth(week.items - 1)
        .waitFor({ timeout: patienceMs }),
  },
];
for (const { file, colorScheme, viewport, hash, ready, of } of pictures) {
  await using page = await browser.visit(`${demo.url}/${hash}`, {
    viewport,
    colorScheme,
    reducedMotion: 'reduce',
  });
  await ready(page);
  if (page.problems.length > 0) throw new Error(page.problems.join('\n'));
  const path = join(into, file);
  await page.locator(of).screenshot({ path, animations: 'disabled', caret: 'hide' });
  process.stdout.write(`${path}  ${Math.round((await stat(path)).size / 1_024)} kB\n`);
}

/** Both sides are equal, the chart is drawn, and every line of the feed has its title. */
async function isAtRest(page: Page): Promise<void> {
  await says(page, /^Everything is equal/);
  await page.locator('#histogram canvas').waitFor({ timeout: patienceMs });
  await page.waitForFunction(
    `(() => {
      const titles = [...document.querySelectorAll('#feed .what > :first-child')].map((one) => one.textContent);
      return titles.length > 5 && titles.every((title) => !/^[a-z]+ \\d+$/.test(title));
    })()`,
    undefined,
    { timeout: patienceMs },
  );
}

/** The demo after its last change. It ends with this process. */
async function startDemo() {
  const child = spawn(process.execPath, ['src/main.ts', 'demo', '--port', '0', '--changes', changes], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let url = '';
  for await (const line of createInterface(child.stdout)) {
    url ||= /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? '';
    if (line.includes(restingText)) break;
  }
  if (child.exitCode !== null || url === '') throw new Error('The demo ended before its last change.');
  child.stdout.resume();
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGINT');
      await ended;
    },
  };
}

/** The week with the most items, of any room. */
async function fullestWeek(url: string) {
  const read = async <T>(path: string) => (await (await fetch(url + path)).json()) as T;
  const { rooms } = await read<{ rooms: { resource_id: number }[] }>('/rooms');
  const weeks = [];
  for (const { resource_id: resource } of rooms)
    for (let ahead = 0; ahead < 10; ahead += 1) {
      const date = new Date(Date.now() + ahead * 7 * 86_400_000).toISOString().slice(0, 10);
      const { items } = await read<{ items: object[] }>(`/rooms/${resource}/week?date=${date}`);
      weeks.push({ resource, date, items: items.length });
    }
  return weeks.toSorted((a, b) => b.items - a.items)[0]!;
}
