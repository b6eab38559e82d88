/**
 * What a sync would do to the reservations of one room, decided by the same functions (`compare`, `lookFirst`, `decide`) on
 * a picture in memory. Nothing is written down: what would be true afterwards is kept beside it.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Compared } from './baseline.ts';
import { isBlind, lookFirst, verify } from './look.ts';
import type { LeasedRoom } from './mappings.ts';
import { touchesTimes } from './merge.ts';
import type { Born, Mapped } from './notices.ts';
import type { Row } from './plan-picture.ts';
import { shownBy } from './plan-picture.ts';
import { coverAll, fieldNames, meets, type Planned, type Taken } from './plan-words.ts';
import type { OutlookSide } from './sides.ts';
import type { ConflictPolicy, Step } from './step.ts';
import type { OverlapPolicy } from './fate.ts';

/** So many items are decided about in one go: a daemon that plans a full room must not look frozen to itself. */
export const breathEvery = 50;

/** A row, and whether its event was just found for it. */
export type Known = Row & { readonly adopted?: true };

export interface Deciding {
  readonly room: LeasedRoom;
  /** Reads from the list that was made just now; what is not on it, from Outlook. */
  readonly outlook: OutlookSide;
  readonly policy: { readonly conflict: ConflictPolicy; readonly overlap: OverlapPolicy };
}

export interface Decided {
  readonly planned: readonly Planned[];
  /** What takes time in the room afterwards. */
  readonly taken: readonly Taken[];
  /** Rows whose other side is gone: the brake counts them. */
  readonly gone: readonly Row[];
  /** Reservations that both sides show alike. */
  readonly equal: number;
}

export const mappedOf = (row: Row): Mapped => ({
  id: row.id,
  eventId: row.eventId,
  status: row.status,
  reservationId: row.reservationId,
  outlookBase: row.outlookBase,
  etag: null,
  news: row.news,
  startsAt: row.startsAt,
  endsAt: row.endsAt,
  reservationType: row.reservationType,
  due: row.isDue,
  title: row.booking?.title ?? null,
  present: row.present,
});

/** The rows as `bridge_baselined` leaves them once the window was compared. */
export function noted(rows: readonly Row[], found: Compared): Known[] {
  const given = new Map(found.adoptions.map((adoption) => [adoption.id, adoption]));
  const news = new Map(found.known.map((one) => [one.id, one.news]));
  const taken = new Set(found.adoptions.map(({ eventId }) => eventId));
  const known = new Set(rows.map(({ eventId }) => eventId));
  let newest = Math.min(0, ...rows.map(({ id }) => id));
  return [
    ...rows.flatMap((row): Known[] => {
      const adoption = given.get(row.id);
      if (adoption !== undefined) {
        const { outlookBase, eventId, isOrganizer, iCalUId, originalStart } = adoption;
        const status = row.status === 'cancelled' ? 'pending' : row.status;
        const found = { eventId, outlookBase, isOrganizer, iCalUId, originalStart };
        return [{ ...row, ...found, status, bookingBase: null, news: null, isDue: true, adopted: true }];
      }
      if (row.reservationId === null && taken.has(row.eventId ?? '')) return [];
      const said = news.get(row.id);
      // null: nothing but its version has moved
      return [said === undefined || said === null ? row : { ...row, news: said, isDue: true }];
    }),
    ...found.born.filter(({ eventId }) => !known.has(eventId)).map((born) => bornRow(born, (newest -= 1))),
  ];
}

const bornRow = (born: Born, id: number): Row => ({
  id,
  // an event without a reservation, as bridge_mappings has it
  reservationType: null as unknown as string,
  reservationId: null as unknown as number,
  eventId: born.eventId,
  status: 'imported',
  direction: 'outlook_to_booking',
  generation: 0,
  revision: 1,
  attempt: 0,
  lane: 0,
  bookingBase: null,
  outlookBase: null,
  outlookSeen: born.item,
  active: null,
  booking: null,
  inWindow: null,
  covered: false,
  coverConfirmed: false,
  ended: false,
  elsewhere: false,
  news: 'look',
  isOrganizer: born.isOrganizer,
  iCalUId: born.iCalUId,
  originalStart: born.originalStart,
  etag: null,
  removing: false,
  conflict: null,
  resolution: null,
  importAsked: false,
  bookingChangedAt: null,
  present: false,
  startsAt: born.startsAt,
  endsAt: born.endsAt,
  priority: 1,
  isDue: true,
  error: null,
});

/** How many reads are under way to one mailbox. */
const atATime = 4;

/** Events that the list misses are read one by one, as before any deletion. */
export async function verified(
  rows: readonly Known[],
  { room, outlook }: Deciding,
  signal: AbortSignal,
): Promise<Known[]> {
  const missing = rows.filter((row) => row.news === 'missing' && row.eventId !== null);
  const news = new Map<number, Row['news']>();
  for (let at = 0; at < missing.length; at += atATime) {
    const some = missing
      .slice(at, at + atATime)
      .map(({ id, revision, eventId }) => ({ id, revision, eventId: eventId! }));
    for (const one of await verify(some, room, outlook, signal)) news.set(one.id, one.news);
  }
  return rows.map((row) => ({ ...row, news: news.get(row.id) ?? row.news }));
}

/** Decides about reservations, the most important first, so that what is covered knows of its cover. */
export async function decideRows(
  rows: readonly Known[],
  imported: readonly Taken[],
  deciding: Deciding,
  signal: AbortSignal,
): Promise<Decided> {
  const planned: Planned[] = [];
  const gone: Row[] = [];
  const taken: Taken[] = [...imported];
  const moving: { readonly row: Row; readonly to: Taken; readonly planned: Planned }[] = [];
  let equal = 0;
  const inOrder = rows.toSorted(
    (a, b) => a.priority - b.priority || ((a.startsAt ?? '') < (b.startsAt ?? '') ? -1 : 1),
  );
  for (const [at, row] of inOrder.entries()) {
    signal.throwIfAborted();
    if (at % breathEvery === 0) await breathe();
    const due = { ...row, ...coverOf(row, taken) };
    if (!row.isDue && !isUncovered(due)) {
      const rest = resting(row);
      if (rest !== null) planned.push(rest);
      else if (row.status === 'synced' && row.inWindow === true) equal += 1;
      if (row.present) taken.push(takenBy(row, row.eventId !== null && row.status === 'synced'));
      continue;
    }
    const step = await lookFirst(due, { ...deciding, policy: deciding.policy.conflict }, signal);
    if (isBlind(step)) {
      planned.push(say(row, 'waiting', `its event cannot be read: ${step.blind.message}`));
      if (row.present) taken.push(takenBy(row, false));
      continue;
    }
    const { said, after, counts } = outcomeOf(row, step);
    const moves = said.find((one) => one.kind === 'change-booking');
    if (moves !== undefined && after !== null && isMove(step, deciding.policy.overlap))
      moving.push({ row, to: after, planned: moves });
    planned.push(...said);
    if (counts) gone.push(row);
    if (after !== null) taken.push(after);
    if (said.length === 0 && after?.shown === true) equal += 1;
  }
  return { planned: refuseTaken(planned, moving, taken), taken, gone, equal };
}

/** A reservation that Outlook moved is not moved onto another one. */
function refuseTaken(
  planned: readonly Planned[],
  moving: readonly { readonly row: Row; readonly to: Taken; readonly planned: Planned }[],
  taken: readonly Taken[],
): Planned[] {
  const refused = new Map<Planned, Planned>();
  for (const { row, to, planned: move } of moving) {
    const before = takenBy(row, true);
    const other = taken.find((one) => one !== to && meets(one, to) && !meets(one, before));
    if (other !== undefined)
      refused.set(move, { ...move, kind: 'conflict', why: `the time is taken: ${other.title}` });
  }
  return planned.map((one) => refused.get(one) ?? one);
}

const isMove = ({ action, due }: Step, overlap: OverlapPolicy) =>
  action.do === 'change' &&
  touchesTimes(action.toBooking) &&
  overlap !== 'import' &&
  due.resolution !== 'outlook';

const takenBy = (row: Row, shown: boolean): Taken => ({
  priority: row.priority,
  startsAt: row.booking?.startsAt ?? row.startsAt ?? '',
  endsAt: row.booking?.endsAt ?? row.endsAt ?? '',
  title: row.booking?.title ?? '',
  shown,
});

/** See `bridge_due_items`. */
function coverOf(row: Row, taken: readonly Taken[]): Pick<Row, 'covered' | 'coverConfirmed'> {
  const own = row.booking;
  if (row.active !== true || own === null || row.priority <= 1 || own.startsAt >= own.endsAt)
    return { covered: false, coverConfirmed: false };
  const above = taken.filter(
    (one) => one.priority < row.priority && one.startsAt < one.endsAt && meets(one, own),
  );
  const covers = (by: readonly Taken[]) => by.length > 0 && coverAll(by, own.startsAt, own.endsAt);
  return { covered: covers(above), coverConfirmed: covers(above.filter(({ shown }) => shown)) };
}

/** Its cover came or went: it would be looked at again. */
const isUncovered = (row: Row) =>
  row.priority > 1 &&
  row.present &&
  (row.status === 'shadowed' ? !row.covered : row.coverConfirmed && row.status === 'synced');

/** What waits for a person already. */
export function resting(row: Row): Planned | null {
  if (row.status === 'conflict') return say(row, 'conflict', row.error ?? 'a person has to choose');
  if (row.status === 'error') return say(row, 'waiting', row.error ?? 'it failed before');
  return row.status === 'imported' ? say(row, 'waiting', 'a person has to ask for its import') : null;
}

export function say(
  row: Row,
  kind: Planned['kind'],
  why: string,
  more: Partial<Pick<Planned, 'fields' | 'title' | 'startsAt' | 'endsAt'>> = {},
): Planned {
  const item = shownBy(row);
  const { reservationType: type, reservationId: id } = row;
  return {
    kind,
    title: item?.title ?? null,
    startsAt: item?.startsAt ?? row.startsAt,
    endsAt: item?.endsAt ?? row.endsAt,
    reservation: id === null ? null : { type, id },
    eventId: row.eventId,
    fields: [],
    why,
    held: false,
    ...more,
  };
}

interface OutcomeOf {
  readonly said: readonly Planned[];
  /** What takes the time then; null: nothing. */
  readonly after: Taken | null;
  readonly counts: boolean;
}

function outcomeOf(row: Known, { action, seen, due }: Step): OutcomeOf {
  const found = row.adopted === true ? [say(row, 'adopt', 'its event is in Outlook already')] : [];
  const gone = row.active === null && !row.elsewhere;
  const counts = (action.do === 'remove' || action.do === 'decline') && gone && row.ended !== true;
  const stays = (shown: boolean) => (row.present ? takenBy(row, shown) : null);
  switch (action.do) {
    case 'create':
      return { said: [say(row, 'create', whyCreated(row, seen))], after: stays(true), counts };
    case 'change': {
      const { toBooking, change, open, overruled } = action;
      const names = (fields: object) => fieldNames(Object.keys(fields));
      const over =
        overruled.length === 0
          ? ''
          : `; both sides changed ${fieldNames(overruled).join(', ')}, and CONFLICT_POLICY chooses`;
      const moved = { ...takenBy(row, true), ...pickTimes(toBooking) };
      return {
        said: [
          ...found,
          ...(open.length > 0
            ? [
                say(row, 'conflict', 'both sides changed the same and a person has to choose', {
                  fields: fieldNames(open),
                }),
              ]
            : []),
          ...(Object.keys(toBooking).length > 0
            ? [say(row, 'change-booking', `it was changed in Outlook${over}`, { fields: names(toBooking) })]
            : []),
          ...(Object.keys(change).length > 0
            ? [
                say(
                  row,
                  'change',
                  `${row.adopted === true ? 'its event shows something else' : 'it was changed in the booking system'}${over}`,
                  { fields: names(change) },
                ),
              ]
            : []),
        ],
        after: row.present ? moved : null,
        counts,
      };
    }
    case 'remove':
      return action.as === 'shadowed'
        ? {
            said: [say(row, 'delete', 'something more important takes its whole time')],
            after: stays(false),
            counts,
          }
        : { said: [say(row, 'delete', whyRemoved(row))], after: null, counts };
    case 'decline':
      return { said: [say(row, 'decline', whyRemoved(row))], after: null, counts };
    case 'cancel-booking':
      return {
        said: [
          say(
            row,
            'cancel-booking',
            due.news === 'vacated'
              ? 'its event does not occupy the room any more'
              : 'its event was deleted in Outlook',
          ),
        ],
        after: null,
        counts: true,
      };
    case 'part':
      return {
        said: [
          say(row, 'create', 'the booking system moved it away from the meeting of somebody else'),
          {
            ...say(row, 'conflict', 'the meeting stays until a person has chosen'),
            reservation: null,
          },
        ],
        after: stays(true),
        counts,
      };
    case 'ask':
      return {
        said: [say(row, 'conflict', 'it was deleted in Outlook and changed in the booking system')],
        after: stays(false),
        counts,
      };
    case 'settle':
      return {
        said: action.as === 'synced' ? found : [],
        after: stays(action.as === 'synced'),
        counts,
      };
    case 'wait':
      return { said: found, after: stays(false), counts };
  }
}

const pickTimes = (change: { readonly startsAt?: string; readonly endsAt?: string }) => ({
  ...(change.startsAt === undefined ? {} : { startsAt: change.startsAt }),
  ...(change.endsAt === undefined ? {} : { endsAt: change.endsAt }),
});

function whyCreated(row: Row, seen: Step['seen']): string {
  if (row.status === 'cancelled') return 'it was enabled again';
  if (row.status === 'shadowed') return 'nothing covers it any more';
  if (seen === 'gone' || row.news === 'gone' || row.news === 'vacated')
    return 'its event was deleted in Outlook, and the booking system is followed';
  return 'it is not in Outlook yet';
}

function whyRemoved(row: Row): string {
  if (row.active === false) return 'it is cancelled in the booking system';
  return row.elsewhere ? 'it is in another room now' : 'its rows are gone from the booking system';
}
