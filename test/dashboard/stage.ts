/** The product as an operator has it in front of him: the daemon with its page, and a real Chromium that looks at it. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import type { Fact } from '../../src/facts.ts';
import { openWorld, type WorldOptions } from '../e2e/world.ts';
import { startService, type RunningService } from '../support/service.ts';

const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** CHROMIUM_PATH, else where systems put it; null: there is none. */
export const chromiumPath =
  [process.env['CHROMIUM_PATH'], ...candidates].find((path) => path && existsSync(path)) ?? null;

if (chromiumPath === null)
  process.stderr.write(
    'No Chromium is found: the tests of the dashboard are skipped. Install one, or set CHROMIUM_PATH.\n',
  );

/** Where photographs go; unset: none are taken. */
const album = process.env['DASHBOARD_PHOTOGRAPHS'] ?? null;

export type Stage = Awaited<ReturnType<typeof openStage>>;

export interface StageOptions extends WorldOptions {
  /** Where the daemon finds the database, instead of there. */
  readonly through?: (url: string) => Promise<string>;
}

/** A world whose daemon serves the page. */
export async function openStage(options: StageOptions = {}) {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld(options));
  const facts: Fact[] = [];
  const url = (await options.through?.(world.db.url)) ?? world.db.url;
  const open = async (port: number): Promise<RunningService> => {
    const running = await startService({
      ...world.config,
      http: { ...world.config.http, port },
      database: { ...world.config.database, url },
    });
    running.service.watch((fact) => facts.push(fact));
    return running;
  };
  let running = await open(0);
  opened.defer(() => running.end());
  const owned = opened.move();
  return {
    ...world,
    facts,
    url: running.url,
    /** Asks for the changes of all rooms. */
    poll: () =>
      world.db.query(
        'WITH due AS (UPDATE bridge_room_state SET pull_due_at = now() RETURNING 1) SELECT bridge_wake() FROM due',
      ),
    /** The daemon goes away; returns how it comes back on the same port. */
    async stopDaemon() {
      const { port } = new URL(running.url);
      await running.end();
      return async () => void (running = await open(Number(port)));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A real Chromium. It keeps the machine's clock: it does not start under a preloaded one (see docs/CONTRIBUTING.md). */
const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath!,
    env: { ...process.env, LD_PRELOAD: '' },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

let kept: ReturnType<typeof openBrowser> | undefined;

/** Opens a page, with cookies and storage of its own, in the browser that a worker keeps for all its files and that ends with it. */
export async function visit(url: string, options: BrowserContextOptions = {}) {
  const forget = () => (kept = undefined);
  kept ??= openBrowser(forget);
  kept.catch(forget);
  return await (await kept).visit(url, options);
}

/** A browser; its pages fail the test that owns them when a script fails or the policy forbids something. */
export async function openBrowser(ended = () => {}) {
  const browser = (await launchChromium()).once('disconnected', ended);
  return {
    async visit(url: string, options: BrowserContextOptions = {}) {
      const context = await browser.newContext({
        viewport: { width: 1440, height: 900 },
        locale: 'en-GB',
        timezoneId: 'Europe/Oslo',
        ...options,
      });
      if (process.env['FAKETIME'] !== undefined) await context.clock.setSystemTime(new Date());
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => {
        // what does not answer is a case here, and the browser says so by itself
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
          problems.push(message.text());
      });
      await page.goto(url);
      return Object.assign(page, { problems, [Symbol.asyncDispose]: () => context.close() });
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** Resolves when the sentence matches; it is given without the marks that keep a name's direction to itself. */
export async function says(page: Page, pattern: RegExp): Promise<string> {
  const found = page.locator('#sentence', { hasText: pattern });
  await found.waitFor({ timeout: 30_000 });
  return ((await found.textContent()) ?? '').replace(/[\u2068\u2069]/g, '');
}

/** Takes a photograph when an album is asked for (DASHBOARD_PHOTOGRAPHS). */
export async function photograph(page: Page, name: string, fullPage = true): Promise<void> {
  if (album === null) return;
  await mkdir(album, { recursive: true });
  await page.screenshot({ path: `${album}/${name}.png`, fullPage });
}
