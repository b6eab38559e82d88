/**
 * Takes the pictures of README from a demo that runs already, once it has been at work for a minute:
 *   npm run demo                        and in a second terminal
 *   node test/dashboard/picture.ts      (--url http://127.0.0.1:8082)
 * Nothing is made up for them: it waits for a moment at which both sides are equal and every line has its title.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openBrowser, says } from './stage.ts';

const { url } = parseArgs({ options: { url: { type: 'string', default: 'http://127.0.0.1:8082' } } }).values;
const triesMost = 60;

await using browser = await openBrowser();
for (const [colorScheme, file] of [
  ['light', 'dashboard.png'],
  ['dark', 'dashboard-dark.png'],
] as const) {
  await using page = await browser.look(url, { viewport: { width: 1280, height: 905 }, colorScheme });
  const path = fileURLToPath(new URL(`../../docs/${file}`, import.meta.url));
  await page.locator('#histogram canvas').waitFor();
  for (let tries = 1; ; tries += 1) {
    await says(page, /^Everything is equal/);
    await page.screenshot({ path });
    const still = (await page.locator('#sentence').textContent())?.startsWith('Everything is equal') === true;
    const titles = await page.locator('#feed .what > :first-child').allTextContents();
    if (still && !titles.some((title) => /^[a-z]+ \d+$/.test(title))) break;
    if (tries === triesMost) throw new Error('the demo never rested: no picture was taken');
    await page.locator('#feed li').first().waitFor();
  }
  process.stdout.write(`${path}\n`);
}
