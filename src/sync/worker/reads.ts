/**
 * What a drain reads in Outlook: whose room it is, the whole calendar or what changed in it, and whether what is reported as
 * removed is gone. What keeps it from reading ends the drain only where nothing may be written without.
 */
import type { Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import { isPassing, isRefusal, restFor, type Drained } from '../apply/rest.ts';
import type { Troubles } from '../apply/troubles.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { createAddresses } from '../pull/addresses.ts';
import { RoomHeld, type ClaimCheck } from '../pull/claim-check.ts';
import type { PulledRound } from '../pull/delta-round.ts';
import type { FullScan } from '../pull/full-scan.ts';
import type { Hinted } from '../pull/hinted-read.ts';
import { failingAs } from '../store/failing.ts';
import { pullAgain, pullNothing, readRequested, scanIn } from '../store/pull-store.ts';
import { isFollowed, type Hint, type LeasedRoom, type Window } from '../store/work-list.ts';
import { createVerifyMissing } from './verify-missing.ts';

export interface ReadsOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly claims: ClaimCheck;
  readonly troubles: Troubles;
  readonly fullScan: FullScan;
  readonly pull: (room: LeasedRoom, signal: AbortSignal) => Promise<PulledRound>;
  readonly readHinted: (room: LeasedRoom, hints: readonly Hint[], signal: AbortSignal) => Promise<Hinted>;
  readonly window: Window;
  readonly tell: Tell;
  readonly random: () => number;
}

/** What somebody asked for. */
interface Requested {
  /** A round of changes. */
  readonly pulls: boolean;
  readonly hints: readonly Hint[];
}

/** How a drain ends because it could not read; null: it goes on. */
type Ended = Drained | null;

const requested = failingAs('read what was asked for', readRequested);
const askAgain = failingAs('ask again later', pullAgain);
const scanAgain = failingAs('ask again later', scanIn);

export type Reads = ReturnType<typeof createReads>;

export function createReads(options: ReadsOptions) {
  const { db, outlook, claims, troubles, fullScan, pull, readHinted, tell, random } = options;
  const { addressed, readdressed } = createAddresses({ db, outlook });
  const verifyMissing = createVerifyMissing(options);
  /** Rooms that were asked for changes since this daemon began. */
  const listened = new Set<number>();

  /** Which mailbox it is, and whether it is ours. Nothing is read or written before that is known. */
  async function whose(
    leased: LeasedRoom,
    signal: AbortSignal,
  ): Promise<{ readonly room: LeasedRoom; readonly ended: Ended }> {
    const room = leased.baselined ? leased : await addressed(leased, signal);
    // a full scan reads the claim by itself
    if (!room.baselined || claims.isConfirmed(room)) return { room, ended: null };
    let isLost = false;
    const read = async () => {
      isLost = (await claims.check(room, signal)) === 'lost';
    };
    const ended = await attempt(room, read, 'needed');
    return { room: isLost ? { ...room, baselined: false } : room, ended };
  }

  /**
   * What is read before anything is written: what people did in Outlook while nobody listened is heard before the bookings speak.
   * Returns the room as it is known afterwards; `isNews`: something may have been written down of it.
   */
  async function first(
    room: LeasedRoom,
    leased: LeasedRoom,
    signal: AbortSignal,
  ): Promise<{
    readonly room: LeasedRoom;
    readonly ended: Ended;
    readonly isNews: boolean;
    readonly answered: boolean;
  }> {
    // what failed a moment ago is tried again in its own time
    const scansLater =
      !room.baselined &&
      !leased.pulls &&
      leased.attempt > 0 &&
      troubles.is(room.id, 'reads') &&
      claims.isConfirmed(room);
    const isHeard = room.baselined && isFollowed(room);
    const pulls = room.baselined && (room.pulls || (isHeard && !listened.has(room.id)));
    const hints = isHeard ? room.hints : [];
    const answered = pulls || (!leased.baselined && !scansLater);
    let isNews = !room.baselined || room.missing;
    if (scansLater || !(isNews || pulls || hints.length > 0)) return { room, ended: null, isNews, answered };
    let now = room;
    const ended = await attempt(room, async () => {
      if (!room.baselined) {
        // after a crash the cursor is as good as before, and the list finds the rest
        await fullScan(room, room.abandoned ? 'kept' : 'new', signal);
        now = { ...room, baselined: true };
      }
      // a round that brought nothing, which most are, leaves what is known of the room as it was
      else if ((await changes(room, { pulls, hints }, signal)) > 0) isNews = true;
      if (isNews) await verifyMissing(now, signal);
    });
    if (ended === null && !troubles.is(room.id, 'reads')) listened.add(room.id);
    return { room: now, ended, isNews, answered };
  }

  /** What was asked for since: a notification does not wait behind a backfill. `isNews`: something was. */
  async function since(
    room: LeasedRoom,
    signal: AbortSignal,
  ): Promise<{ readonly ended: Ended; readonly isNews: boolean }> {
    const asked = await requested(db, room);
    if (!asked.pulls && asked.hints.length === 0) return { ended: null, isNews: false };
    const ended = await attempt(room, async () => {
      if ((await changes(room, asked, signal)) > 0) await verifyMissing(room, signal);
    });
    return { ended, isNews: true };
  }

  /**
   * Reads from Outlook; what keeps us from it, nothing is taken for gone. A mailbox that answers and cannot be read for now is read
   * in its own time, since writes need no reading (`needed`: this one they do) once it is known whose room it is. A failure of the
   * database is none of ours and comes as the driver throws it.
   */
  async function attempt(
    room: LeasedRoom,
    read: () => Promise<void>,
    wanted: 'needed' | 'wanted' = 'wanted',
  ): Promise<Ended> {
    try {
      await read();
      troubles.over(room.id, 'reads');
      return null;
    } catch (error) {
      if (error instanceof RoomHeld) return { rest: error.rest, outage: null, answered: true };
      if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
      const goesOn = isPassing(error) || (wanted === 'wanted' && isRefusal(error));
      if (goesOn && (room.baselined || (wanted === 'wanted' && claims.isConfirmed(room)))) {
        const inMs = troubles.again(room.id, 'reads', error);
        await (room.baselined ? askAgain(db, room, inMs, 0) : scanAgain(db, room, inMs));
        return null;
      }
      return error.reach === 'side'
        ? { rest: null, outage: error, answered: false }
        : { rest: restFor(error, room.attempt, random), outage: null, answered: false };
    }
  }

  /** Reads the hinted events, and asks for changes if that is due or the hints are too many. Returns how many rows it read. */
  async function changes(
    room: LeasedRoom,
    { pulls, hints }: Requested,
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
      if (!isFollowed(room)) return (await pullNothing(db, room)) ? await fullScan(room, 'kept', signal) : 0;
      const { next, rows } = await pull(room, signal);
      const listed = next === 'done' ? 0 : await fullScan(room, next === 'compare' ? 'kept' : 'new', signal);
      const about = { room: room.name, resourceId: room.resourceId };
      tell({ ...about, fact: 'room-pulled', rows, ms: performance.now() - startedAt });
      return rows + listed;
    } catch (error) {
      // the first failure says why
      if (!signal.aborted && !isPassing(error)) await pullAgain(db, room, 0, 0).catch(() => undefined);
      throw error;
    }
  }

  return { whose, readdressed, first, since, doubt: claims.doubt };
}

const nothingHinted: Hinted = { rows: 0, tooMany: false };
