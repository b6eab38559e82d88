/**
 * The plan: the actions of a sync, room by room, as after a comparison of both sides (`resync`). It is the sync itself, on an Outlook
 * that is only read (GET alone), in a transaction that is rolled back; see docs/decisions/008-plan.md.
 *
 * A room is planned under its lease, so that no daemon works on it meanwhile and its mailbox never has more than four calls at
 * a time; a room whose lease a daemon keeps for longer than `underLease` waits is reported as busy, and so is one with constant
 * writes. Outlook is read before the transaction begins. Rooms that share a reservation which the sync would write are
 * planned together.
 */
import { brakes, type BrakeCount } from '../decide/brake.ts';
import { failingAs } from '../store/failing.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { roomsToPlan } from './plan-store.ts';
import { summed, type Plan, type RoomRead } from './plan-summary.ts';
import { createRoomReads, nothingPlanned, type RoomReadsOptions } from './room-reads.ts';

export interface PlanOptions extends RoomReadsOptions {
  /** Rooms planned concurrently. */
  readonly roomsAtATime: number;
}

export interface PlanWish {
  /** Null: all active rooms. */
  readonly resourceId: number | null;
  /** Items listed of each room; all are counted. */
  readonly itemsMost: number;
  /** Rooms whose turn does not come within this time stay unread; null: no limit. */
  readonly withinMs: number | null;
  /** Called after each room. */
  readonly progress?: (done: number, total: number, room: string) => void;
}

const activeRooms = failingAs('plan', roomsToPlan);

export type Planner = ReturnType<typeof createPlanner>;

const nothing: BrakeCount = { removing: 0, synced: 0 };

export function createPlanner(options: PlanOptions) {
  const { db } = options;
  const { readRooms, countedNow } = createRoomReads(options);

  /** Null: there is no such active room. */
  async function plan(wish: PlanWish, signal: AbortSignal): Promise<Plan | null> {
    const rooms = await activeRooms(db, wish.resourceId);
    if (rooms.length === 0 && wish.resourceId !== null) return null;
    const until = wish.withinMs === null ? null : performance.now() + wish.withinMs;
    const reads: RoomRead[] = Array<RoomRead>(rooms.length);
    let away: RoomRead | null = null;
    let [next, done] = [0, 0];
    async function readOn(): Promise<void> {
      for (let at = next++; at < rooms.length; at = next++) {
        const room = rooms[at]!;
        signal.throwIfAborted();
        const late = until !== null && performance.now() > until;
        // in an outage the other rooms would only wait for the same answer
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

  /** Plans rooms together that share a reservation which the sync writes. */
  async function readTogether(reads: readonly RoomRead[], signal: AbortSignal): Promise<readonly RoomRead[]> {
    const known = new Map(reads.map((read) => [read.room.id, read]));
    for (const rooms of groupsOf(reads)) {
      const again = await readRooms(rooms, nothing, signal);
      // if one of them is busy now, the single plans remain
      if (again.every(({ state }) => state === 'planned'))
        for (const read of again) known.set(read.room.id, read);
    }
    return reads.map(({ room }) => known.get(room.id)!);
  }

  /** Plans rooms again whose removals are too many only together with those of other rooms. */
  async function braked(reads: readonly RoomRead[], signal: AbortSignal): Promise<readonly RoomRead[]> {
    const runs = [...new Set(reads.map(({ run }) => run))].filter((run) => run?.counted != null);
    if (runs.length < 2 || options.brake.max === 0) return reads;
    const before = await countedNow(reads[0]!.room, signal);
    const added = new Map(runs.map((run) => [run, minus(run!.counted!, before)]));
    const all = [...added.values()].reduce(plus, before);
    if (!brakes(nothing, all, { removing: 0, of: 0 }, options.brake)) return reads;
    const again = new Map<number, RoomRead>();
    for (const [run, own] of added) {
      const rooms = reads.filter((read) => read.run === run).map(({ room }) => room);
      const unseen = minus(minus(all, before), own);
      for (const read of await readRooms(rooms, unseen, signal))
        if (read.state === 'planned') again.set(read.room.id, read);
    }
    return reads.map((read) => again.get(read.room.id) ?? read);
  }

  const unread = (room: LeasedRoom): RoomRead => ({
    room,
    ...nothingPlanned,
    state: 'unread',
    error: 'It was not reached in time.',
    hint: `GET /plan?resource_id=${room.resourceId} reads it alone, and the command \`plan\` takes the time it needs.`,
  });

  return { plan };
}

const plus = (a: BrakeCount, b: BrakeCount): BrakeCount => ({
  removing: a.removing + b.removing,
  synced: a.synced + b.synced,
});
const minus = (a: BrakeCount, b: BrakeCount): BrakeCount => ({
  removing: a.removing - b.removing,
  synced: a.synced - b.synced,
});

/** Planned rooms that share a reservation which the sync writes, or a meeting that it imports: at least two each. */
function groupsOf(reads: readonly RoomRead[]): LeasedRoom[][] {
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
