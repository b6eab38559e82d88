/** What a sync would do in one room: its reservations, then the events that nobody imported yet, and both again if those met. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { OutlookEvent } from '../event.ts';
import type { Item } from '../item.ts';
import { compare, type Span } from './baseline.ts';
import { fateOf, fateOfMoved, type FatePolicy } from './fate.ts';
import { sameTitle, type Kin } from './kin.ts';
import type { LeasedRoom } from './mappings.ts';
import type { Picture, Row, Strange } from './plan-picture.ts';
import {
  breathEvery,
  decideRows,
  mappedOf,
  noted,
  resting,
  say,
  verified,
  type Decided,
  type Deciding,
  type Known,
} from './plan-rows.ts';
import { meets, type Planned, type Taken } from './plan-words.ts';
import type { OutlookSide } from './sides.ts';
import type { ConflictPolicy } from './step.ts';

export interface PlanPolicy {
  readonly conflict: ConflictPolicy;
  readonly overlap: FatePolicy['overlap'];
  readonly importMode: FatePolicy['importMode'];
}

export interface PlanRoom {
  readonly room: LeasedRoom;
  readonly picture: Picture;
  /** The window, as it is listed. */
  readonly span: Span;
  readonly events: readonly OutlookEvent[];
  readonly outlook: OutlookSide;
  readonly policy: PlanPolicy;
  /** What the books know of these events. */
  readonly strangers: (events: readonly OutlookEvent[]) => Promise<ReadonlyMap<string, Strange>>;
  /** Meetings that this plan imports already, in whatever room, and what was said of them. */
  readonly meetings: Map<string, string>;
}

export interface PlannedRoom extends Omit<Decided, 'taken'> {
  /** Synced items that have not ended and were found only now: the brake counts them, too. */
  readonly found: number;
}

export async function planRoom(asked: PlanRoom, signal: AbortSignal): Promise<PlannedRoom> {
  const { room, picture, span, events, policy } = asked;
  const listed = new Map(events.map((event) => [event.id, event]));
  const outlook = reading(asked.outlook, listed);
  const deciding: Deciding = { room, outlook, policy };
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
  }));
  const found = compare(mapped.map(mappedOf), events, span, follows);
  const marked = noted(mapped, found);
  const rows = follows ? await verified(marked, deciding, signal) : marked;

  const reserved = rows.filter((row) => row.reservationId !== null);
  const unborn = rows.filter((row) => row.reservationId === null);
  const first = await decideRows(reserved, [], deciding, signal);
  const births = await decideBirths(
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
  const adopted = found.adoptions.filter(({ id }) =>
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
  };
}

interface Births {
  readonly planned: readonly Planned[];
  /** What takes time in the booking system from then on. */
  readonly imported: readonly Taken[];
  /** Events that are given to a reservation: as its row shows then, by its id. */
  readonly given: ReadonlyMap<number, Known>;
}

const withGiven = (rows: readonly Known[], given: ReadonlyMap<number, Known>): Known[] => {
  const known = new Set(rows.map(({ id }) => id));
  return [
    ...rows.map((row) => given.get(row.id) ?? row),
    ...[...given.values()].filter(({ id }) => !known.has(id)),
  ];
};

async function decideBirths(
  unborn: readonly Known[],
  reserved: readonly Known[],
  taken: readonly Taken[],
  asked: PlanRoom,
  signal: AbortSignal,
): Promise<Births> {
  const { room, outlook, policy, picture } = asked;
  const planned: Planned[] = [];
  const imported: Taken[] = [];
  const given = new Map<number, Known>();
  const occupying: { readonly row: Known; readonly event: OutlookEvent; readonly item: Item }[] = [];
  for (const row of unborn.toSorted((a, b) => ((a.startsAt ?? '') < (b.startsAt ?? '') ? -1 : 1))) {
    signal.throwIfAborted();
    if (!row.isDue) {
      const rest = resting(row);
      if (rest !== null) planned.push(rest);
      continue;
    }
    const event = row.eventId === null ? null : await outlook.read(room, row.eventId, signal);
    if (event !== null && event.item !== null)
      occupying.push({ row: { ...row, outlookSeen: event.item }, event, item: event.item });
  }
  const strangers = await asked.strangers(occupying.map(({ event }) => event));

  for (const [at, { row, event, item }] of occupying.entries()) {
    if (at % breathEvery === 0) await breathe();
    if (row.conflict?.kind === 'moved') {
      planned.push(ofMoved(row, item, reserved));
      continue;
    }
    const strange = strangers.get(event.id) ?? { reservation: null, logged: false, joins: null };
    const kin = kinOf(event, item, reserved, given, strange, picture);
    const fate = fateOf({ event, item, due: row, kin }, { ...policy, show: (shown) => outlook.show(shown) });
    switch (fate.do) {
      case 'forget':
        break;
      case 'find':
      case 'give':
        given.set(
          fate.mapping,
          adopting(
            reserved.find(({ id }) => id === fate.mapping)!,
            event,
          ),
        );
        break;
      case 'become':
        given.set(row.id, becoming(row, event, strange));
        break;
      case 'send-away':
        planned.push(
          say(
            row,
            event.isOrganizer ? 'delete' : 'decline',
            'its reservation is cancelled in the booking system',
          ),
        );
        break;
      case 'flag':
        planned.push(say(row, 'conflict', fate.said));
        break;
      case 'wait':
        planned.push(say(row, 'waiting', 'IMPORT_MODE is manual: a person has to ask for its import'));
        break;
      case 'import': {
        const other = [...taken, ...imported].find((one) => meets(one, item));
        if (other === undefined || fate.overlap === 'allow') {
          planned.push(say(row, 'import', whyImported(event, strange, asked)));
          imported.push({ priority: 1, ...spanOf(item), title: item.title, shown: true });
        } else if (policy.overlap === 'decline' && !event.isOrganizer)
          planned.push(say(row, 'decline', `the time is taken: ${other.title}`));
        else planned.push(say(row, 'conflict', `the time is taken: ${other.title}`));
      }
    }
  }
  return { planned, imported, given };
}

const spanOf = ({ startsAt, endsAt }: Item) => ({ startsAt, endsAt });

/** One meeting that invited several rooms becomes one reservation. */
function whyImported(event: OutlookEvent, { joins }: Strange, { meetings, room }: PlanRoom): string {
  const uid = `${event.iCalUId} ${event.originalStart ?? ''}`;
  const first = event.iCalUId === '' ? undefined : meetings.get(uid);
  meetings.set(uid, first ?? room.name);
  if (joins !== null) return `it is the meeting that ${joins} came from: the reservation gets this room, too`;
  return first === undefined || first === room.name
    ? 'it is in Outlook only'
    : `it is in Outlook only; one reservation together with ${first}`;
}

function ofMoved(row: Known, item: Item, reserved: readonly Known[]): Planned {
  const other = reserved.find(
    ({ id, present, status }) => id === row.conflict!.mapping && present && status !== 'cancelled',
  );
  switch (fateOfMoved(row, item, other ?? null)) {
    case 'send-away':
      return say(row, row.isOrganizer ? 'delete' : 'decline', 'its reservation moved away for good');
    case 'take-back':
      return say(row, 'adopt', 'its reservation goes back to it');
    case 'wait':
      return say(row, 'conflict', row.error ?? 'the booking system moved its reservation away');
  }
}

/** See `readKin`. */
function kinOf(
  { marks }: OutlookEvent,
  item: Item,
  rows: readonly Known[],
  given: ReadonlyMap<number, Known>,
  { reservation, logged }: Strange,
  { opens, closes }: Picture,
): Kin {
  const mapping =
    marks === null
      ? undefined
      : rows.find((row) => row.reservationType === marks.type && row.reservationId === marks.id);
  const isLonely = (row: Known) => row.eventId === null && row.present && !given.has(row.id);
  const pair = rows.find(
    (row) =>
      isLonely(row) &&
      (row.status === 'pending' || row.status === 'error') &&
      row.startsAt === item.startsAt &&
      row.endsAt === item.endsAt &&
      sameTitle(row.booking?.title ?? '', item.title),
  );
  return {
    inWindow: Date.parse(item.startsAt) < Date.parse(closes) && Date.parse(item.endsAt) > Date.parse(opens),
    mapping:
      mapping === undefined
        ? null
        : {
            id: mapping.id,
            status: mapping.status,
            waits:
              (mapping.eventId === null && mapping.status !== 'cancelled' && mapping.status !== 'shadowed') ||
              (mapping.status === 'cancelled' && mapping.isDue && mapping.present),
          },
    reservation,
    isCopy: mapping !== undefined && mapping.eventId !== null && mapping.status !== 'cancelled',
    logged,
    pair: pair?.id ?? null,
  };
}

const adopting = (row: Known, event: OutlookEvent): Known => ({
  ...row,
  eventId: event.id,
  outlookBase: event.item,
  bookingBase: null,
  isOrganizer: event.isOrganizer,
  iCalUId: event.iCalUId,
  originalStart: event.originalStart,
  status: row.status === 'cancelled' ? 'pending' : row.status,
  news: null,
  isDue: true,
  adopted: true,
});

/** See `becomeMapping`. */
function becoming(row: Known, event: OutlookEvent, { reservation }: Strange): Known {
  const here = reservation?.here === true;
  return {
    ...adopting(row, event),
    reservationType: event.marks!.type,
    reservationId: event.marks!.id,
    status: 'pending',
    active: here ? reservation.active : null,
    booking: here ? reservation.item : null,
    elsewhere: reservation !== null && !here,
    inWindow: true,
    present: here && reservation.active,
  };
}
