/**
 * Events that returned under another id: deleted and created again, moved by acceptance, cut and pasted, a series whose pattern
 * was moved, a restored mailbox. Otherwise their reservations would be cancelled and the events imported as new ones.
 */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { mappedRows, type RoomMapping } from '../store/pull-store.ts';
import { shownWaiting } from '../store/waits.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { together } from '../together.ts';
import { attach, attachmentOf } from './attach.ts';
import { match, openMappingOf, type UnmatchedEvent } from './match.ts';

/** New events read for one room at a time; the others are matched after these. */
const mostRead = 200;

/** Gives each mapping whose event is gone the new event, before anything is decided about either. Throws as a read does. */
export async function reunite(
  db: Queryable,
  outlook: Pick<OutlookSide, 'read' | 'show'>,
  room: LeasedRoom,
  signal: AbortSignal,
): Promise<void> {
  const { rows } = await db.query<RoomMapping>({
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
  const unread = unmapped.filter(({ news }) => news !== null).slice(0, mostRead);
  const read = await together(unread.map(({ eventId }) => outlook.read(room, eventId!, signal)));
  const known = unmapped.filter(({ news }) => news === null).map(asKnown);
  const events = [...known, ...read.filter((event): event is OutlookEvent => event !== null)];
  await attach(
    db,
    room,
    match(lost, events).map((found) => attachmentOf(found)),
  );
}

/** An event without a reservation, except a meeting that its reservation was moved away from: that one's is known. */
export const isUnmappedRow = ({
  reservationId,
  eventId,
  conflict,
}: Pick<RoomMapping, 'reservationId' | 'eventId' | 'conflict'>): boolean =>
  reservationId === null && eventId !== null && conflict?.kind !== 'moved';

const asKnown = (row: RoomMapping): UnmatchedEvent => ({
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
