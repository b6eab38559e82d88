/**
 * Plans rooms together: under their leases, with prepared reads of Outlook, the sync is run in a transaction that is rolled back
 * (`dryRun`), repeatedly until no read is missing.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { oneAtATime } from '../../calls.ts';
import { databaseFailure, isContended, onConnection, type Database, type Queryable } from '../../database.ts';
import { isExpected } from '../../errors.ts';
import { countRemovals } from '../apply/brake.ts';
import type { BrakeCount, BrakePolicy } from '../decide/brake.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { listWindow } from '../store/span.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { underLease } from '../worker/lease.ts';
import { dryRun, GaveWay, type Run, type RunOptions } from './dry-run.ts';
import { eventsToRead, readOutbox } from './plan-store.ts';
import type { RoomRead } from './plan-summary.ts';
import { createPreparedReads, Unread, type PreparedReads } from './prepared-reads.ts';
import { rolledBack } from './rolled-back.ts';

export interface RoomReadsOptions {
  readonly db: Database;
  readonly outlook: () => OutlookSide;
  readonly window: Window;
  readonly policy: RunOptions['policy'];
  readonly brake: BrakePolicy;
}

export const nothingPlanned = { error: null, hint: null, found: null, run: null, isOutage: false } as const;

/** A transaction is repeated so often with further reads of Outlook ... */
const mostReads = 12;
/** ... and so often because another session waited for it. */
const mostWaits = 5;
/** While a daemon is alive, the outbox is read so often for it to be folded, at this interval. */
const mostOutboxReads = 40;
const outboxMs = 50;

export function createRoomReads(options: RoomReadsOptions) {
  const { db, window, policy, brake } = options;
  const retried = createRetries();

  /** Plans rooms together. A room that cannot be planned gets its state and error. */
  async function readRooms(
    rooms: readonly LeasedRoom[],
    unseen: BrakeCount,
    signal: AbortSignal,
  ): Promise<readonly RoomRead[]> {
    const all = (read: Omit<RoomRead, 'room'>) => rooms.map((room) => ({ room, ...read }));
    try {
      const run = await onConnection(db, (session) =>
        leased(session, rooms, signal, () => planRooms(session, rooms, unseen, signal)),
      );
      if (run === null)
        return all({
          ...nothingPlanned,
          state: 'busy',
          error: 'A daemon works on this room.',
          hint: busyHint,
        });
      return rooms.map((room) => readOf(room, run));
    } catch (error) {
      if (error instanceof GaveWay)
        return all({ ...nothingPlanned, state: 'busy', error: awaited, hint: busyHint });
      const failure = databaseFailure(error, 'plan a room');
      if (signal.aborted || !isExpected(failure)) throw error;
      const { message, hint = null, reach } = failure;
      return all({ ...nothingPlanned, state: 'failed', error: message, hint, isOutage: reach === 'side' });
    }
  }

  async function planRooms(
    session: Queryable,
    rooms: readonly LeasedRoom[],
    unseen: BrakeCount,
    signal: AbortSignal,
  ): Promise<Run> {
    const reads = createPreparedReads(options.outlook());
    for (const room of rooms) await prepare(reads, session, window, room, signal);
    const folds = await isLeftToFold(session, signal);
    const runOptions: RunOptions = { window, policy, brake, unseen, folds };
    return await retried(
      () => rolledBack(session, (tx) => dryRun(tx, reads, rooms, runOptions, signal)),
      () => reads.readUnread(signal),
      signal,
    );
  }

  /** The current count of the brake over all rooms. */
  const countedNow = (room: LeasedRoom, signal: AbortSignal): Promise<BrakeCount> =>
    onConnection(db, (session) =>
      retried(
        () => rolledBack(session, async (tx) => (await countRemovals(tx, room.resourceId)).all),
        async () => undefined,
        signal,
      ),
    );

  return { readRooms, countedNow };
}

/** Runs transactions one at a time, because two would wait for each other, each until it neither lacks reads nor is waited for. */
function createRetries() {
  const alone = oneAtATime();
  return async function retried<T>(
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
        else throw isLocked(error) ? new GaveWay('another session writes there') : error;
      }
  };
}

/** Whether no daemon folds the outbox: a daemon would not see what this transaction takes from it. */
async function isLeftToFold(session: Queryable, signal: AbortSignal): Promise<boolean> {
  for (let at = 0; at < mostOutboxReads; at += 1) {
    const { folds, waits } = await readOutbox(session);
    if (!folds || !waits) return !folds;
    await pause(outboxMs, undefined, { signal });
  }
  return false;
}

/** Makes the reads of a full scan, and of events that it will probably need. */
async function prepare(
  reads: PreparedReads,
  session: Queryable,
  window: Window,
  leasedRoom: LeasedRoom,
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
  const known = listed.map(({ id }) => id);
  const ids = await eventsToRead(session, room, known, window);
  await reads.prepare(
    ids.map((id) => () => reads.event(room, id)),
    signal,
  );
}

const awaited = 'Other sessions constantly write to rows that a sync of this room would write.';
const busyHint = 'Try again shortly: it is being synced now.';

const isLocked = (error: unknown): boolean =>
  isContended(error) || (error instanceof Error && isContended(error.cause));

/** The answer; null: the read failed. */
function settledOr<T>(answer: () => T): T | null {
  try {
    return answer();
  } catch {
    return null;
  }
}

/** Runs `work` under the leases of all rooms, taken in the order of their ids; null: a daemon keeps one of them. */
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

function readOf(room: LeasedRoom, run: Run): RoomRead {
  const found = run.rooms.get(room.id)!;
  if (found.stopped === null) return { room, ...nothingPlanned, state: 'planned', found, run };
  return { room, ...nothingPlanned, ...found.stopped, state: 'failed' };
}
