/**
 * What changed in a room's calendar, written down page by page together with the cursor: which mapping is to be read
 * again, which event nobody knows. Nothing is decided here, and what a row says is only a hint: delta repeats rows, shows
 * old ones, and reports as removed what merely left its window. Reading and deciding follow in the same drain.
 */
import type { Database } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import { isGivenBack, type DeltaAnswer, type DeltaRow, type OutlookEvent } from '../../event.ts';
import { unmappedOf, isBack, isEcho, isOfInterest, overlaps } from './full-scan.ts';
import type { LeasedRoom, Window } from '../store/mappings.ts';
import {
  beginPull,
  knownEvents,
  pullAgain,
  type UnmappedRow,
  type ObservedEvent,
  type Observed,
  type Span,
} from '../store/pull-store.ts';
import { storePage, unreadRow } from '../store/observed.ts';
import type { OutlookSide } from '../outlook-side.ts';

export interface PullOptions {
  readonly db: Database;
  readonly outlook: OutlookSide;
  readonly tell: Tell;
  readonly window: Window;
  /** Between two polls of a room. */
  readonly pollMs: number;
  /** The same while Outlook does not call us for that room (no subscription); default: no difference. */
  readonly unheardMs?: number;
  readonly random?: () => number;
}

/** `baseline`: the cursor is lost or of another window; `compare`: somebody asked for a look at the whole window. */
export interface PulledRound {
  readonly next: 'done' | 'compare' | 'baseline';
  readonly rows: number;
}

/** After a round that was asked for and brought nothing: changes may show up late (Microsoft: delta-query-overview). */
const againMs = [500, 1_500, 4_000, 10_000];
/** Series read for one page of changes. */
const mostSeries = 200;

/** A poll of a room, spread so that many rooms do not come at once. */
export const pollAfter = (pollMs: number, random: () => number): number => pollMs * (0.9 + random() * 0.2);

export function createPull(options: PullOptions) {
  const { db, outlook, tell, window, pollMs, unheardMs = pollMs, random = Math.random } = options;
  return async function pull(room: LeasedRoom, signal: AbortSignal): Promise<PulledRound> {
    const begun = await beginPull(db, room, pollAfter(pollMs, random), pollAfter(unheardMs, random), window);
    const noticedAt = begun.rung ?? new Date();
    const { span } = begun;
    if (begun.links === null || begun.links.length === 0 || begun.from_at?.toISOString() !== span.from)
      return { next: 'baseline', rows: 0 };
    const links = [...begun.links];
    let rows = 0;
    for (const [at, link] of begun.links.entries())
      for await (const answer of outlook.delta(room, { link }, signal)) {
        // whatever delta refuses, the calendar is listed instead
        if (answer.answer === 'refused' && answer.error instanceof Retryable)
          return { next: 'compare', rows };
        if (answer.answer !== 'page') return { next: 'baseline', rows };
        rows += answer.rows.length + answer.removed.length;
        links[at] = answer.deltaLink ?? answer.nextLink ?? link;
        const observed = await noticesOf(room, answer, span, signal);
        const refused = await storePage(db, room, noticedAt, observed, links);
        for (const error of refused) tell({ fact: 'bug', error, where: `the changes of ${room.name}` });
      }
    // whoever rang knows of a change: if there is none, it is on its way
    const wait = begun.rung !== null && rows === 0 ? againMs[begun.attempt] : undefined;
    if (wait !== undefined) await pullAgain(db, room, wait, begun.attempt + 1);
    else if (begun.attempt > 0) await pullAgain(db, room, null, 0);
    return { next: begun.compare ? 'compare' : 'done', rows };
  };

  /** The instances of a series, none if it is gone; its rows count by themselves where it cannot be read. */
  async function seriesOf(room: LeasedRoom, master: string, { from, to }: Span, signal: AbortSignal) {
    try {
      return (await outlook.series(room, master, from, to, signal)) ?? [];
    } catch (error) {
      const ofSeries = (error instanceof Permanent || error instanceof Retryable) && error.reach === 'item';
      if (!ofSeries) throw error;
      return 'unreadable';
    }
  }

  async function noticesOf(
    room: LeasedRoom,
    page: Extract<DeltaAnswer, { answer: 'page' }>,
    span: Span,
    signal: AbortSignal,
  ): Promise<Observed> {
    // a series that is gone may be reported by its master alone
    const gone = page.removed.length === 0 ? [] : await knownEvents(db, room, [], page.removed);
    const masters = [...new Set([...page.rows.flatMap(masterOf), ...gone.map((one) => one.seriesMasterId!)])];
    // more than that is a calendar turned upside down: what is left out is found when its series changes next, or by the
    // next comparison of the whole window
    const series = new Map<string, OutlookEvent[]>();
    for (const master of masters.slice(0, mostSeries)) {
      const found = await seriesOf(room, master, span, signal);
      if (found !== 'unreadable') series.set(master, found);
    }
    const instances = [...series.values()].flat();
    const listed = new Set(instances.map(({ id }) => id));
    // what is shown by itself counts, though the series may leave it out (exceptions: msgraph docs#15611) or not be readable now
    const singles = page.rows.filter(
      (row) =>
        row.type !== 'seriesMaster' &&
        !listed.has(row.id) &&
        (row.type !== 'occurrence' || row.seriesMasterId === null || !series.has(row.seriesMasterId)),
    );
    const ids = [...singles, ...instances].map(({ id }) => id).concat(page.removed);
    const known = await knownEvents(db, room, ids, [...series.keys()]);
    const byEvent = new Map(known.map((mapping) => [mapping.eventId, mapping]));

    const noticed = new Map<number, ObservedEvent>();
    const born = new Map<string, UnmappedRow>();
    const look = (event: OutlookEvent): void => {
      const mapping = byEvent.get(event.id);
      if (mapping === undefined) {
        const row = unmappedOf(event);
        if (isOfInterest(event) && overlaps(row, span)) born.set(event.id, row);
        return;
      }
      if (mapping.status === 'cancelled') {
        if (isBack(mapping, event)) noticed.set(mapping.id, { id: mapping.id, news: 'look', dueInMs: null });
      } else if (isGivenBack(event.shows))
        noticed.set(mapping.id, { id: mapping.id, news: 'missing', dueInMs: null });
      else if (isEcho(mapping, event)) {
        // rows come in any order, and old ones again: one that shows nothing new takes back no other
        if (!noticed.has(mapping.id) && event.etag !== null && event.etag !== mapping.etag)
          noticed.set(mapping.id, { id: mapping.id, news: null, dueInMs: null, etag: event.etag });
      } else noticed.set(mapping.id, { id: mapping.id, news: 'look', dueInMs: null });
    };
    const missing = (mapping: (typeof known)[number]): void => {
      if (mapping.status !== 'cancelled')
        noticed.set(mapping.id, { id: mapping.id, news: 'missing', dueInMs: null });
    };

    for (const id of page.removed) {
      const mapping = byEvent.get(id);
      if (mapping !== undefined) missing(mapping);
      born.delete(id);
    }
    for (const row of singles) {
      if (row.event !== null) look(row.event);
      else if (byEvent.has(row.id))
        noticed.set(byEvent.get(row.id)!.id, { id: byEvent.get(row.id)!.id, news: 'look', dueInMs: null });
      else born.set(row.id, unreadRow(row.id));
    }
    for (const event of instances) look(event);
    // a deleted occurrence leaves no row at all (msgraph docs PR#4501)
    const there = new Set([...listed, ...singles.map(({ id }) => id)]);
    for (const mapping of known)
      if (
        mapping.seriesMasterId !== null &&
        series.has(mapping.seriesMasterId) &&
        !there.has(mapping.eventId)
      )
        if (overlaps(mapping, span)) missing(mapping);
    return { known: [...noticed.values()], born: [...born.values()] };
  }
}

/** The series a row belongs to: its own id, if it is a master. A master's times may be those of years ago. */
const masterOf = (row: DeltaRow): readonly string[] =>
  row.type === 'seriesMaster' ? [row.id] : row.seriesMasterId === null ? [] : [row.seriesMasterId];
