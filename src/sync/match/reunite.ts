/**
 * Events that are there again under another id: deleted and made again, moved by acceptance, cut and pasted, a series whose
 * pattern was moved, a mailbox that was restored. Their reservations would be taken for abandoned, and the events for new ones.
 */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { mappedRows, type RoomMapping } from '../store/pull-store.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { together } from '../together.ts';
import { attach, attachmentOf } from './attach.ts';
import { match, vacancyOf, type UnclaimedEvent } from './match.ts';

/** New events read for one room at a time; others are recognised when these are dealt with. */
const mostRead = 200;

/**
 * Gives to each mapping whose event is gone the new event it became, before anything else is decided about either. Throws as a
 * read does.
 */
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
  const lost = rows.map((row) => vacancyOf(row, outlook.show)).filter((one) => one?.state === 'lost');
  const unmapped = rows.filter(isUnmappedRow);
  if (lost.length === 0 || unmapped.length === 0) return;
  // what was dealt with before is known; the others are read, with their extended properties
  const unread = unmapped.filter(({ news }) => news !== null).slice(0, mostRead);
  const read = await together(unread.map(({ eventId }) => outlook.read(room, eventId!, signal)));
  const known = unmapped.filter(({ news }) => news === null).map(asKnown);
  const events = [...known, ...read.filter((event): event is OutlookEvent => event !== null)];
  await attach(
    db,
    room,
    match(
      lost.filter((one) => one !== null),
      events,
    ).map((found) => attachmentOf(found)),
  );
}

/** An event without a reservation; not a meeting that its reservation moved away from, which is known to be that one's. */
export const isUnmappedRow = ({
  reservationId,
  eventId,
  conflict,
}: Pick<RoomMapping, 'reservationId' | 'eventId' | 'conflict'>): boolean =>
  reservationId === null && eventId !== null && conflict?.kind !== 'moved';

const asKnown = (row: RoomMapping): UnclaimedEvent => ({
  id: row.eventId!,
  iCalUId: row.iCalUId ?? '',
  originalStart: row.originalStart,
  seriesMasterId: row.seriesMasterId,
  properties: null,
  isOrganizer: true,
  shows: shownBy(row),
});

function shownBy({ outlookSeen: item, waitsFor }: RoomMapping): UnclaimedEvent['shows'] {
  if (item === null) return { is: 'unreadable', why: 'it was never read' };
  return { is: waitsFor === 'answer' ? 'undecided' : waitsFor === 'free' ? 'free' : 'occupied', item };
}
