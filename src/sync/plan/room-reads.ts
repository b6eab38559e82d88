/**
 * Rooms read together: under their leases, with what Outlook shows read beforehand, the sync is run in a transaction that is rolled
 * back (`dryRun`), again and again until nothing is missing for it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { databaseFailure, isContended, onConnection, type Database, type Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import { countRemovals } from '../apply/brake.ts';
import type { BrakeCount, BrakePolicy } from '../decide/brake.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { listWindow } from '../store/pull-store.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { underLease } from '../worker/lease.ts';
import { dryRun, GaveWay, type Run, type RunOptions } from './dry-run.ts';
import { eventsToRead, readOutbox } from './plan-store.ts';
import type { Read } from './plan-summary.ts';
import { createPreparedReads, Unread, type PreparedReads } from './prepared-reads.ts';
import { rolledBack } from './rolled-back.ts';

export interface RoomReadsOptions {
  readonly db: Database;
  readonly outlook: () => OutlookSide;
  readonly window: Window;
  readonly policy: RunOptions['policy'];
  readonly brake: BrakePolicy;
}

export const unknown = { error: null, hint: null, found: null, run: null, isOutage: false } as const;

/** So often a transaction begins again with what it turned out to need of Outlook ... */
const mostReads = 12;
/** ... and so often because somebody waited for it. */
const mostWaits = 5;
/** How long a daemon is given to fold what waits in the outbox: that often it is read, this far apart. */
const mostOutboxReads = 40;
const outboxMs = 50;

export function createRoomReads(options: RoomReadsOptions) {
  const { db, window } = options;
  /** One transaction at a time: two would wait for each other. */
  let last: Promise<unknown> = Promise.resolve();
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };

  /** Plans rooms together; one that cannot be planned is said to be so. */
  async function readRooms(
    rooms: readonly LeasedRoom[],
    unseen: BrakeCount,
    signal: AbortSignal,
  ): Promise<readonly Read[]> {
    const all = (read: Omit<Read, 'room'>) => rooms.map((room) => ({ room, ...read }));
    try {
      const run = await onConnection(db, (session) =>
        leased(session, rooms, signal, () => planRooms(session, rooms, unseen, signal)),
      );
      if (run === null)
        return all({ ...unknown, state: 'busy', error: 'A daemon works on this room.', hint: busyHint });
      return rooms.map((room) => readOf(room, run));
    } catch (error) {
      if (error instanceof GaveWay) return all({ ...unknown, state: 'busy', error: awaited, hint: busyHint });
      const failure = databaseFailure(error, 'plan a room');
      if (signal.aborted || !(failure instanceof Retryable || failure instanceof Permanent)) throw error;
      const { message, hint = null, reach } = failure;
      return all({ ...unknown, state: 'failed', error: message, hint, isOutage: reach === 'side' });
    }
  }

  /** Reads Outlook and runs the sync, again with what it turned out to need. */
  async function planRooms(
    session: Queryable,
    rooms: readonly LeasedRoom[],
    unseen: BrakeCount,
    signal: AbortSignal,
  ): Promise<Run> {
    const reads = createPreparedReads(options.outlook());
    for (const room of rooms) await prepare(session, room, reads, signal);
    const folds = await isLeftToFold(session, signal);
    const runOptions: RunOptions = { window, policy: options.policy, brake: options.brake, unseen, folds };
    return await giving(
      () => rolledBack(session, (tx) => dryRun(tx, reads, rooms, runOptions, signal)),
      () => reads.readUnread(signal),
      signal,
    );
  }

  /** Whether nobody else folds the outbox: a daemon would not see what this transaction takes from it. */
  async function isLeftToFold(session: Queryable, signal: AbortSignal): Promise<boolean> {
    for (let at = 0; at < mostOutboxReads; at += 1) {
      const { folds, waits } = await readOutbox(session);
      if (!folds || !waits) return !folds;
      await pause(outboxMs, undefined, { signal });
    }
    return false;
  }

  /** Runs a transaction until nothing is missing for it, and nobody waits for it. */
  async function giving<T>(
    run: () => Promise<T>,
    read: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<T> {
    let [reads, waits] = [0, 0];
    for (;;)
      try {
        return await alone(run);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Unread && (reads += 1) <= mostReads) await read();
        else if ((error instanceof GaveWay || isLocked(error)) && (waits += 1) <= mostWaits)
          await pause(50 * 2 ** waits, undefined, { signal });
        else throw isLocked(error) ? new GaveWay('somebody writes there') : error;
      }
  }

  /** Reads what a full scan reads, and events that it will probably ask for. */
  async function prepare(
    session: Queryable,
    leasedRoom: LeasedRoom,
    reads: PreparedReads,
    signal: AbortSignal,
  ): Promise<void> {
    const { outlookItemId: address } = leasedRoom;
    let room = leasedRoom;
    if (room.mailbox === address) {
      await reads.prepare([() => reads.resolved(address)], signal);
      const resolved = settledOr(() => reads.resolved(address));
      room = { ...room, mailbox: resolved ?? address };
    }
    const { from, to } = await listWindow(session, window);
    await reads.prepare([() => reads.claim(room), () => reads.list(room, from, to)], signal);
    const listed = settledOr(() => reads.list(room, from, to));
    if (listed === null) return;
    const ids = await eventsToRead(
      session,
      room,
      listed.map(({ id }) => id),
      window,
    );
    await reads.prepare(
      ids.map((id) => () => reads.event(room, id)),
      signal,
    );
  }

  /** What the brake counts now. */
  const countedNow = (room: LeasedRoom, signal: AbortSignal): Promise<BrakeCount> =>
    onConnection(db, (session) =>
      giving(
        () => rolledBack(session, async (tx) => (await countRemovals(tx, room.resourceId)).all),
        async () => undefined,
        signal,
      ),
    );

  return { readRooms, countedNow };
}

const awaited = 'Other sessions constantly write to rows that a sync of this room would write.';
const busyHint = 'Try again shortly: it is being synced now.';

const isLocked = (error: unknown): boolean =>
  isContended(error) || (error instanceof Error && isContended(error.cause));

/** Its answer; null: it failed. */
function settledOr<T>(answer: () => T): T | null {
  try {
    return answer();
  } catch {
    return null;
  }
}

/** Under the leases of all these rooms, in the order of their ids; null: a daemon keeps one of them. */
const leased = <T>(
  session: Queryable,
  rooms: readonly LeasedRoom[],
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | null> =>
  rooms
    .toSorted((a, b) => b.id - a.id)
    .reduce<() => Promise<T | null>>(
      (inner, room) => () => underLease(session, room.id, signal, inner),
      work,
    )();

function readOf(room: LeasedRoom, run: Run): Read {
  const found = run.rooms.get(room.id)!;
  if (found.stopped === null) return { room, ...unknown, state: 'planned', found, run };
  return { room, ...unknown, ...found.stopped, state: 'failed' };
}
