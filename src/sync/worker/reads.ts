/**
 * The reads of a drain in Outlook: the claim of the room, its calendar or the changes in it, and the verification of removals. A read
 * that fails ends the drain only if nothing may be written without it.
 */
import { LRUCache } from 'lru-cache';
import type { Queryable } from '../../database.ts';
import { isExpected } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import { isPassing, isRefusal, restFor, type Drained } from '../apply/rest.ts';
import type { Troubles } from '../apply/troubles.ts';
import type { FreshReads } from '../fresh-reads.ts';
import type { OwnWrites } from '../own-writes.ts';
import { createAddresses } from '../pull/addresses.ts';
import { RoomHeld, createClaimCheck, type ClaimCheck } from '../pull/claim-check.ts';
import { deltaRound } from '../pull/delta-round.ts';
import { fullScan } from '../pull/full-scan.ts';
import { answerOwnWrites, readHinted } from '../pull/hinted-read.ts';
import type { PullContext } from '../pull/observe.ts';
import { createSpacing } from '../pull/poll-spacing.ts';
import { failingAs } from '../store/failing.ts';
import { fewHints } from '../hint-limits.ts';
import { hintsLater, readRequested } from '../store/hints.ts';
import { pullAgain, pullNothing, scanIn } from '../store/rounds.ts';
import { isFollowed, type Hint, type LeasedRoom, type Window } from '../store/work-list.ts';
import { verifyMissing } from './verify-missing.ts';

export interface ReadsOptions {
  readonly db: Queryable;
  readonly outlook: FreshReads;
  readonly ownWrites: OwnWrites;
  readonly window: Window;
  /** Namespace of the idempotency keys. */
  readonly installationId: () => string;
  readonly pollMs: number;
  readonly unsubscribedMs: number;
  readonly troubles: Troubles;
  /** See createClaimCheck. */
  readonly isPlan: boolean;
  readonly tell: Tell;
}

/** Maximum number of rooms whose last delta round is remembered. */
const roomsMost = 10_000;

/** Requested reads: a delta round, hinted events. */
interface Requested {
  readonly pulls: boolean;
  readonly hints: readonly Hint[];
}

/** The result of reads of changes. */
interface Changed {
  /** The number of rows. */
  readonly rows: number;
  /** A full scan that was part of them has to be repeated: see `FullScanned`. */
  readonly again: boolean;
}

/** The end of a drain that cannot read; null: it continues. */
type Ended = Drained | null;

/** The room after the reads before the first write; `isNews`: something may have been stored. */
export interface FirstRead {
  readonly room: LeasedRoom;
  readonly ended: Ended;
  readonly isNews: boolean;
  readonly answered: boolean;
}

const findRequested = failingAs('read the requests', readRequested);
const pullLater = failingAs('request a delta round', pullAgain);
const scanLater = failingAs('request a full scan', scanIn);
const readHintsLater = failingAs('put off the hints of a room', hintsLater);

/** The delay of hints after a failure: otherwise they would be read again at once, in an outage before all other rooms. */
const hintsFailedMs = 1_000;

export type Reads = ReturnType<typeof createReads>;

export function createReads(options: ReadsOptions) {
  const { db, troubles } = options;
  const claims = createClaimCheck(options);
  const attempt = createAttempt(options, claims);
  const context: PullContext = { ...options, claims, spacing: createSpacing(db) };
  const { addressed, readdressed } = createAddresses(options);
  /** Rooms with a delta round since the start of this daemon. */
  const pulledOnce = new Set<number>();
  /** By room: the newest hint before its last delta round for many hints. */
  const newestAsked = new LRUCache<number, number>({ max: roomsMost });

  /** Resolves the mailbox and checks that the room is ours, which is required for everything else. */
  async function identify(
    leased: LeasedRoom,
    signal: AbortSignal,
  ): Promise<{ readonly room: LeasedRoom; readonly ended: Ended }> {
    const room = leased.baselined ? leased : await addressed(leased, signal);
    // a full scan reads the claim itself
    if (!room.baselined || claims.isConfirmed(room)) return { room, ended: null };
    let isLost = false;
    const read = async () => {
      isLost = (await claims.check(room, signal)) === 'lost';
    };
    const ended = await attempt(room, read, true);
    return { room: isLost ? { ...room, baselined: false } : room, ended };
  }

  /** Whether nothing has to be read before the first write: `identify` and `first` would do nothing. */
  const isCurrent = (room: LeasedRoom): boolean =>
    room.baselined &&
    !room.missing &&
    claims.isConfirmed(room) &&
    !isRequested(changesToRead(room, pulledOnce));

  /** The reads before the first write, so that edits in Outlook during a downtime are known before bookings are sent. */
  async function first(room: LeasedRoom, leased: LeasedRoom, signal: AbortSignal): Promise<FirstRead> {
    // a full scan that failed a moment ago has its own back-off
    const scansLater =
      !room.baselined &&
      !leased.pulls &&
      leased.attempt > 0 &&
      troubles.is(room.id, 'reads') &&
      claims.isConfirmed(room);
    const changes = changesToRead(room, pulledOnce);
    const answered = changes.pulls || (!leased.baselined && !scansLater);
    let isNews = !room.baselined || room.missing;
    if (scansLater || !(isNews || isRequested(changes))) return { room, ended: null, isNews, answered };
    let now = room;
    const ended = await attempt(room, async () => {
      if (!room.baselined) {
        // the cursor survives a crash, and the listing finds the rest
        const { again } = await fullScan(context, room, room.abandoned ? 'kept' : 'new', signal);
        now = { ...room, baselined: !again };
      }
      // most rounds bring nothing, and the room's due items stay valid
      else {
        const changed = await readChanges(room, changes, signal);
        if (changed.rows > 0) isNews = true;
        now = { ...room, baselined: !changed.again };
      }
      if (isNews) await verifyMissing(context, now, signal);
    });
    if (ended === null && !troubles.is(room.id, 'reads')) pulledOnce.add(room.id);
    return { room: now, ended, isNews, answered };
  }

  /** The reads requested since: a notification does not wait behind a backfill. `isNews`: there was a request. */
  async function since(room: LeasedRoom, signal: AbortSignal): Promise<Omit<FirstRead, 'answered'>> {
    const requested = await findRequested(db, room);
    if (!isRequested(requested)) return { room, ended: null, isNews: false };
    let now = room;
    const ended = await attempt(room, async () => {
      const { rows, again } = await readChanges(room, requested, signal);
      now = { ...room, baselined: !again };
      if (rows > 0) await verifyMissing(context, now, signal);
    });
    return { room: now, ended, isNews: true };
  }

  /** Reads the hinted events, and a delta round if requested. After a failure the hints remain. */
  async function readChanges(room: LeasedRoom, changes: Requested, signal: AbortSignal): Promise<Changed> {
    let { pulls } = changes;
    let pulled = nothingChanged;
    try {
      let hints = await answerOwnWrites(context, room, changes.hints);
      if (asksFirst(room, hints)) {
        pulled = await pull(context, room, signal);
        pulls = false;
        hints = await answerOwnWrites(context, room, (await findRequested(db, room)).hints);
      }
      const hinted = hints.length > 0 ? await readHinted(context, room, hints, signal) : 0;
      if (pulls) pulled = await pull(context, room, signal);
      return { ...pulled, rows: pulled.rows + hinted };
    } catch (error) {
      if (isExpected(error)) await readHintsLater(db, room, hintsFailedMs);
      throw error;
    }
  }

  /** A delta round answers many hints with few calls, unless it lags behind or fails. It is not repeated for the same hints. */
  function asksFirst(room: LeasedRoom, hints: readonly Hint[]): boolean {
    if (hints.length <= fewHints) return false;
    const newest = Math.max(...hints.map(({ hintedAt }) => Date.parse(hintedAt)));
    if (newest <= (newestAsked.get(room.id) ?? 0)) return false;
    newestAsked.set(room.id, newest);
    return true;
  }

  return { identify, isCurrent, readdressed, first, since, doubt: claims.doubt };
}

/**
 * Runs a read. After a failure nothing is taken for removed. In a mailbox that answers, a failed read is repeated later and the drain
 * continues, because writes do not depend on it, unless it is `required` or the room is not known to be ours. Errors of the database
 * are thrown as the driver throws them.
 */
function createAttempt({ db, troubles }: ReadsOptions, claims: ClaimCheck) {
  return async function attempt(
    room: LeasedRoom,
    read: () => Promise<void>,
    required = false,
  ): Promise<Ended> {
    try {
      await read();
      troubles.over(room.id, 'reads');
      return null;
    } catch (error) {
      if (error instanceof RoomHeld) return { rest: error.rest, outage: null, answered: true };
      if (!isExpected(error)) throw error;
      const continues = isPassing(error) || (!required && isRefusal(error));
      if (continues && (room.baselined || (!required && claims.isConfirmed(room)))) {
        const inMs = troubles.again(room.id, 'reads', error);
        await (room.baselined ? pullLater(db, room, inMs, 0) : scanLater(db, room, inMs));
        await readHintsLater(db, room, inMs);
        return null;
      }
      return error.reach === 'side'
        ? { rest: null, outage: error, answered: false }
        : { rest: restFor(error, room.attempt), outage: null, answered: false };
    }
  };
}

const nothingChanged: Changed = { rows: 0, again: false };

const isRequested = ({ pulls, hints }: Requested): boolean => pulls || hints.length > 0;

/** The reads of changes in a leased room; before its full scan there are none. */
function changesToRead(room: LeasedRoom, pulledOnce: ReadonlySet<number>): Requested {
  if (!room.baselined) return { pulls: false, hints: [] };
  // hints in a room that is not followed any more are dropped with the other requests
  if (!isFollowed(room)) return { pulls: room.pulls || room.hints.length > 0, hints: [] };
  return { pulls: room.pulls || !pulledOnce.has(room.id), hints: room.hints };
}

/** A delta round, and the full scan that it asks for. A failed round is requested again. */
async function pull(context: PullContext, room: LeasedRoom, signal: AbortSignal): Promise<Changed> {
  const { db, tell } = context;
  const startedAt = performance.now();
  try {
    if (!isFollowed(room))
      return (await pullNothing(db, room)) ? await fullScan(context, room, 'kept', signal) : nothingChanged;
    const { rows, scan } = await deltaRound(context, room, signal);
    const scanned = scan === null ? nothingChanged : await fullScan(context, room, scan, signal);
    const ms = performance.now() - startedAt;
    tell({ fact: 'room-pulled', room: room.name, resourceId: room.resourceId, rows, ms });
    return { ...scanned, rows: rows + scanned.rows };
  } catch (error) {
    // the first error is the one to report
    if (!signal.aborted && !isPassing(error)) await pullAgain(db, room, 0, 0).catch(() => undefined);
    throw error;
  }
}
