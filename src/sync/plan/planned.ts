/** The planned items of a batch of a plan's run. Pure. */
import type { Item } from '../../item.ts';
import type { Applied } from '../apply/apply.ts';
import type { Decision } from '../apply/decision.ts';
import type { WrittenToBooking } from '../apply/item-results.ts';
import { heldReason } from '../apply/settlement/conflict.ts';
import type { Settlement } from '../store/settle.ts';
import { isMapped, type Mapped, type Unmapped, type WorkItem } from '../store/work-item.ts';
import { fieldNames, planned, timesOf, type Planned, type PlanKind } from './plan-words.ts';

/** A planned item and its mapping. */
export interface Draft {
  readonly mapping: number;
  readonly planned: Planned;
}

/** Results of the run so far. */
export interface RunSoFar {
  /** The item of an unmapped event. */
  readonly itemOf: (row: WorkItem) => Item | null;
  /** The room in which this run imported a reservation; undefined: it existed before. */
  readonly importedIn: (reservation: string) => string | undefined;
  /** Mappings that this run detached from their meeting. */
  readonly detached: ReadonlySet<number>;
}

/** Actions of a batch, in order; settlements without an action are not part of a plan. */
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
      const item = isMapped(row)
        ? ofReservation(row, one, decisions.get(one.id), run)
        : ofEvent(row, one, run.itemOf(row));
      return item === null ? [] : [{ mapping: one.id, planned: item }];
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
  if (action === 'created')
    return plan(row, 'create', run.detached.has(row.id) ? movedAway : whyCreated(row));
  if (action === 'updated' && decided?.do === 'change')
    return plan(row, 'change', whyChanged(row, decided.change) + overruled(decision), decided.change);
  if (action === 'declined') return plan(row, 'decline', whyRemoved(row));
  // otherwise there was nothing to delete
  if (action === 'deleted' && decided?.do === 'remove') return plan(row, 'delete', whyRemoved(row));
  if (action === 'shadowed' && decided?.do === 'remove') return plan(row, 'delete', isCovered);
  return action === 'parked' && reason === heldReason ? { ...held(row, decided?.do), held: true } : null;
}

const isCovered = 'a more important item takes its whole time';
const held = (row: Mapped, decision: Decision['action']['do'] | undefined): Planned =>
  decision === 'cancel-booking'
    ? plan(row, 'cancel-booking', whyCancelled(row))
    : plan(row, decision === 'decline' ? 'decline' : 'delete', whyRemoved(row));

function ofEvent(row: Unmapped, { action, reason }: Settlement, item: Item | null): Planned | null {
  if (action !== 'declined' && action !== 'deleted') return null;
  return withItem(plan(row, action === 'declined' ? 'decline' : 'delete', reason ?? ''), item);
}

function writtenBack({ item, decision, written }: WrittenToBooking, run: RunSoFar): Planned {
  if (written.action === 'booking-cancelled') return plan(item, 'cancel-booking', whyCancelled(item));
  if (written.action === 'booking-updated') {
    const toBooking = decision?.action.do === 'change' ? decision.action.toBooking : {};
    return plan(item, 'change-booking', `it was changed in Outlook${overruled(decision)}`, toBooking);
  }
  const key = `${written.reservationType}/${written.reservationId}`;
  const why = written.action === 'joined' ? whyJoined(key, run.importedIn(key)) : inOutlookOnly;
  return withItem(plan(item, 'import', why), run.itemOf(item));
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

const withItem = (one: Planned, item: Item | null): Planned =>
  item === null ? one : { ...one, ...timesOf(item) };

function plan(row: WorkItem, kind: PlanKind, why: string, change: object = {}): Planned {
  const [booking, reservation] = isMapped(row) ? [row.booking, row.reservation] : [null, null];
  return planned(kind, why, {
    item: booking ?? row.outlookSeen ?? row.outlookBase,
    reservation,
    eventId: row.eventId,
    fields: Object.keys(change),
  });
}
