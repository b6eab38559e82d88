/**
 * Whatever clerks and people in Outlook did: the plan says what the sync then does, kind by kind, and making it changes nothing.
 * Another set of worlds: `SEED=7 RUNS=300 npx vitest run test/sync/plan-property.test.ts`.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyStory, linesOf, live, openStory, syncedLines } from './plan-world.ts';

const seed = Number(process.env['SEED'] ?? 20_261_130);
const runs = Number(process.env['RUNS'] ?? 8);

test(
  `the plan of a random world is what the sync then does (${runs} worlds, seed ${seed})`,
  { timeout: 60_000 + runs * 5_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(anyStory, async (story) => {
        await using w = await openStory(story.policy);
        await live(w, story);
        const plan = await w.plan();
        expect(plan.complete, JSON.stringify(plan.rooms.map(({ error }) => error))).toBe(true);
        expect(linesOf(plan)).toEqual(await syncedLines(w));
        // and then there is nothing to do but what waits
        const after = (await w.plan()).counts;
        expect({ ...after, conflict: 0, waiting: 0 }).toEqual(nothing);
      }),
      { seed, numRuns: runs, endOnFailure: process.env['SHRINK'] === undefined },
    );
  },
);

const nothing = {
  create: 0,
  change: 0,
  delete: 0,
  decline: 0,
  import: 0,
  'change-booking': 0,
  'cancel-booking': 0,
  adopt: 0,
  conflict: 0,
  waiting: 0,
};
