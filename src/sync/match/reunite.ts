/**
 * Events that returned under another id: deleted and created again, moved by acceptance, cut and pasted, a series whose pattern
 * was moved, a restored mailbox. Otherwise their reservations would be cancelled and the events imported as new ones.
 */
import type { Queryable } from '../../database.ts';
import { unlessItemFails } from '../../errors.ts';
import { queryRows } from '../../query.ts';
import type { OutlookEvent } from '../../event.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { instant, mappedRows, type StoredMapping } from '../store/mappings.ts';
import type { Span } from '../store/span.ts';
import { shownWaiting } from '../store/waits.ts';
import type { OutlookSide } from '../outlook-side.ts';
import type { FreshReads } from '../fresh-reads.ts';
import { together } from '../together.ts';
import { attach, attachmentOf } from './attach.ts';
import { match } from './match.ts';
import { openMappingOf, type OpenMapping, type UnmatchedEvent } from './open-mapping.ts';
import { seriesOfLost, type Instance, type SeriesEvidence } from './series.ts';

/** New events read for one room at a time, besides those of series with lost dates; the others are matched after these. */
const mostRead = 200;

type Outlook = Pick<OutlookSide, 'read' | 'show' | 'pattern'> & Partial<Pick<FreshReads, 'recent'>>;

/** Gives each mapping whose event is gone the new event, before anything is decided about either. Throws as a read does. */
export async function reunite(
  db: Queryable,
  outlook: Outlook,
  room: LeasedRoom,
  span: () => Promise<Span>,
  signal: AbortSignal,
): Promise<void> {
  const rows = await queryRows<StoredMapping>(db, {
    name: 'lost_and_found',
    text: `${mappedRows} WHERE m.resource_id = $1 AND m.outlook_item_id = $2 AND (m.outlook_news = 'gone' OR m.reservation_id IS NULL)
      ORDER BY m.starts_at, m.id`,
    values: [room.resourceId, room.outlookItemId],
  });
  const lost = rows
    .map((row) => openMappingOf(row, outlook.show))
    .filter((one) => one !== null)
    .filter(({ state }) => state === 'lost');
  const unmapped = rows.filter(isUnmappedRow);
  if (lost.length === 0 || unmapped.length === 0) return;
  // those that were decided about before are known; the others are read, with their extended properties
  const [known, unread] = [unmapped.filter(({ news }) => news === null), unmapped.filter(isReported)];
  // whether a pattern was moved shows only in all instances of the series
  const inSeries = new Set(
    seriesOfLost(lost, unread.map(instanceOf)).flatMap(({ events }) => events.map(({ id }) => id)),
  );
  const others = unread.filter(({ eventId }) => !inSeries.has(eventId)).slice(0, mostRead);
  const ids = [...inSeries, ...others.map(({ eventId }) => eventId)];
  const read = await together(
    ids.map(async (id) => outlook.recent?.(room, id!) ?? (await outlook.read(room, id!, signal))),
  );
  const events = [...known.map(asKnown), ...read.filter((event): event is OutlookEvent => event !== null)];
  const evidence = await readEvidence(db, outlook, room, await span(), lost, events, signal);
  await attach(
    db,
    room,
    match(lost, events, evidence).map((found) => attachmentOf(found)),
  );
}

const isReported = ({ news }: Pick<StoredMapping, 'news'>) => news !== null;

const instanceOf = ({ eventId, iCalUId, originalStart, seriesMasterId }: StoredMapping): Instance => ({
  id: eventId,
  iCalUId,
  originalStart,
  seriesMasterId,
});

/** The evidence about the series of lost dates. Their patterns are read where no instance kept its id. */
async function readEvidence(
  db: Queryable,
  outlook: Outlook,
  room: LeasedRoom,
  span: Span,
  lost: readonly OpenMapping[],
  events: readonly UnmatchedEvent[],
  signal: AbortSignal,
): Promise<SeriesEvidence> {
  const series = seriesOfLost(lost, events).filter(({ areInstances }) => areInstances);
  const masters = series.flatMap((one) =>
    [...one.lost, ...one.events].flatMap((date) => date.seriesMasterId ?? []),
  );
  const known = await readInstances(db, room, span, [...new Set(masters)]);
  const there = new Set(events.map(({ id }) => id));
  const kept = known.filter(({ id, state }) => state === 'kept' || (state === 'decided' && there.has(id!)));
  const former = known.filter(({ state }) => state === 'former');
  const unmoved = new Set(kept.map(({ seriesMasterId }) => seriesMasterId));
  const inPattern = new Map<number, boolean>();
  for (const { lost: dates, events: now } of series) {
    const master = now.find(({ seriesMasterId }) => seriesMasterId !== null)?.seriesMasterId;
    const slots = dates.filter(({ id, originalStart }) => originalStart !== null && !inPattern.has(id));
    if (master == null || unmoved.has(master) || slots.length === 0) continue;
    const pattern = await unlessItemFails(() => outlook.pattern(room, master, signal), null);
    const without = pattern?.without(slots.map(({ originalStart }) => originalStart!));
    if (without !== undefined)
      for (const { id, originalStart } of slots) inPattern.set(id, !without.has(originalStart!));
  }
  return { kept, former, inPattern, span };
}

interface KnownInstance extends Instance {
  /** kept: a mapping has it; decided: it has no mapping and was decided about; former: it is gone, and its reservation too. */
  readonly state: 'kept' | 'decided' | 'former';
}

/**
 * The instances of these series that were known before the loss. New instances are stored together with the report of the loss,
 * whose time is that of the daemon.
 */
async function readInstances(
  db: Queryable,
  room: LeasedRoom,
  span: Span,
  masters: readonly string[],
): Promise<KnownInstance[]> {
  if (masters.length === 0) return [];
  const rows = await queryRows<KnownInstance>(db, {
    name: 'known_instances',
    text: `
      SELECT * FROM (
        SELECT m.outlook_event_id AS id, m.ical_uid AS "iCalUId", ${instant('m.original_start')} AS "originalStart",
          m.series_master_id AS "seriesMasterId",
          CASE WHEN m.sync_status = 'cancelled' OR m.reservation_id IS NULL AND m.outlook_news = 'gone' THEN 'former'
            -- outside of the window nothing reports that an instance is gone
            WHEN m.starts_at >= $5 OR m.ends_at <= $4 THEN NULL
            WHEN m.reservation_id IS NOT NULL AND m.outlook_news IS DISTINCT FROM 'gone' AND m.outlook_news IS DISTINCT FROM 'missing' THEN 'kept'
            WHEN m.reservation_id IS NULL AND (m.sync_status IN ('conflict', 'error') OR m.waits_for = 'import'
              OR m.created_at < (SELECT max(l.noticed_at) FROM bridge_mappings l WHERE l.resource_id = $1 AND l.outlook_item_id = $2
                AND l.outlook_news = 'gone' AND l.reservation_id IS NOT NULL) - interval '1 minute') THEN 'decided' END AS state
        FROM bridge_mappings m
        WHERE m.resource_id = $1 AND m.outlook_item_id = $2 AND m.series_master_id = ANY ($3) AND m.outlook_event_id IS NOT NULL) known
      WHERE state IS NOT NULL`,
    values: [room.resourceId, room.outlookItemId, masters, span.from, span.to],
  });
  return rows;
}

/** An event without a reservation, except a meeting that its reservation was moved away from: that one's is known. */
export const isUnmappedRow = ({
  reservationId,
  eventId,
  conflict,
}: Pick<StoredMapping, 'reservationId' | 'eventId' | 'conflict'>): boolean =>
  reservationId === null && eventId !== null && conflict?.kind !== 'moved';

const asKnown = (row: StoredMapping): UnmatchedEvent => ({
  id: row.eventId!,
  iCalUId: row.iCalUId ?? '',
  originalStart: row.originalStart,
  seriesMasterId: row.seriesMasterId,
  properties: null,
  isOrganizer: true,
  shows:
    row.outlookSeen === null
      ? { is: 'unreadable', why: 'it was never read' }
      : shownWaiting(row.waitsFor, row.outlookSeen),
});
