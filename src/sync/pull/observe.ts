/**
 * What calendar rows mean for the mappings of a room: events to be read again, events reported as removed, events without a mapping.
 * A series is read as a whole, once, whichever of its rows was reported.
 */
import type { Queryable } from '../../database.ts';
import { unlessItemFails } from '../../errors.ts';
import { isGivenBack, type DeltaAnswer, type DeltaRow, type OutlookEvent } from '../../event.ts';
import type { Tell } from '../../facts.ts';
import type { FreshReads } from '../fresh-reads.ts';
import type { OwnWrites } from '../own-writes.ts';
import { unreadRow } from '../store/observed.ts';
import { knownEvents } from '../store/mappings.ts';
import type { Observed, ObservedEvent, UnmappedRow } from '../store/observed.ts';
import { scanAgain } from '../store/rounds.ts';
import type { Span } from '../store/span.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import type { ClaimCheck } from './claim-check.ts';
import { isBack, isEcho, isOfInterest, overlaps, unmappedOf } from './compare.ts';
import type { Spacing } from './poll-spacing.ts';

/** What reading a room calendar needs. */
export interface PullContext {
  readonly db: Queryable;
  readonly outlook: FreshReads;
  readonly ownWrites: Pick<OwnWrites, 'has'>;
  readonly window: Window;
  /** Namespace of the idempotency keys. */
  readonly installationId: () => string;
  readonly claims: ClaimCheck;
  /** The interval between two polls of a room. */
  readonly pollMs: number;
  /** The same for a room without a subscription. */
  readonly unsubscribedMs: number;
  readonly spacing: () => Promise<Spacing>;
  readonly tell: Tell;
}

/** Maximum number of series read for one page of changes. */
const seriesMost = 200;
/** Until the full scan for a series that was reported and not read: its rows do not name all of its dates, and are not reported again. */
const scanMs = 5_000;

/**
 * What the rows of a page mean for the mappings. The events of a series are kept for the decision about them. If a series is not read, a
 * full scan of the room is requested.
 */
export async function observe(
  { db, outlook }: PullContext,
  room: LeasedRoom,
  page: Pick<Extract<DeltaAnswer, { answer: 'page' }>, 'rows' | 'removed'>,
  span: Span,
  signal: AbortSignal,
): Promise<Observed> {
  // a series that is gone may be reported by its master alone
  const gone = page.removed.length === 0 ? [] : await knownEvents(db, room, [], page.removed);
  const masters = [...new Set([...page.rows.flatMap(masterOf), ...gone.map((one) => one.seriesMasterId!)])];
  const series = new Map<string, OutlookEvent[]>();
  const rows = [...page.rows];
  /** Its instances; none: the series is gone, or was made one event again, whose row this adds. */
  const readSeries = async (master: string): Promise<OutlookEvent[]> => {
    const found = (await outlook.series(room, master, span.from, span.to, signal)) ?? [];
    const event = found.length === 0 ? await outlook.readUndated(room, master, signal) : null;
    if (event?.type === 'singleInstance')
      rows.push({ id: event.id, type: event.type, seriesMasterId: null, event });
    return found;
  };
  for (const master of masters.slice(0, seriesMost)) {
    const found = await unlessItemFails(() => readSeries(master), null);
    if (found !== null) series.set(master, found);
  }
  if (series.size < masters.length) await scanAgain(db, room, scanMs);
  const instances = [...series.values()].flat();
  for (const event of instances) outlook.keep(room, event);
  const listed = new Set(instances.map(({ id }) => id));
  // a row that shows an event counts, although the list of instances may omit exceptions (msgraph docs#15611)
  const singles = rows.filter(
    (row) =>
      row.type !== 'seriesMaster' &&
      !listed.has(row.id) &&
      (row.type !== 'occurrence' || row.seriesMasterId === null || !series.has(row.seriesMasterId)),
  );
  const ids = [...singles, ...instances].map(({ id }) => id).concat(page.removed, masters);
  // an event that shows itself to be no series has no instances any more
  const read = new Set([...series.keys(), ...singles.filter(isOneEvent).map(({ id }) => id)]);
  const mappings = await knownEvents(db, room, ids, [...read]);
  return observedOf(mappings, { singles, instances, removed: page.removed, masters, series: read }, span);
}

const isOneEvent = ({ type, event }: DeltaRow) => type === 'singleInstance' && event !== null;

/** The rows of a page, with the instances of its series. */
interface Rows {
  /** Rows of one event each. */
  readonly singles: readonly DeltaRow[];
  readonly instances: readonly OutlookEvent[];
  readonly removed: readonly string[];
  /** The masters of the reported series. */
  readonly masters: readonly string[];
  /** The masters of the series that were read. */
  readonly series: ReadonlySet<string>;
}

type Mapping = Awaited<ReturnType<typeof knownEvents>>[number];

function observedOf(mappings: readonly Mapping[], rows: Rows, span: Span): Observed {
  const byEvent = new Map(mappings.map((mapping) => [mapping.eventId, mapping]));
  const mapped = new Map<number, ObservedEvent>();
  const unmapped = new Map<string, UnmappedRow>();
  const note = (found: Pick<ObservedEvent, 'id' | 'news' | 'etag'>): void =>
    void mapped.set(found.id, { ...found, dueInMs: null });
  const noteEvent = (event: OutlookEvent): void => {
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
      // rows come in any order and repeat: a row without a change does not replace another one
      if (!mapped.has(id) && event.etag !== null && event.etag !== mapping.etag)
        note({ id, news: null, etag: event.etag });
    } else note({ id, news: 'look' });
  };
  const noteMissing = ({ id, status }: Mapping): void => {
    if (status !== 'cancelled') note({ id, news: 'missing' });
  };

  // an event that became a series is its master now, and has no time of its own
  for (const id of [...rows.removed, ...rows.masters]) if (byEvent.has(id)) noteMissing(byEvent.get(id)!);
  for (const row of rows.singles) {
    if (row.event !== null) noteEvent(row.event);
    else if (byEvent.has(row.id)) note({ id: byEvent.get(row.id)!.id, news: 'look' });
    else unmapped.set(row.id, unreadRow(row.id));
  }
  for (const event of rows.instances) noteEvent(event);
  // a deleted occurrence leaves no row at all (msgraph docs PR#4501)
  const there = new Set([...rows.instances, ...rows.singles].map(({ id }) => id));
  const lost = mappings.filter(
    ({ seriesMasterId, eventId }) =>
      seriesMasterId !== null && rows.series.has(seriesMasterId) && !there.has(eventId),
  );
  for (const mapping of lost) if (overlaps(mapping, span)) noteMissing(mapping);
  return { mapped: [...mapped.values()], unmapped: [...unmapped.values()] };
}

/** The series of a row: its own id if it is a master, whose times may be years ago. */
const masterOf = (row: DeltaRow): readonly string[] =>
  row.type === 'seriesMaster' ? [row.id] : row.seriesMasterId === null ? [] : [row.seriesMasterId];
