/**
 * What changed in a room's calendar, written down page by page together with the cursor: which mapping is to be read
 * again, which event nobody knows. Nothing is decided here, and what a row says is only a hint: delta repeats rows, shows
 * old ones, and reports as removed what merely left its window. Reading and deciding follow in the same drain.
 */
import type { Queryable } from '../../database.ts';
import { Retryable } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { noteActivity } from '../store/polls.ts';
import { beginPull, pullAgain } from '../store/pull-store.ts';
import { storePage } from '../store/observed.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { createObserve } from './observe.ts';
import { createSpacing } from './poll-spacing.ts';

export interface PullOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly tell: Tell;
  readonly window: Window;
  /** Between two polls of a room. */
  readonly pollMs: number;
  /** The same while Outlook does not call us for that room (no subscription); default: no difference. */
  readonly unheardMs?: number;
  readonly random?: () => number;
}

/** `baseline`: the cursor is lost or of another window; `compare`: somebody asked for a comparison of the whole window. */
export interface PulledRound {
  readonly next: 'done' | 'compare' | 'baseline';
  readonly rows: number;
}

/** After a round that was asked for and brought nothing: changes may show up late (Microsoft: delta-query-overview). */
const againMs = [500, 1_500, 4_000, 10_000];

/** A poll of a room, spread so that many rooms do not come at once. */
export const pollAfter = (pollMs: number, random: () => number): number => pollMs * (0.9 + random() * 0.2);

export function createPull(options: PullOptions) {
  const { db, outlook, tell, window, pollMs, unheardMs = pollMs, random = Math.random } = options;
  const observe = createObserve(db, outlook);
  const spacing = createSpacing(db);
  return async function pull(room: LeasedRoom, signal: AbortSignal): Promise<PulledRound> {
    const nextMs = pollAfter(unheardMs, random);
    const spaced = await spacing();
    const next = { pollMs: pollAfter(pollMs, random), unheardMs: nextMs, spacing: spaced };
    const begun = await beginPull(db, room, next, window);
    const reportedAt = begun.requestedAt ?? new Date();
    const { span } = begun;
    if (begun.links === null || begun.links.length === 0 || begun.from_at?.toISOString() !== span.from)
      return { next: 'baseline', rows: 0 };
    const links = [...begun.links];
    let rows = 0;
    let isActive = false;
    for (const [at, link] of begun.links.entries())
      for await (const answer of outlook.delta(room, { link }, signal)) {
        // whatever delta refuses, the calendar is listed instead
        if (answer.answer === 'refused' && answer.error instanceof Retryable)
          return { next: 'compare', rows };
        if (answer.answer !== 'page') return { next: 'baseline', rows };
        rows += answer.rows.length + answer.removed.length;
        links[at] = answer.deltaLink ?? answer.nextLink ?? link;
        const observed = await observe(room, answer, span, signal);
        isActive ||= observed.unmapped.length > 0 || observed.mapped.some(({ news }) => news !== null);
        const refused = await storePage(db, room, reportedAt, observed, links);
        for (const error of refused) tell({ fact: 'bug', error, where: `the changes of ${room.name}` });
      }
    if (isActive) await noteActivity(db, room, nextMs * spaced.active);
    // the request knows of a change: if there is none, it is on its way
    const wait = begun.requestedAt !== null && rows === 0 ? againMs[begun.attempt] : undefined;
    if (wait !== undefined) await pullAgain(db, room, wait, begun.attempt + 1);
    else if (begun.attempt > 0) await pullAgain(db, room, null, 0);
    return { next: begun.compare ? 'compare' : 'done', rows };
  };
}
