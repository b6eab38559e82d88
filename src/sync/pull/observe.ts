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
    const ids = [...singles, ...instances].map(({ id }) => id).concat(page.removed, masters);
    const read = new Set(series.keys());
    const mappings = await knownEvents(db, room, ids, [...read]);
    return observedOf(mappings, { singles, instances, removed: page.removed, masters, series: read }, span);
  };
}

/** Rows that show an event each, the instances of the series that were read, and what is reported as removed. */
interface Rows {
  readonly singles: readonly DeltaRow[];
  readonly instances: readonly OutlookEvent[];
  readonly removed: readonly string[];
  /** Of the series that are told of. */
  readonly masters: readonly string[];
  /** The series that were read. */
  readonly series: ReadonlySet<string>;
}

type Mapping = Awaited<ReturnType<typeof knownEvents>>[number];

function observedOf(mappings: readonly Mapping[], rows: Rows, span: Span): Observed {
  const byEvent = new Map(mappings.map((mapping) => [mapping.eventId, mapping]));
  const mapped = new Map<number, ObservedEvent>();
  const unmapped = new Map<string, UnmappedRow>();
  const note = (found: Pick<ObservedEvent, 'id' | 'news' | 'etag'>): void =>
    void mapped.set(found.id, { ...found, dueInMs: null });
  const see = (event: OutlookEvent): void => {
    const mapping = byEvent.get(event.id);
    if (mapping === undefined) {
      const row = unmappedOf(event);
      if (isOfInterest(event) && overlaps(row, span)) unmapped.set(event.id, row);
      return;
    }
    const { id } = mapping;
    if (mapping.status === 'cancelled') {
      if (isBack(mapping, event)) note({ id, news: 'look' });
    } else if (isGivenBack(event.shows)) note({ id, news: 'missing' });
    else if (isEcho(mapping, event)) {
      // rows come in any order, and old ones again: one that shows nothing new takes back no other
      if (!mapped.has(id) && event.etag !== null && event.etag !== mapping.etag)
        note({ id, news: null, etag: event.etag });
    } else note({ id, news: 'look' });
  };
  const missing = ({ id, status }: Mapping): void => {
    if (status !== 'cancelled') note({ id, news: 'missing' });
  };

  // an event that somebody made a series is its master now, and takes no time of its own any more
  for (const id of [...rows.removed, ...rows.masters]) if (byEvent.has(id)) missing(byEvent.get(id)!);
  for (const row of rows.singles) {
    if (row.event !== null) see(row.event);
    else if (byEvent.has(row.id)) note({ id: byEvent.get(row.id)!.id, news: 'look' });
    else unmapped.set(row.id, unreadRow(row.id));
  }
  for (const event of rows.instances) see(event);
  // a deleted occurrence leaves no row at all (msgraph docs PR#4501)
  const there = new Set([...rows.instances, ...rows.singles].map(({ id }) => id));
  const lost = mappings.filter(
    ({ seriesMasterId, eventId }) =>
      seriesMasterId !== null && rows.series.has(seriesMasterId) && !there.has(eventId),
  );
  for (const mapping of lost) if (overlaps(mapping, span)) missing(mapping);
  return { mapped: [...mapped.values()], unmapped: [...unmapped.values()] };
}

/** The series a row belongs to: its own id, if it is a master. A master's times may be those of years ago. */
const masterOf = (row: DeltaRow): readonly string[] =>
  row.type === 'seriesMaster' ? [row.id] : row.seriesMasterId === null ? [] : [row.seriesMasterId];
