/** What a sync would do in one room: its reservations, then the events that nobody imported yet, and both again if those met. */
import type { OutlookEvent } from '../../event.ts';
import { compare } from '../pull/full-scan.ts';
import { decideUnmappedEvents, type PlanRoom } from './plan-births.ts';
import type { PlannedMapping } from './plan-outcome.ts';
import type { Row } from './plan-picture.ts';
import { decideRows, mappedOf, noted, reunited, verified, type Decided, type Deciding } from './plan-rows.ts';
import type { Taken } from './plan-words.ts';
import type { OutlookSide } from '../outlook-side.ts';

export interface PlannedRoom extends Omit<Decided, 'taken'> {
  /** Synced items that have not ended and were found only now: the brake counts them, too. */
  readonly found: number;
}

export async function planRoom(asked: PlanRoom, signal: AbortSignal): Promise<PlannedRoom> {
  const { room, picture, span, events, policy } = asked;
  const listed = new Map(events.map((event) => [event.id, event]));
  const outlook = reading(asked.outlook, listed);
  const deciding: Deciding = { room, outlook, policy, span: async () => span };
  const follows = room.direction !== 'booking_to_outlook';
  // what Outlook alone fills gets nothing from the booking system, but its time is taken there
  const unmapped = (row: Row) => row.id < 0 && room.direction === 'outlook_to_booking';
  const mapped = picture.rows.filter((row) => !unmapped(row));
  const others: readonly Taken[] = picture.rows.filter(unmapped).map((row) => ({
    priority: row.priority,
    startsAt: row.booking!.startsAt,
    endsAt: row.booking!.endsAt,
    title: row.booking!.title,
    shown: false,
    covers: true,
  }));
  const found = compare(mapped.map(mappedOf), events, span, follows, outlook.show, asked.remembered);
  const marked = noted(mapped, found);
  const rows = reunited(await verified(marked, deciding, signal), listed, outlook.show);

  const reserved = rows.filter((row) => row.reservationId !== null);
  const unborn = rows.filter((row) => row.reservationId === null);
  const first = await decideRows(reserved, [], deciding, signal);
  const births = await decideUnmappedEvents(
    unborn,
    reserved,
    [...first.taken, ...others],
    { ...asked, outlook },
    signal,
  );
  const again = births.given.size > 0 || births.imported.length > 0;
  const last = again
    ? await decideRows(withGiven(reserved, births.given), births.imported, deciding, signal)
    : first;
  const adopted = found.attachments.filter(({ id }) =>
    reserved.some((row) => row.id === id && row.ended !== true),
  );
  return {
    planned: [...last.planned, ...births.planned],
    gone: last.gone,
    equal: last.equal,
    found: adopted.length,
  };
}

/** Events as they were just listed; what the list does not have is read from Outlook. */
function reading(outlook: OutlookSide, listed: ReadonlyMap<string, OutlookEvent>): OutlookSide {
  const read = new Map<string, Promise<OutlookEvent | null>>();
  return {
    ...outlook,
    show: (item) => outlook.show(item),
    read(room, eventId, signal) {
      const known = listed.get(eventId);
      if (known !== undefined) return Promise.resolve(known);
      let answer = read.get(eventId);
      if (answer === undefined) read.set(eventId, (answer = outlook.read(room, eventId, signal)));
      return answer;
    },
    // what was listed just now need not be listed again for each event that it misses
    async *list() {
      yield [...listed.values()];
    },
  };
}

const withGiven = (
  rows: readonly PlannedMapping[],
  given: ReadonlyMap<number, PlannedMapping>,
): PlannedMapping[] => {
  const known = new Set(rows.map(({ id }) => id));
  return [
    ...rows.map((row) => given.get(row.id) ?? row),
    ...[...given.values()].filter(({ id }) => !known.has(id)),
  ];
};
