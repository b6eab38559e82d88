/**
 * A delta round: the changes of a room calendar, stored page by page together with the cursor. It decides nothing, and a row is only
 * a hint, because delta repeats rows, shows old ones, and reports events outside of its window as removed. Reading and deciding
 * follow in the same drain.
 */
import { Retryable } from '../../errors.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { beginPull, noteActivity, pullAgain, resetPullAttempt } from '../store/rounds.ts';
import { answerHints, storePage } from '../store/observed.ts';
import type { Cursor } from './full-scan.ts';
import { observe, type PullContext } from './observe.ts';
import { pollAfter } from './poll-spacing.ts';
import { reportRefused } from './refused-rows.ts';

export interface DeltaRound {
  readonly rows: number;
  /** A full scan is due, by the cursor that it leaves: 'new' where the cursor is lost or of another window. Null: none. */
  readonly scan: Cursor | null;
}

/** Delays of another round after a requested round without rows: changes may appear late (Microsoft: delta-query-overview). */
const againMs = [500, 1_500, 4_000, 10_000];

export async function deltaRound(
  context: PullContext,
  room: LeasedRoom,
  signal: AbortSignal,
): Promise<DeltaRound> {
  const { db, outlook } = context;
  const unsubscribedMs = pollAfter(context.unsubscribedMs);
  const spacing = await context.spacing();
  const nextPoll = { pollMs: pollAfter(context.pollMs), unheardMs: unsubscribedMs, spacing };
  const begun = await beginPull(db, room, nextPoll, context.window);
  const { span } = begun;
  // its end alone moves if SYNC_FUTURE_DAYS is changed
  const isSameWindow = begun.from_at?.toISOString() === span.from && begun.to_at?.toISOString() === span.to;
  if (begun.links === null || begun.links.length === 0 || !isSameWindow) return { rows: 0, scan: 'new' };
  const reportedAt = begun.requestedAt ?? new Date();
  const links = [...begun.links];
  let rows = 0;
  let isActive = false;
  for (const [at, link] of begun.links.entries())
    for await (const answer of outlook.delta(room, { link }, signal)) {
      // Graph refuses delta for now: the calendar is listed
      if (answer.answer === 'refused' && answer.error instanceof Retryable) return { rows, scan: 'kept' };
      if (answer.answer !== 'page') return { rows, scan: 'new' };
      rows += answer.rows.length + answer.removed.length;
      links[at] = answer.deltaLink ?? answer.nextLink ?? link;
      for (const { id, event } of answer.rows) outlook.outdate(room, { id, etag: event?.etag ?? null });
      const observed = await observe(context, room, answer, span, signal);
      isActive ||= observed.unmapped.length > 0 || observed.mapped.some(({ news }) => news !== null);
      const notStored = await storePage(db, room, reportedAt, observed, links);
      await answerHints(db, room, answer);
      await reportRefused(context, room, notStored, `the changes of ${room.name}`, 'other');
    }
  if (isActive) await noteActivity(db, room, unsubscribedMs * spacing.active);
  // a request knows of a change, which may not show yet
  const againInMs = begun.requestedAt !== null && rows === 0 ? againMs[begun.attempt] : undefined;
  if (againInMs !== undefined) await pullAgain(db, room, againInMs, begun.attempt + 1);
  else if (begun.attempt > 0) await resetPullAttempt(db, room);
  return { rows, scan: begun.compare ? 'kept' : null };
}
