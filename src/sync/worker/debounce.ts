/** Keeps a burst of changes from becoming as many calls. */
import type { WorkItem } from '../store/work-item.ts';

/** Between two rounds of repeated changes: the second at once, then with growing gaps. */
const firstGapMs = 200;
const longestGapMs = 1_000;
/** Other changes are read this often meanwhile. */
const readMs = 50;

/**
 * Keeps a burst from becoming as many calls: a change of what this drain has written already waits for others of its
 * kind, while whatever changes for the first time goes at once. It begins with each drain, which ends when nothing is
 * due, so a person who waits for one change before making the next never meets it.
 */
export function createDebounce(now: () => number = () => performance.now()) {
  const written = new Set<number>();
  let gapMs = 0;
  let nextAt = 0;
  return {
    /** Which of them to write now. */
    choose(items: readonly WorkItem[]): readonly WorkItem[] {
      const fresh = items.filter(({ id }) => !written.has(id));
      for (const { id } of fresh) written.add(id);
      if (fresh.length > 0 || items.length === 0) return fresh;
      if (now() < nextAt) return [];
      gapMs = Math.min(longestGapMs, gapMs === 0 ? firstGapMs : gapMs * 2);
      nextAt = now() + gapMs;
      return items;
    },
    waitMs: () => Math.max(1, Math.min(readMs, nextAt - now())),
  };
}
