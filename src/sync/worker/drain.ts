/**
 * The drain of one room under its lease: compare it with both sides if that is due, ask Outlook for changes, verify what
 * is reported as removed, then bring what is due to where both sides agree until nothing is. Everything it writes down is
 * fenced by the lease's epoch, so a drain that lost its lease does no harm.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Queryable } from '../../database.ts';
import { databaseFailure } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { OutlookEvent } from '../../event.ts';
import type { Tell } from '../../facts.ts';
import type { Applied } from '../apply/apply.ts';
import { createAddresses } from '../pull/addresses.ts';
import { RoomHeld, type createClaimCheck } from '../pull/claim-check.ts';
import { compare, firstDeltaRound } from '../pull/full-scan.ts';
import { createDebounce } from './debounce.ts';
import {
  dueMappings,
  reconcileRoom,
  replaceMailbox,
  type Hint,
  type LeasedRoom,
  type Rest,
  type Window,
} from '../store/work-list.ts';
import {
  listWindow,
  mappingsOf,
  pullAgain,
  readRequested,
  pullNothing,
  readCursor,
  scanIn,
  rememberedOf,
  type RoomMapping,
  type Span,
} from '../store/pull-store.ts';
import { finishBaseline } from '../store/observed.ts';
import { putOffCreates, type Written } from '../store/settle.ts';
import { isMapped, isUnmapped, type WorkItem } from '../store/work-item.ts';
import type { Hinted } from '../pull/hinted-read.ts';
import { pollAfter, type PulledRound } from '../pull/delta-round.ts';
import { isPassing, isRefusal, restFor } from '../apply/rest.ts';
import type { Troubles } from '../apply/troubles.ts';
import { createTellSettled } from './tell-settled.ts';
import { createVerifyMissing } from './verify-missing.ts';
import type { OutlookSide } from '../outlook-side.ts';

/** Due mappings read at a time. Small enough that a booking made now waits for a part of a second behind a backfill. */
export const itemsAtATime = 12;

/** A room whose holder vanished is asked for changes again within this time. */
const abandonedMs = 10_000;

/** What waits for a full scan that fails is asked about again after this time. */
const unscannedMs = 5_000;

const nothingHinted: Hinted = { rows: 0, tooMany: false };

/** Why a drain ended: nothing is due, the room must rest, or the other side as a whole is out of reach. */
export interface Drained {
  readonly rest: Rest | null;
  readonly outage: Retryable | Permanent | null;
  /** Graph answered during this drain. */
  readonly answered: boolean;
}

export interface DrainOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly troubles: Troubles;
  readonly apply: (room: LeasedRoom, items: readonly WorkItem[], signal: AbortSignal) => Promise<Applied>;
  readonly pull: (room: LeasedRoom, signal: AbortSignal) => Promise<PulledRound>;
  readonly readHinted: (room: LeasedRoom, hints: readonly Hint[], signal: AbortSignal) => Promise<Hinted>;
  readonly claims: ReturnType<typeof createClaimCheck>;
  readonly debounce?: typeof createDebounce;
  /** Due mappings read at a time. */
  readonly atATime?: number;
  readonly window: Window;
  /** Between two polls of a room. */
  readonly pollMs: number;
  readonly tell: Tell;
  readonly random?: () => number;
}

export function createDrain(options: DrainOptions) {
  const {
    db,
    outlook,
    troubles,
    apply,
    pull,
    readHinted,
    claims,
    debounce = createDebounce,
    atATime = itemsAtATime,
    window,
    pollMs,
    tell,
    random = Math.random,
  } = options;
  const tells = createTellSettled(tell);
  const verifyMissing = createVerifyMissing({ db, outlook, window, tell });
  const { addressed, readdressed } = createAddresses({ db, outlook });
  /** Rooms that were asked for changes since this daemon began. */
  const listened = new Set<number>();
  /** Rooms whose claim was read since this daemon began, or since the database was out of its sight. */
  const claimed = new Set<number>();

  /** `signal` cuts it off; at `stopping` the round under way is ended and written down first. */
  async function drain(room: LeasedRoom, signal: AbortSignal, stopping: AbortSignal): Promise<Drained> {
    const drained = await drainOnce(room, signal, stopping);
    if (drained.rest?.unknownMailbox !== true || !(await readdressed(room, signal))) return drained;
    // it is due at once, and compared first
    return { ...drained, rest: null };
  }

  async function drainOnce(leased: LeasedRoom, signal: AbortSignal, stopping: AbortSignal): Promise<Drained> {
    let room = leased.baselined ? leased : await addressed(leased, signal);
    if (room.baselined && !claimed.has(room.id)) {
      const stopped = await reading(
        room,
        async () => {
          if ((await claims.check(room, signal)) === 'lost') room = { ...room, baselined: false };
          else claimed.add(room.id);
        },
        'needed',
      );
      if (stopped !== null) return stopped;
    }
    // what failed a moment ago is tried again in its own time
    const scansLater =
      !room.baselined &&
      !leased.pulls &&
      leased.attempt > 0 &&
      troubles.is(room.id, 'reads') &&
      claimed.has(room.id);
    if (!room.reconciled || (!room.baselined && !room.abandoned)) await reconcile(room);
    // what people did in Outlook while nobody listened is heard before the bookings speak
    const pulls = room.baselined && (room.pulls || (follows(room) && !listened.has(room.id)));
    const hints = room.baselined && follows(room) ? room.hints : [];
    let hasRead = !room.baselined || room.missing;
    if (!scansLater && (hasRead || pulls || hints.length > 0)) {
      const stopped = await reading(room, async () => {
        // after a crash the cursor is as good as before, and the list finds the rest
        if (!room.baselined) {
          await baseline(room, signal, room.abandoned ? 'kept' : 'new');
          room = { ...room, baselined: true };
        }
        // a round that brought nothing, which most are, leaves what is known of the room as it was
        else if ((await read(room, { pulls, hints }, signal)) > 0) hasRead = true;
        if (hasRead) await verifyMissing(room, signal);
      });
      if (stopped !== null) return stopped;
      if (!troubles.is(room.id, 'reads')) listened.add(room.id);
      if (!leased.baselined && room.baselined)
        await asked('take up creates', putOffCreates(db, room, { held: [], inMs: null }));
    }
    let answered = pulls || (!leased.baselined && !scansLater);

    const debounced = debounce();
    let due = room.baselined && leased.reconciled && !hasRead ? room.due : await readDue(room);
    // bounded by what is due: each round settles its rows, and a row that stays due at once is counted in `attempt`
    while (due.length > 0 && !stopping.aborted) {
      signal.throwIfAborted();
      if (!room.baselined) due = await withoutHeld(room, due);
      // what was removed, moved or called off makes room first
      const mapped = debounced.choose(due.filter(isMapped));
      const now = mapped.length > 0 ? mapped : debounced.choose(due.filter(isUnmapped));
      let next: Written | null = null;
      if (now.length > 0) {
        const applied = await apply(room, now, signal);
        told(room, now, applied);
        next = applied.written;
        answered ||= applied.answered;
        if (applied.creates !== null) {
          await asked('put off creates', putOffCreates(db, room, applied.creates));
          next = null;
        }
        if (applied.outage !== null || applied.rest !== null) return { ...applied, answered };
      } else
        await pause(debounced.waitMs(), undefined, { signal: AbortSignal.any([signal, stopping]) }).catch(
          () => undefined,
        );
      // a notification does not wait behind a backfill
      if (room.baselined && follows(room) && next?.pulls !== false) {
        const requested = await asked('read what was asked for', readRequested(db, room));
        const again =
          requested.pulls || requested.hints.length > 0
            ? await reading(room, async () => {
                if ((await read(room, requested, signal)) > 0) await verifyMissing(room, signal);
              })
            : null;
        if (again !== null) return again;
        if (requested.pulls || requested.hints.length > 0) next = null;
      }
      due = next?.more === false ? [] : await readDue(room);
    }
    return { rest: troubles.of(room.id), outage: null, answered };
  }

  /**
   * Of these rows those that need no full scan: changes and removals of events whose ids are known. What would be made could be
   * there already, and is put off.
   */
  async function withoutHeld(room: LeasedRoom, due: readonly WorkItem[]): Promise<readonly WorkItem[]> {
    const isKnown = (one: WorkItem) => isMapped(one) && one.eventId !== null && one.status !== 'cancelled';
    const held = due.filter((row) => !isKnown(row)).map(({ id }) => id);
    if (held.length > 0) await asked('put off creates', putOffCreates(db, room, { held, inMs: unscannedMs }));
    return due.filter(isKnown);
  }

  /** Whether Outlook is listened to in this room. */
  const follows = (room: LeasedRoom) => room.direction !== 'booking_to_outlook';

  /**
   * Reads from Outlook; what keeps us from it, nothing is taken for gone. Returns how the drain ends, or null: it goes on, also
   * where a mailbox that answers cannot be read for now, since writes need no reading (`needed`: this one they do) once it is
   * known whose room it is. A failure of the database is none of ours and comes as the driver throws it.
   */
  async function reading(
    room: LeasedRoom,
    read: () => Promise<void>,
    wanted: 'needed' | 'wanted' = 'wanted',
  ): Promise<Drained | null> {
    try {
      await read();
      troubles.over(room.id, 'reads');
      return null;
    } catch (error) {
      if (error instanceof RoomHeld) return { rest: error.rest, outage: null, answered: true };
      if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
      const goesOn = isPassing(error) || (wanted === 'wanted' && isRefusal(error));
      if (goesOn && (room.baselined || (wanted === 'wanted' && claimed.has(room.id)))) {
        await readAgain(room, error);
        return null;
      }
      return error.reach === 'side'
        ? { rest: null, outage: error, answered: false }
        : { rest: restFor(error, room.attempt, random), outage: null, answered: false };
    }
  }

  /** What could not be read is asked for again, in its own time. */
  async function readAgain(room: LeasedRoom, error: Retryable | Permanent): Promise<void> {
    const inMs = troubles.again(room.id, 'reads', error);
    await asked('ask again later', room.baselined ? pullAgain(db, room, inMs, 0) : scanIn(db, room, inMs));
  }

  /** Whether the mailbox does not know where its rounds of changes were to go on: then it may have been made anew. */
  async function hasForgotten(room: LeasedRoom, signal: AbortSignal): Promise<boolean> {
    const { links } = await readCursor(db, room);
    if (links === null || links.length === 0) return false;
    for await (const answer of outlook.delta(room, { link: links[0]! }, signal))
      return (
        answer.answer === 'lost' || (answer.answer === 'refused' && answer.error.refusedFor === 'mailbox')
      );
    return false;
  }

  const readDue = (room: LeasedRoom) =>
    asked('read what is due', dueMappings(db, room.resourceId, atATime, window));

  async function reconcile(room: LeasedRoom): Promise<void> {
    const found = await asked('reconcile a room', reconcileRoom(db, room, window));
    if (found.added + found.changed + found.gone > 0)
      tell({ fact: 'room-reconciled', room: room.name, resourceId: room.resourceId, ...found });
  }

  /** Reads the hinted events, and asks for changes if that is due or the hints are too many. Returns how many rows it read. */
  async function read(
    room: LeasedRoom,
    { pulls, hints }: { readonly pulls: boolean; readonly hints: readonly Hint[] },
    signal: AbortSignal,
  ): Promise<number> {
    const hinted = hints.length === 0 ? nothingHinted : await readHinted(room, hints, signal);
    return hinted.rows + (pulls || hinted.tooMany ? await pulled(room, signal) : 0);
  }

  /**
   * Asks Outlook for changes. Returns how many rows it read, the whole calendar included if that was due. Should it fail, the
   * round is asked for again when the room is next worked on.
   */
  async function pulled(room: LeasedRoom, signal: AbortSignal): Promise<number> {
    const startedAt = performance.now();
    try {
      if (!follows(room)) {
        return (await pullNothing(db, room)) ? await baseline(room, signal, 'kept') : 0;
      }
      const { next, rows } = await pull(room, signal);
      const listed = next === 'done' ? 0 : await baseline(room, signal, next === 'compare' ? 'kept' : 'new');
      const about = { room: room.name, resourceId: room.resourceId };
      tell({ ...about, fact: 'room-pulled', rows, ms: performance.now() - startedAt });
      return rows + listed;
    } catch (error) {
      // the first failure says why
      if (!signal.aborted && !isPassing(error)) await pullAgain(db, room, 0, 0).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Compares the room's whole window in Outlook with its mappings, so that after a lost mapping table, a lost answer, a lost
   * cursor or the predecessor nothing is made twice and nothing is missed. Returns how many rows there were on either side.
   */
  async function baseline(room: LeasedRoom, signal: AbortSignal, cursor: 'kept' | 'new'): Promise<number> {
    const started = performance.now();
    const noticedAt = new Date();
    claimed.delete(room.id);
    const standing = await claims.check(room, signal);
    if (standing !== 'lost') claimed.add(room.id);
    const span = await listWindow(db, window);
    // before the list: whatever changes from here on is in the next round
    const links = follows(room)
      ? await begins(room, span, standing === 'lost' ? 'new' : cursor, signal)
      : null;
    const events: OutlookEvent[] = [];
    for await (const page of outlook.list(room, span.from, span.to, signal)) events.push(...page);
    const remembered = await rememberedOf(db, room, events);
    const mappings = await mappingsOf(db, room.resourceId);
    const scan = (known: readonly RoomMapping[]) =>
      compare(known, events, span, follows(room), (item) => outlook.show(item), remembered);
    let found = scan(mappings);
    const isAnother =
      found.showsNothing &&
      (standing === 'lost' ||
        // a claim that is there still tells that somebody emptied the calendar
        (standing !== 'ours' && cursor === 'new' && follows(room) && (await hasForgotten(room, signal))));
    if (isAnother) {
      // a mailbox that was made anew: nothing was deleted, and everything is shown again
      const objectId = room.mailbox === room.outlookItemId ? null : room.mailbox;
      await replaceMailbox(db, room, objectId, true);
      found = scan(await mappingsOf(db, room.resourceId));
    }
    const poll = follows(room) ? pollAfter(pollMs, random) : null;
    // many rooms start together: their first polls are spread over the whole interval. What the last holder of an abandoned
    // room was told of may not show in a list yet, and nobody else asks for it again
    const most = room.abandoned && poll !== null ? Math.min(poll, abandonedMs) : poll;
    const pollIn = most === null ? null : most * (room.baselined ? 1 : random());
    const refused = await finishBaseline(db, room, {
      ...found,
      noticedAt,
      links,
      window: span,
      pollMs: pollIn,
    });
    for (const error of refused) tell({ fact: 'bug', error, where: `the comparison of ${room.name}` });
    await claims.raise(room, standing, signal);
    claimed.add(room.id);
    tell({
      fact: 'room-baselined',
      room: room.name,
      resourceId: room.resourceId,
      events: events.length,
      adopted: found.attachments.length,
      ms: performance.now() - started,
    });
    return events.length + mappings.length;
  }

  /** Where the next rounds of changes begin. */
  async function begins(
    room: LeasedRoom,
    span: Span,
    cursor: 'kept' | 'new',
    signal: AbortSignal,
  ): Promise<readonly string[] | null> {
    const known = cursor === 'kept' ? await readCursor(db, room) : null;
    if (known !== null && known.links !== null && known.from === span.from) return known.links;
    return await firstDeltaRound(outlook, room, span, signal);
  }

  function told(room: LeasedRoom, items: readonly WorkItem[], { settled, done, written }: Applied): void {
    const rows = new Map(items.map((item) => [item.id, item]));
    for (const one of settled)
      tells.result(room, rows.get(one.id)!, one, written?.latency.get(one.id) ?? null);
    for (const one of done) tells.done(room, one);
  }

  /** The database was out of sight: who knows what it was set back to. Each room's claim is read again at its next work. */
  const doubt = () => claimed.clear();

  return { drain, doubt };
}

/** A query's result, or its failure as one of our kinds. */
async function asked<T>(what: string, query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw databaseFailure(error, what);
  }
}
