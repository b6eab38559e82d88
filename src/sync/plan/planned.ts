/** What came of one work item of a plan's run, in the words of a plan. Pure. */
import type { Item } from '../../item.ts';
import type { Applied } from '../apply/apply.ts';
import type { Decision } from '../apply/decision.ts';
import type { WrittenToBooking } from '../apply/outcome.ts';
import { heldReason } from '../apply/settlement/conflict.ts';
import type { Settlement } from '../store/settle.ts';
import { isMapped, type Mapped, type Unmapped, type WorkItem } from '../store/work-item.ts';
import { fieldNames, type Planned, type PlanKind } from './plan-words.ts';
import { realId } from './recording-outlook.ts';

/** An item of a plan, and the mapping it is about. */
export interface Draft {
  readonly mapping: number;
  readonly planned: Planned;
}

/** What a run knows beside the work item itself. */
export interface RunSoFar {
  /** What is known of the event of an unmapped work item. */
  readonly itemOf: (row: WorkItem) => Item | null;
  /** The room in which this run made the meeting a reservation; undefined: it was one before. */
  readonly importedIn: (reservation: string) => string | undefined;
  /** Mappings whose event this run left to its organiser. */
  readonly detached: ReadonlySet<number>;
}

/** Everything that was done in a batch, in order; what was only written down is nothing of a plan. */
export function draftsOf(
  items: readonly WorkItem[],
  { settled, done, decided }: Applied,
  run: RunSoFar,
): Draft[] {
  const rows = new Map(items.map((row) => [row.id, row]));
  const decisions = new Map(decided.map((decision) => [decision.mapped.id, decision]));
  return [
    ...settled.flatMap((one) => {
      const row = rows.get(one.id)!;
      const planned = isMapped(row)
        ? ofReservation(row, one, decisions.get(one.id), run)
        : ofEvent(row, one, run.itemOf(row));
      return planned === null ? [] : [{ mapping: one.id, planned }];
    }),
    ...done.map((one) => ({ mapping: one.item.id, planned: writtenBack(one, run) })),
  ];
}

function ofReservation(
  row: Mapped,
  { action, reason }: Settlement,
  decision: Decision | undefined,
  run: RunSoFar,
): Planned | null {
  const decided = decision?.action;
  if (action === 'created') return say(row, 'create', run.detached.has(row.id) ? movedAway : whyCreated(row));
  if (action === 'updated' && decided?.do === 'change')
    return say(row, 'change', whyChanged(row, decided.change) + overruled(decision), decided.change);
  if (action === 'declined') return say(row, 'decline', whyRemoved(row));
  // else there was nothing to delete
  if (action === 'deleted' && decided?.do === 'remove') return say(row, 'delete', whyRemoved(row));
  if (action === 'shadowed' && decided?.do === 'remove') return say(row, 'delete', isCovered);
  return action === 'parked' && reason === heldReason ? { ...held(row, decided?.do), held: true } : null;
}

const isCovered = 'a more important item takes its whole time';
const held = (row: Mapped, decision: Decision['action']['do'] | undefined): Planned =>
  decision === 'cancel-booking'
    ? say(row, 'cancel-booking', whyCancelled(row))
    : say(row, decision === 'decline' ? 'decline' : 'delete', whyRemoved(row));

function ofEvent(row: Unmapped, { action, reason }: Settlement, item: Item | null): Planned | null {
  if (action !== 'declined' && action !== 'deleted') return null;
  return { ...say(row, action === 'declined' ? 'decline' : 'delete', reason ?? ''), ...timesOf(item) };
}

function writtenBack({ item, decision, written }: WrittenToBooking, run: RunSoFar): Planned {
  if (written.action === 'booking-cancelled') return say(item, 'cancel-booking', whyCancelled(item));
  if (written.action === 'booking-updated') {
    const toBooking = decision?.action.do === 'change' ? decision.action.toBooking : {};
    return say(item, 'change-booking', `it was changed in Outlook${overruled(decision)}`, toBooking);
  }
  const key = `${written.reservationType}/${written.reservationId}`;
  const why = written.action === 'joined' ? whyJoined(key, run.importedIn(key)) : inOutlookOnly;
  return { ...say(item, 'import', why), ...timesOf(run.itemOf(item)) };
}

const inOutlookOnly = 'it is in Outlook only';
const movedAway = 'the booking system moved it away from another person’s meeting';

/** One meeting that invited several rooms becomes one reservation. */
const whyJoined = (reservation: string, first: string | undefined): string =>
  first === undefined
    ? `it is the meeting that ${reservation} came from: the reservation gets this room, too`
    : `${inOutlookOnly}; one reservation together with ${first}`;

function whyCreated({ status, eventId, conflict }: Mapped): string {
  if (status === 'cancelled') return 'it was enabled again';
  if (status === 'shadowed') return 'it is no longer covered';
  if (conflict?.replace === true) return 'Outlook refuses to change its event: a new one takes its place';
  return eventId === null
    ? 'it is not in Outlook yet'
    : 'its event was deleted in Outlook, and the booking system is followed';
}

const whyChanged = ({ agreement }: Mapped, change: object): string =>
  Object.keys(change).length === 0
    ? 'it is shown as free, and as busy again'
    : agreement.is === 'never'
      ? 'its event differs'
      : 'it was changed in the booking system';

function whyRemoved({ active, elsewhere }: Mapped): string {
  if (active === false) return 'it is cancelled in the booking system';
  return elsewhere ? 'it is in another room now' : 'its rows are gone from the booking system';
}

const whyCancelled = ({ news }: WorkItem): string =>
  news === 'vacated' ? 'its event does not occupy the room any more' : 'its event was deleted in Outlook';

const overruled = (decision: Decision | undefined): string =>
  decision?.action.do !== 'change' || decision.action.overruled.length === 0
    ? ''
    : `; both sides changed ${fieldNames(decision.action.overruled).join(', ')}, and CONFLICT_POLICY chooses`;

const timesOf = (item: Item | null) =>
  item === null ? {} : { title: item.title, startsAt: item.startsAt, endsAt: item.endsAt };

function say(row: WorkItem, kind: PlanKind, why: string, change: object = {}): Planned {
  const item = (isMapped(row) ? row.booking : null) ?? row.outlookSeen ?? row.outlookBase;
  return {
    kind,
    title: item?.title ?? null,
    startsAt: item?.startsAt ?? null,
    endsAt: item?.endsAt ?? null,
    reservation: isMapped(row) ? row.reservation : null,
    eventId: realId(row.eventId),
    fields: fieldNames(Object.keys(change)),
    why,
    held: false,
  };
}
