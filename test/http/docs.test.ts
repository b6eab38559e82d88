/** /docs as people use it, in a real Chromium. */
import { expect, test } from 'vitest';
import { chromiumPath, visit } from '../dashboard/stage.ts';
import { openApi } from './api.ts';

test.skipIf(chromiumPath === null)(
  'operations stand in groups, those first that people use, and are found by any word of theirs',
  async () => {
    await using api = await openApi();
    await using page = await visit(`${api.served.url}/docs`);
    const groups = page.locator('.opblock-tag-section h3');
    await groups.first().waitFor();
    expect(await groups.evaluateAll((all) => all.slice(0, 3).map((one) => one.dataset['tag']))).toEqual([
      'Search',
      'Rooms',
      'Conflicts',
    ]);
    const paths = page.locator('.opblock-summary-path');
    expect(await paths.count()).toBeGreaterThan(80);
    await page.locator('.operation-filter-input').fill('brake release');
    await paths.nth(1).waitFor({ state: 'detached' });
    expect(await paths.allInnerTexts()).toEqual([expect.stringContaining('brake/release')]);
    expect(page.problems).toEqual([]);
  },
);
