/**
 * What a sync would do to the reservations of one room, decided by the same functions (`compare`, `lookFirst`, `decide`) on
 * a picture in memory. Nothing is written down: what would be true afterwards is kept beside it.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { OutlookEvent } from '../../event.ts';
import type { Item } from '../../item.ts';
import { attachmentOf, type Attachment } from '../match/attach.ts';
import { match, vacancyOf } from '../match/match.ts';
import { isFree } from '../match/reunite.ts';
import type { Scanned } from '../pull/full-scan.ts';
import { isUnreadable, readFirst, verify } from '../apply/read.ts';
import type { LeasedRoom } from '../store/mappings.ts';
import { touchesTimes } from '../decide/merge.ts';
import type { UnmappedRow, Mapped, Span } from '../store/pull-store.ts';
import { isShownAtRest, outcomeOf, resting, say, takenBy, type PlannedMapping } from './plan-outcome.ts';
import type { Row } from './plan-picture.ts';
import { coverAll, meets, type Planned, type Taken } from './plan-words.ts';
import type { OutlookSide } from '../outlook-side.ts';
import type { ConflictPolicy, Step } from '../apply/step.ts';
import type { OverlapPolicy } from '../decide/unmapped.ts';

/** So many items are decided about in one go: a daemon that plans a full room must not look frozen to itself. */
export const breathEvery = 50;

export interface Deciding {
  readonly room: LeasedRoom;
  /** Reads from the list that was made just now; what is not on it, from Outlook. */
  readonly outlook: OutlookSide;
  readonly span: () => Promise<Span>;
  readonly policy: { readonly conflict: ConflictPolicy; readonly overlap: OverlapPolicy };
}

/** A row whose other side is gone, and what took it away (see `bridge_deed`). */
interface Gone {
  readonly row: Row;
  readonly deed: string;
}

export interface Decided {
  readonly planned: readonly Planned[];
  /** What takes time in the room afterwards. */
  readonly taken: readonly Taken[];
  /** Rows whose other side is gone: the brake counts them. */
  readonly gone: readonly Gone[];
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
  waitsFor: row.waitsFor,
  news: row.news,
  startsAt: row.startsAt,
  endsAt: row.endsAt,
  reservationType: row.reservationType,
  revision: row.revision,
  due: row.isDue,
  booking: row.booking,
  present: row.present,
  removing: row.removing,
  conflict: row.conflict,
  iCalUId: row.iCalUId,
  originalStart: row.originalStart,
  seriesMasterId: row.seriesMasterId,
  outlookSeen: row.outlookSeen,
});

/** The rows as `bridge_baselined` leaves them once the window was compared. */
export function noted(rows: readonly Row[], found: Scanned): PlannedMapping[] {
  const news = new Map(found.known.map((one) => [one.id, one.news]));
  const known = new Set(rows.map(({ eventId }) => eventId));
  let newest = Math.min(0, ...rows.map(({ id }) => id));
  return [
    ...withAttached(rows, found.attachments).map((row) => {
      const said = news.get(row.id);
      // null: nothing but its version has moved
      return said === undefined || said === null ? row : { ...row, news: said, isDue: true };
    }),
    ...found.born.filter(({ eventId }) => !known.has(eventId)).map((born) => bornRow(born, (newest -= 1))),
  ];
}

/** The rows as `reunite` leaves them: what is gone was given the event it became. */
export function reunited(
  rows: readonly PlannedMapping[],
  events: ReadonlyMap<string, OutlookEvent>,
  show: (item: Item) => Item,
): PlannedMapping[] {
  const lost = rows.map((row) => vacancyOf(mappedOf(row), show)).filter((one) => one?.state === 'lost');
  const free = rows.flatMap((row) => (isFree(row) ? [events.get(row.eventId!)] : []));
  const matches = match(
    lost.filter((one) => one !== null),
    free.filter((event) => event !== undefined),
  );
  return withAttached(
    rows,
    matches.map((found) => attachmentOf(found)),
  );
}

/** See `bridge_attach`. */
export function withAttached(
  rows: readonly PlannedMapping[],
  attachments: readonly Attachment[],
): PlannedMapping[] {
  const given = new Map(attachments.map((attachment) => [attachment.id, attachment]));
  const taken = new Set(attachments.map(({ eventId }) => eventId));
  return rows.flatMap((row): PlannedMapping[] => {
    const attachment = given.get(row.id);
    if (attachment !== undefined) return [attached(row, attachment)];
    return row.reservationId === null && taken.has(row.eventId ?? '') ? [] : [row];
  });
}

function attached(row: PlannedMapping, attachment: Attachment): PlannedMapping {
  const { eventId, isOrganizer, iCalUId, originalStart, seriesMasterId, news, kept } = attachment;
  const agreed = kept ? {} : { outlookBase: attachment.outlookBase, bookingBase: attachment.bookingBase };
  const facts = { eventId, isOrganizer, iCalUId, originalStart, seriesMasterId };
  const fresh = { status: 'pending', removing: false, conflict: null, isDue: true, adopted: true } as const;
  return { ...row, ...facts, ...agreed, ...fresh, news };
}

const bornRow = (born: UnmappedRow, id: number): Row => ({
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
  seriesMasterId: born.seriesMasterId,
  etag: null,
  removing: false,
  waitsFor: born.waitsFor,
  conflict: null,
  resolution: null,
  importAsked: false,
  createdAt: '',
  bookingChangedAt: null,
  present: false,
  startsAt: born.startsAt,
  endsAt: born.endsAt,
  priority: 1,
  isDue: born.dueInMs !== null,
  error: null,
});

/** How many reads are under way to one mailbox. */
const atATime = 4;

/** Events that the list misses are read one by one, as before any deletion. */
export async function verified(
  rows: readonly PlannedMapping[],
  { room, ...sight }: Deciding,
  signal: AbortSignal,
): Promise<PlannedMapping[]> {
  const missing = rows.filter((row) => row.news === 'missing' && row.eventId !== null);
  const news = new Map<number, Row['news']>();
  for (let at = 0; at < missing.length; at += atATime) {
    const some = missing
      .slice(at, at + atATime)
      .map(({ id, revision, eventId }) => ({ id, revision, eventId: eventId! }));
    for (const one of await verify(some, room, sight, signal)) news.set(one.id, one.news);
  }
  return rows.map((row) => ({ ...row, news: news.get(row.id) ?? row.news }));
}

/** Decides about reservations, the most important first, so that what is covered knows of its cover. */
export async function decideRows(
  rows: readonly PlannedMapping[],
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
      if (row.present) taken.push(takenBy(row, isShownAtRest(row), true));
      continue;
    }
    const step = await readFirst(due, { ...deciding, policy: deciding.policy.conflict }, signal);
    if (isUnreadable(step)) {
      planned.push(say(row, 'waiting', `its event cannot be read: ${step.blind.message}`));
      if (row.present) taken.push(takenBy({ ...row, status: 'error' }, false, true));
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
  return {
    planned: refuseTaken(planned, moving, taken),
    taken,
    gone: gone.map((row) => ({ row, deed: deedOf(row, rows, gone) })),
    equal,
  };
}

/** See `bridge_deed`. */
function deedOf(row: Row, rows: readonly Row[], gone: readonly Row[]): string {
  const { id, seriesMasterId: series, active } = row;
  const isWhole =
    series !== null &&
    active !== null &&
    rows.every(
      (one) => one.seriesMasterId !== series || one.ended === true || !one.present || gone.includes(one),
    );
  return isWhole ? `series ${series}` : String(id);
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

/** See `bridge_due_items`. */
function coverOf(row: Row, taken: readonly Taken[]): Pick<Row, 'covered' | 'coverConfirmed'> {
  const own = row.booking;
  if (row.active !== true || own === null || row.priority <= 1 || own.startsAt >= own.endsAt)
    return { covered: false, coverConfirmed: false };
  const above = taken.filter(
    (one) => one.covers && one.priority < row.priority && one.startsAt < one.endsAt && meets(one, own),
  );
  const covers = (by: readonly Taken[]) => by.length > 0 && coverAll(by, own.startsAt, own.endsAt);
  return { covered: covers(above), coverConfirmed: covers(above.filter(({ shown }) => shown)) };
}

/** Its cover came or went: it would be looked at again. */
const isUncovered = (row: Row) =>
  row.priority > 1 &&
  row.present &&
  (row.status === 'shadowed' ? !row.covered : row.coverConfirmed && row.status === 'synced');
