/** The due work items of one leased room: each is read, decided about, written to the side that has to change, and settled. */
import type { Queryable } from '../../database.ts';
import type { Action } from '../decide/decide.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { isFollowed, type LeasedRoom, type Window } from '../store/work-list.ts';
import { hintSeries } from '../store/hints.ts';
import { noteRemovals } from '../store/mappings.ts';
import { listWindow } from '../store/span.ts';
import { failingAs } from '../store/failing.ts';
import { storeSending, type Sent, type SentMemory } from '../store/sent.ts';
import type { createSettle, CreatesDue, Settlement, SettleAnswer } from '../store/settle.ts';
import { isMapped, isUnmapped, type Mapped, type WorkItem } from '../store/work-item.ts';
import { together } from '../together.ts';
import { eventOf, type ConflictPolicy, type Decision } from './decision.ts';
import type { createBrake } from './brake.ts';
import type { createImport } from './import.ts';
import type { createIntoBooking } from './into-booking.ts';
import { itemResults, summed, type WrittenToBooking, type ItemResults } from './item-results.ts';
import { createRepairs } from './repairs.ts';
import { isUnreadable, readAndDecide, type DecideContext } from './read.ts';
import { worst, type Drained } from './rest.ts';
import { unreadable } from './settlement/failed.ts';
import { goneMeanwhile } from './settlement/written.ts';
import type { createIntoOutlook } from './into-outlook.ts';

/** The outcome of a batch, and what stops the room or everything. */
export interface Applied extends Drained {
  readonly settled: readonly Settlement[];
  /** Settled with their write into the booking system. */
  readonly done: readonly WrittenToBooking[];
  /** The answer to the settlements; null: there were none. */
  readonly written: SettleAnswer | null;
  readonly creates: CreatesDue | null;
  /** The decision about each mapping whose event could be read. */
  readonly decided: readonly Decision[];
}

export interface ApplyOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly intoOutlook: ReturnType<typeof createIntoOutlook>;
  readonly intoBooking: ReturnType<typeof createIntoBooking>;
  readonly importAll: ReturnType<typeof createImport>;
  readonly holdBack: ReturnType<typeof createBrake>;
  readonly settle: ReturnType<typeof createSettle>;
  readonly policy: ConflictPolicy;
  /** Namespace of the idempotency keys. */
  readonly installationId: () => string;
  readonly window: Window;
  readonly sentMemory?: SentMemory;
}

export function createApply(options: ApplyOptions) {
  const { db, outlook, intoOutlook, intoBooking, importAll, holdBack, policy, installationId } = options;
  const span = () => listWindow(db, options.window);
  const settleAll = failingAs('settle', options.settle);
  const repairs = createRepairs(db);

  /** Throws as the driver does when the database is away or the lease lost. */
  return async function apply(
    room: LeasedRoom,
    items: readonly WorkItem[],
    signal: AbortSignal,
  ): Promise<Applied> {
    const mapped = items.filter(isMapped);
    // reservations first: those that are removed or moved make room for events to import
    if (mapped.length === 0)
      return await settle(room, items, [], await importAll(room, items.filter(isUnmapped), signal));
    const context = {
      room,
      outlook,
      policy: room.own?.conflict_policy ?? policy,
      span,
      installationId: installationId(),
    };

    const { decisions, unread } = await read(mapped, context, signal);
    const { allowed, held } = await holdBack(room, decisions);
    const stored = await withStoredStates(options, room, await withNotedRemovals(db, room, allowed));
    const written = await write(room, stored, context, mapped, signal);
    return await settle(room, items, decisions, summed([unread, held, ...written]));
  };

  async function read(mapped: readonly Mapped[], context: DecideContext, signal: AbortSignal) {
    const all = await together(mapped.map((one) => readAndDecide(one, context, signal)));
    const unread = all.filter(isUnreadable);
    const decisions = all.filter((one): one is Decision => !isUnreadable(one));
    const lost = decisions.filter(isUnreportedLoss);
    return {
      decisions: decisions.filter((one) => !lost.includes(one)),
      unread: itemResults({
        settlements: [...unread.map((one) => unreadable(one)), ...lost.map(goneMeanwhile)],
        failures: unread.map((one) => one.unreadable),
      }),
    };
  }

  async function write(
    room: LeasedRoom,
    decisions: readonly Decision[],
    context: DecideContext,
    batch: readonly Mapped[],
    signal: AbortSignal,
  ): Promise<readonly ItemResults[]> {
    const [forBooking, others] = [
      decisions.filter(isForBooking),
      decisions.filter((one) => !isForBooking(one)),
    ];
    // cancellations make room for moves
    const cancelled = forBooking.length === 0 ? itemResults({}) : await intoBooking.cancel(room, forBooking);
    const [pushed, declined, changed] = await together([
      intoOutlook.push(
        room,
        others.filter(({ action }) => action.do !== 'decline'),
        signal,
      ),
      together(
        others
          .filter(({ action }) => action.do === 'decline')
          .map((decision) => intoOutlook.decline(room, decision, signal)),
      ),
      intoBooking.change(room, forBooking),
    ]);
    const exchanged = await intoBooking.exchange(room, changed.taken, { batch, context }, signal);
    return [cancelled, pushed, changed.results, ...declined, exchanged];
  }

  async function settle(
    room: LeasedRoom,
    items: readonly WorkItem[],
    decided: readonly Decision[],
    came: ItemResults,
  ): Promise<Applied> {
    const { settlements, done, answered, creates, failures } = came;
    const { results, written } =
      settlements.length === 0 ? { results: [], written: null } : await settleAll(room, settlements);
    options.sentMemory?.settled(results);
    await repairs.noticed(items, results, done);
    // a missing date of a series may have another id now: the series is read before the next decision
    const missing = results.filter(({ news }) => news === 'missing').map(({ id }) => id);
    const isOfSeries = missing.length > 0 && isFollowed(room) && (await hintSeries(db, room, missing));
    const answer = isOfSeries && written !== null ? { ...written, pulls: true } : written;
    return {
      settled: results,
      done,
      written: answer,
      answered,
      creates,
      decided,
      ...worst(failures, room),
    };
  }
}

/** What is done about a missing event. Its report is waited for, and until then the event may have another id. */
const aboutLoss: readonly Action['do'][] = ['create', 'cancel-booking', 'ask'];

const isUnreportedLoss = ({ mapped, seen, action }: Decision): boolean =>
  seen === 'absent' &&
  aboutLoss.includes(action.do) &&
  mapped.eventId !== null &&
  (mapped.news === null || mapped.news === 'look');

/**
 * Removals are stored before they are sent, which raises the revision: if the daemon ends in between, they are not taken for a
 * user's. One whose mapping has changed meanwhile is left out, and stays due.
 */
async function withNotedRemovals(
  db: Queryable,
  room: LeasedRoom,
  decisions: readonly Decision[],
): Promise<readonly Decision[]> {
  const removals = decisions.filter(isRemoval).map(({ mapped }) => mapped);
  if (removals.length === 0) return decisions;
  const ids = await noteRemovals(db, room, removals);
  return decisions.flatMap((decision) => {
    const { mapped } = decision;
    if (!isRemoval(decision)) return [decision];
    const intent = mapped.status === 'cancelled' ? 'remove_again' : 'remove';
    const now = { ...mapped, revision: mapped.revision + 1, intent } as const;
    return ids.has(mapped.id) ? [{ ...decision, mapped: now }] : [];
  });
}

/**
 * States are stored before they are sent, so that Outlook showing one of them is not taken for an edit of a person. The fold has stored
 * nearly all of them already. One whose mapping has changed meanwhile is left out, and stays due.
 */
async function withStoredStates(
  { db, sentMemory }: Pick<ApplyOptions, 'db' | 'sentMemory'>,
  room: LeasedRoom,
  decisions: readonly Decision[],
): Promise<readonly Decision[]> {
  const sending = decisions.flatMap((decision) => sentBy(decision) ?? []);
  if (sending.length === 0) return decisions;
  sentMemory?.sending(room, sending);
  const isNew = (decision: Decision) => sentBy(decision) !== null && decision.mapped.recorded !== true;
  const unstored = decisions.filter(isNew);
  if (unstored.length === 0) return decisions;
  const ids = await storeSending(
    db,
    room,
    unstored.map((decision) => ({ ...sentBy(decision)!, revision: decision.mapped.revision })),
  );
  return decisions.flatMap((decision) => {
    const { mapped } = decision;
    if (!isNew(decision)) return [decision];
    const now = { ...mapped, revision: mapped.revision + 1, recorded: true };
    return ids.has(mapped.id) ? [{ ...decision, mapped: now }] : [];
  });
}

/** The state that a create or a change sends to Outlook; null: none. */
function sentBy(decision: Decision): Sent | null {
  const { action, mapped } = decision;
  const { id, reservation, booking: state } = mapped;
  if (state === null) return null;
  if (action.do === 'create') return { id, reservation, eventId: null, state };
  const eventId = eventOf(decision);
  const sends = action.do === 'change' && !isForBooking(decision) && Object.keys(action.change).length > 0;
  return sends && eventId !== null ? { id, reservation, eventId, state } : null;
}

const isRemoval = ({ action }: Decision) => action.do === 'remove' || action.do === 'decline';

/** For the booking system; a detached meeting is settled with those. */
const isForBooking = ({ action }: Decision) =>
  action.do === 'cancel-booking' ||
  action.do === 'detach' ||
  (action.do === 'change' && Object.keys(action.toBooking).length > 0);
