import type { WorkItem } from '../store/work-item.ts';

/** The interval of repeated changes grows between these limits. */
const firstGapMs = 200;
const longestGapMs = 1_000;
/** The interval of reads of other due items. */
const readMs = 50;

/**
 * Combines a burst of changes into few calls: an item that this drain has written before waits, an item that changes for the first
 * time does not. Each drain begins anew and ends when nothing is due, so changes made one after the other are not delayed.
 */
export function createDebounce() {
  const written = new Set<number>();
  let gapMs = 0;
  let nextAt = 0;
  return {
    /** The items to write now. */
    choose(items: readonly WorkItem[]): readonly WorkItem[] {
      const fresh = items.filter(({ id }) => !written.has(id));
      for (const { id } of fresh) written.add(id);
      if (fresh.length > 0 || items.length === 0) return fresh;
      if (performance.now() < nextAt) return [];
      gapMs = Math.min(longestGapMs, gapMs === 0 ? firstGapMs : gapMs * 2);
      nextAt = performance.now() + gapMs;
      return items;
    },
    waitMs: () => Math.max(1, Math.min(readMs, nextAt - performance.now())),
  };
}
