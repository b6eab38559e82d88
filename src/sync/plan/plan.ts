/**
 * The plan: what a sync would do, room by room, as after a comparison of both sides (`resync`). It is the sync itself, run on an
 * Outlook that is only read (GET alone) in a transaction that is rolled back; see docs/decisions/008-plan.md.
 *
 * A room is planned under its lease, so that no daemon works on it meanwhile and its mailbox never has more than four calls at
 * a time; a room that a daemon keeps for more than `underLease` waits is reported as busy, and so is one in which somebody
 * writes all the time. Outlook is read before the transaction begins. Rooms that share a reservation which the sync would
 * write are planned together.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { databaseFailure, isContended, onConnection, type Database, type Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import { countRemovals } from '../apply/brake-check.ts';
import { brakes, type BrakeCount, type BrakePolicy } from '../decide/brake.ts';
import { underLease } from '../worker/lease.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { listWindow } from '../store/pull-store.ts';
import { dryRun, GaveWay, type Run, type RunOptions } from './dry-run.ts';
import { eventsToRead, readOutbox, roomsToPlan } from './plan-store.ts';
import { createPreparedReads, Unread, type PreparedReads } from './prepared-reads.ts';
import { rolledBack } from './rolled-back.ts';
import { summed, type Plan, type Read } from './plan-summary.ts';
import type { OutlookSide } from '../outlook-side.ts';

export interface PlanOptions {
  readonly db: Database;
  readonly outlook: () => OutlookSide;
  readonly window: Window;
  readonly policy: RunOptions['policy'];
  readonly brake: BrakePolicy;
  /** Rooms read beside each other. */
  readonly roomsAtATime: number;
}

export interface PlanWish {
  /** Null: all active rooms. */
  readonly resourceId: number | null;
  /** Items listed of each room; all of them are counted. */
  readonly itemsMost: number;
  /** Rooms whose turn does not come within this time are left unread; null: none are. */
  readonly withinMs: number | null;
  /** Told after each room. */
  readonly progress?: (done: number, total: number, room: string) => void;
}

export type Planner = ReturnType<typeof createPlanner>;

const unknown = { error: null, hint: null, found: null, run: null, isOutage: false } as const;
const nothing: BrakeCount = { removing: 0, synced: 0 };

/** So often a transaction begins again with what it turned out to need of Outlook ... */
const mostReads = 12;
/** ... and so often because somebody waited for it. */
const mostWaits = 5;
/** How long a daemon is given to fold what waits in the outbox. */
const lookMs = 50;
const mostLooks = 40;

export function createPlanner(options: PlanOptions) {
  const { db, window } = options;
  /** One transaction at a time: two would wait for each other. */
  let last: Promise<unknown> = Promise.resolve();
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };

  /** Null: there is no such active room. */
  async function plan(wish: PlanWish, signal: AbortSignal): Promise<Plan | null> {
    const rooms = await asked(roomsToPlan(db, wish.resourceId));
    if (rooms.length === 0 && wish.resourceId !== null) return null;
    const until = wish.withinMs === null ? null : performance.now() + wish.withinMs;
    const reads: Read[] = Array<Read>(rooms.length);
    let away: Read | null = null;
    let [next, done] = [0, 0];
    async function readOn(): Promise<void> {
      for (let at = next++; at < rooms.length; at = next++) {
        const room = rooms[at]!;
        signal.throwIfAborted();
        const late = until !== null && performance.now() > until;
        // one side as a whole is out of reach: the other rooms would only wait for the same answer
        const [read] = late
          ? [unread(room)]
          : away === null
            ? await readRooms([room], nothing, signal)
            : [{ ...away, room }];
        if (read!.isOutage) away = read!;
        reads[at] = read!;
        wish.progress?.((done += 1), rooms.length, room.name);
      }
    }
    const beside = Math.min(options.roomsAtATime, rooms.length);
    await Promise.all(Array.from({ length: beside }, readOn));
    const isLate = () => until !== null && performance.now() > until;
    const together = isLate() ? reads : await readTogether(reads, signal);
    return summed(isLate() ? together : await braked(together, signal), wish.itemsMost);
  }

  /** Rooms of which one's sync writes what another one has, too. */
  async function readTogether(reads: readonly Read[], signal: AbortSignal): Promise<readonly Read[]> {
    const known = new Map(reads.map((read) => [read.room.id, read]));
    for (const rooms of groupsOf(reads)) {
      const again = await readRooms(rooms, nothing, signal);
      // where one of them is busy now, what was planned of each stands
      if (again.every(({ state }) => state === 'planned'))
        for (const read of again) known.set(read.room.id, read);
    }
    return reads.map(({ room }) => known.get(room.id)!);
  }

  /** Rooms whose removals are too many only together with those of other rooms. */
  async function braked(reads: readonly Read[], signal: AbortSignal): Promise<readonly Read[]> {
    const runs = [...new Set(reads.map(({ run }) => run))].filter((run) => run?.counted != null);
    if (runs.length < 2 || options.brake.max === 0) return reads;
    const before = await countedBefore(reads[0]!.room, signal);
    const added = new Map(runs.map((run) => [run, minus(run!.counted!, before)]));
    const all = [...added.values()].reduce(plus, before);
    if (!brakes(nothing, all, { removing: 0, of: 0 }, options.brake)) return reads;
    const again = new Map<number, Read>();
    for (const [run, own] of added) {
      const rooms = reads.filter((read) => read.run === run).map(({ room }) => room);
      const unseen = minus(minus(all, before), own);
      for (const read of await readRooms(rooms, unseen, signal))
        if (read.state === 'planned') again.set(read.room.id, read);
    }
    return reads.map((read) => again.get(read.room.id) ?? read);
  }

  const countedBefore = (room: LeasedRoom, signal: AbortSignal): Promise<BrakeCount> =>
    onConnection(db, (session) =>
      giving(
        () => rolledBack(session, async (tx) => (await countRemovals(tx, room.resourceId)).all),
        async () => undefined,
        signal,
      ),
    );

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
    for (let looks = 0; looks < mostLooks; looks += 1) {
      const { folds, waits } = await readOutbox(session);
      if (!folds || !waits) return !folds;
      await pause(lookMs, undefined, { signal });
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

  const unread = (room: LeasedRoom): Read => ({
    room,
    ...unknown,
    state: 'unread',
    error: 'The time was up before its turn.',
    hint: `GET /plan?resource_id=${room.resourceId} reads it alone, and the command \`plan\` takes the time it needs.`,
  });

  return { plan };
}

const awaited = 'Somebody writes all the time to what a sync of this room would write.';
const busyHint = 'Ask again in a moment: it is being brought over now.';

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

const plus = (a: BrakeCount, b: BrakeCount): BrakeCount => ({
  removing: a.removing + b.removing,
  synced: a.synced + b.synced,
});
const minus = (a: BrakeCount, b: BrakeCount): BrakeCount => ({
  removing: a.removing - b.removing,
  synced: a.synced - b.synced,
});

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

/** Planned rooms that share a reservation which the sync writes, or a meeting that it imports: at least two each. */
function groupsOf(reads: readonly Read[]): LeasedRoom[][] {
  const rooms = new Map(reads.flatMap(({ room, run }) => (run === null ? [] : [[room.id, room]])));
  const group = new Map([...rooms.keys()].map((id) => [id, new Set([id])]));
  const join = (ids: readonly number[]): void => {
    const all = new Set(ids.flatMap((id) => [...(group.get(id) ?? [])]));
    for (const id of all) group.set(id, all);
  };
  const meetings = new Map<string, number>();
  for (const { room, run } of reads) {
    if (run === null) continue;
    join([room.id, ...run.writtenIn]);
    for (const meeting of run.meetings) {
      join([room.id, meetings.get(meeting) ?? room.id]);
      meetings.set(meeting, room.id);
    }
  }
  return [...new Set(group.values())]
    .filter(({ size }) => size > 1)
    .map((ids) => [...ids].sort((a, b) => a - b).map((id) => rooms.get(id)!));
}

async function asked<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw databaseFailure(error, 'plan');
  }
}
