/** What would become of the events in a room that nobody imported yet. */
import { setImmediate as breathe } from 'node:timers/promises';
import { itemOf, type OutlookEvent } from '../../event.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { Span } from '../store/pull-store.ts';
import { decideUnmapped, decideMovedUnmapped, twinNote, type UnmappedPolicy } from '../decide/unmapped.ts';
import { attachmentOf, attachmentTo } from '../match/attach.ts';
import type { PropertiesRecord } from '../match/candidates.ts';
import { match, vacancyOf } from '../match/match.ts';
import { waitHints, type LeasedRoom, type Whereabouts } from '../store/mappings.ts';
import { resting, say, type PlannedMapping } from './plan-outcome.ts';
import type { Picture, ForeignEvent } from './plan-picture.ts';
import { breathEvery, mappedOf, withAttached } from './plan-rows.ts';
import { meets, type Planned, type Taken } from './plan-words.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { choiceOf, type ConflictPolicy } from '../apply/step.ts';

export interface PlanPolicy {
  readonly conflict: ConflictPolicy;
  readonly overlap: UnmappedPolicy['overlap'];
  readonly importMode: UnmappedPolicy['importMode'];
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
  readonly strangers: (events: readonly OutlookEvent[]) => Promise<ReadonlyMap<string, ForeignEvent>>;
  /** Which reservations events were of, as far as the books remember. */
  readonly remembered: ReadonlyMap<string, ReservationKey>;
  /** Meetings that this plan imports already, in whatever room, and what was said of them. */
  readonly meetings: Map<string, string>;
}

interface Births {
  readonly planned: readonly Planned[];
  /** What takes time in the booking system from then on. */
  readonly imported: readonly Taken[];
  /** Events that are given to a reservation: as its row shows then, by its id. */
  readonly given: ReadonlyMap<number, PlannedMapping>;
}

export async function decideUnmappedEvents(
  unborn: readonly PlannedMapping[],
  reserved: readonly PlannedMapping[],
  taken: readonly Taken[],
  asked: PlanRoom,
  signal: AbortSignal,
): Promise<Births> {
  const { room, outlook, policy, picture } = asked;
  const planned: Planned[] = [];
  const imported: Taken[] = [];
  const given = new Map<number, PlannedMapping>();
  const imports: { readonly row: PlannedMapping; readonly event: OutlookEvent; readonly item: Item }[] = [];
  for (const row of unborn.toSorted((a, b) => ((a.startsAt ?? '') < (b.startsAt ?? '') ? -1 : 1))) {
    signal.throwIfAborted();
    if (!row.isDue) {
      const rest = resting(row);
      if (rest !== null) planned.push(rest);
      continue;
    }
    const event = row.eventId === null ? null : await outlook.read(room, row.eventId, signal);
    const item = event === null ? null : itemOf(event.shows);
    if (event !== null && item !== null) imports.push({ row: { ...row, outlookSeen: item }, event, item });
  }
  const strangers = await asked.strangers(imports.map(({ event }) => event));

  for (const [at, { row: known, event, item }] of imports.entries()) {
    if (at % breathEvery === 0) await breathe();
    const row = { ...known, resolution: choiceOf(known, event) };
    const moved = row.conflict?.kind === 'moved' ? ofMoved(row, item, reserved) : null;
    if (moved !== null) {
      planned.push(moved);
      continue;
    }
    const strange = strangers.get(event.id) ?? { reservation: null, logged: false, joins: null };
    const waiting = reserved.filter(({ id }) => !given.has(id));
    const found = matchOf(event, item, waiting, outlook);
    const fate = decideUnmapped(
      {
        event,
        item,
        due: row,
        inWindow: isInWindow(item, picture),
        mapping: found?.vacancy.mapping ?? null,
        properties: propertiesOf(event, reserved, strange),
      },
      { ...policy, show: (shown) => outlook.show(shown) },
    );
    switch (fate.do) {
      case 'forget':
        break;
      case 'attach': {
        const [taker] = withAttached(
          reserved.filter(({ id }) => id === fate.mapping),
          [attachmentOf(found!)],
        );
        given.set(fate.mapping, taker!);
        break;
      }
      case 'attach-to':
        given.set(row.id, becoming(row, fate.reservation, event, strange));
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
        planned.push(say(row, 'waiting', waitHints[fate.for]));
        break;
      case 'wait-for-twin':
        planned.push(say(row, 'waiting', twinNote));
        break;
      case 'import': {
        const other = [...taken, ...imported].find((one) => meets(one, item));
        if (other === undefined || fate.overlap === 'allow') {
          planned.push(say(row, 'import', whyImported(event, strange, asked)));
          imported.push({ priority: 1, ...spanOf(item), title: item.title, shown: true, covers: true });
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
function whyImported(event: OutlookEvent, { joins }: ForeignEvent, { meetings, room }: PlanRoom): string {
  const uid = `${event.iCalUId} ${event.originalStart ?? ''}`;
  const first = event.iCalUId === '' ? undefined : meetings.get(uid);
  meetings.set(uid, first ?? room.name);
  if (joins !== null) return `it is the meeting that ${joins} came from: the reservation gets this room, too`;
  return first === undefined || first === room.name
    ? 'it is in Outlook only'
    : `it is in Outlook only; one reservation together with ${first}`;
}

/** Null: nothing tells of its reservation, so it is an unmapped event as any other. */
function ofMoved(row: PlannedMapping, item: Item, reserved: readonly PlannedMapping[]): Planned | null {
  const { mapping, reservation } = row.conflict!;
  const other = reserved.find((one) =>
    reservation === undefined
      ? one.id === mapping
      : one.reservationType === reservation.type && one.reservationId === reservation.id,
  );
  const where = whereaboutsOf(other);
  switch (decideMovedUnmapped(row, item, where, other?.booking ?? null)) {
    case 'unmapped':
      return null;
    case 'send-away':
      return say(
        row,
        row.isOrganizer ? 'delete' : 'decline',
        where === 'cancelled' ? 'its reservation is cancelled' : 'its reservation moved away for good',
      );
    case 'take-back':
      return say(row, 'adopt', 'its reservation goes back to it');
    case 'wait':
      return say(row, 'conflict', row.error ?? 'the booking system moved its reservation away');
  }
}

/** See `readDetached`. */
function whereaboutsOf(other: PlannedMapping | undefined): Whereabouts {
  if (other === undefined) return 'unknown';
  if (other.present) return other.status === 'cancelled' ? 'unsettled' : 'here';
  return other.active === false || other.status === 'cancelled' || other.elsewhere
    ? 'cancelled'
    : 'unsettled';
}

const isInWindow = (item: Item, { opens, closes }: Picture) =>
  Date.parse(item.startsAt) < Date.parse(closes) && Date.parse(item.endsAt) > Date.parse(opens);

/** Only those that share something with it: a room of many years has many. */
function matchOf(
  event: OutlookEvent,
  item: Item,
  rows: readonly PlannedMapping[],
  { show }: Pick<OutlookSide, 'show'>,
) {
  const vacancies = rows
    .filter(
      (row) =>
        (row.eventId === null && row.startsAt === item.startsAt) ||
        (row.reservationType === event.marks?.type && row.reservationId === event.marks.id) ||
        row.iCalUId === event.iCalUId,
    )
    .map((row) => vacancyOf(mappedOf(row), show));
  return (
    match(
      vacancies.filter((one) => one !== null),
      [event],
    )[0] ?? null
  );
}

/** See `readCandidates`. */
function propertiesOf(
  { marks }: OutlookEvent,
  rows: readonly PlannedMapping[],
  { reservation, logged }: ForeignEvent,
): PropertiesRecord {
  const row =
    marks === null
      ? undefined
      : rows.find((one) => one.reservationType === marks.type && one.reservationId === marks.id);
  if (row === undefined) return { mapping: null, reservation, logged };
  const never =
    row.generation === 0 && row.eventId === null && row.bookingBase === null && row.outlookBase === null;
  return {
    mapping: {
      id: row.id,
      status: row.status,
      never,
      generation: row.generation,
      since: '',
      lost: row.news === 'gone',
    },
    reservation,
    logged,
  };
}

/** See `attachmentTo`. */
function becoming(
  row: PlannedMapping,
  { type, id }: ReservationKey,
  event: OutlookEvent,
  { reservation }: ForeignEvent,
): PlannedMapping {
  const here = reservation?.here === true;
  const [taker] = withAttached([row], [{ ...attachmentTo({ type, id }, event), id: row.id }]);
  return {
    ...taker!,
    reservationType: type,
    reservationId: id,
    active: here ? reservation.active : null,
    booking: here ? reservation.item : null,
    elsewhere: reservation !== null && !here,
    inWindow: true,
    present: here && reservation.active,
  };
}
