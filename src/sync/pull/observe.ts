/**
 * What rows of a calendar say about the mappings of a room: which is to be read again, which was reported as removed, which
 * event nobody knows. A series is read as a whole, once, whichever of its rows was reported.
 */
import { Permanent, Retryable } from '../../errors.ts';
import { isGivenBack, type DeltaAnswer, type DeltaRow, type OutlookEvent } from '../../event.ts';
import type { Queryable } from '../../database.ts';
import type { FreshReads } from '../fresh-reads.ts';
import type { OutlookSide } from '../outlook-side.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { unreadRow } from '../store/observed.ts';
import {
  knownEvents,
  type Observed,
  type ObservedEvent,
  type Span,
  type UnmappedRow,
} from '../store/pull-store.ts';
import { isBack, isEcho, isOfInterest, overlaps, unmappedOf } from './compare.ts';

/** Series read for one page of changes. */
const mostSeries = 200;

/** `keep`: what was read with a series need not be read again before it is decided about. */
type Sight = Pick<OutlookSide, 'series'> & Partial<Pick<FreshReads, 'keep'>>;

export function createObserve(db: Queryable, outlook: Sight) {
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

  return async function observe(
    room: LeasedRoom,
    page: Pick<Extract<DeltaAnswer, { answer: 'page' }>, 'rows' | 'removed'>,
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
    for (const event of instances) outlook.keep?.(room, event);
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

    const observed = new Map<number, ObservedEvent>();
    const unmapped = new Map<string, UnmappedRow>();
    const see = (event: OutlookEvent): void => {
      const mapping = byEvent.get(event.id);
      if (mapping === undefined) {
        const row = unmappedOf(event);
        if (isOfInterest(event) && overlaps(row, span)) unmapped.set(event.id, row);
        return;
      }
      if (mapping.status === 'cancelled') {
        if (isBack(mapping, event)) observed.set(mapping.id, { id: mapping.id, news: 'look', dueInMs: null });
      } else if (isGivenBack(event.shows))
        observed.set(mapping.id, { id: mapping.id, news: 'missing', dueInMs: null });
      else if (isEcho(mapping, event)) {
        // rows come in any order, and old ones again: one that shows nothing new takes back no other
        if (!observed.has(mapping.id) && event.etag !== null && event.etag !== mapping.etag)
          observed.set(mapping.id, { id: mapping.id, news: null, dueInMs: null, etag: event.etag });
      } else observed.set(mapping.id, { id: mapping.id, news: 'look', dueInMs: null });
    };
    const missing = (mapping: (typeof known)[number]): void => {
      if (mapping.status !== 'cancelled')
        observed.set(mapping.id, { id: mapping.id, news: 'missing', dueInMs: null });
    };

    for (const id of page.removed) {
      const mapping = byEvent.get(id);
      if (mapping !== undefined) missing(mapping);
      unmapped.delete(id);
    }
    for (const row of singles) {
      if (row.event !== null) see(row.event);
      else if (byEvent.has(row.id))
        observed.set(byEvent.get(row.id)!.id, { id: byEvent.get(row.id)!.id, news: 'look', dueInMs: null });
      else unmapped.set(row.id, unreadRow(row.id));
    }
    for (const event of instances) see(event);
    // a deleted occurrence leaves no row at all (msgraph docs PR#4501)
    const there = new Set([...listed, ...singles.map(({ id }) => id)]);
    for (const mapping of known)
      if (
        mapping.seriesMasterId !== null &&
        series.has(mapping.seriesMasterId) &&
        !there.has(mapping.eventId)
      )
        if (overlaps(mapping, span)) missing(mapping);
    return { known: [...observed.values()], unmapped: [...unmapped.values()] };
  };
}

/** The series a row belongs to: its own id, if it is a master. A master's times may be those of years ago. */
const masterOf = (row: DeltaRow): readonly string[] =>
  row.type === 'seriesMaster' ? [row.id] : row.seriesMasterId === null ? [] : [row.seriesMasterId];
