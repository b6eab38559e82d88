/**
 * The plan: what a sync would create, change, import, cancel, delete, decline, recognise or leave to a person, room by room,
 * as after a comparison of both sides (`resync`). Nothing is written on either side, nor in our own books: Outlook is asked
 * with GET only, and PostgreSQL refuses our sessions any write (`openReadingPool`).
 *
 * A room is read under its lease, so that no daemon works on it meanwhile and its mailbox never has more than four calls at
 * a time; a room that a daemon keeps for more than `underLease` waits is reported as busy.
 */
import { databaseFailure, type Database, type Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { OutlookEvent } from '../../event.ts';
import { ownSettings } from '../../room-settings.ts';
import { brakes, type BrakePolicy } from '../decide/brake.ts';
import { underLease } from '../worker/lease.ts';
import type { LeasedRoom, Window } from '../store/mappings.ts';
import { listWindow, rememberedOf } from '../store/pull-store.ts';
import {
  readBrakeCounts,
  readPicture,
  readForeignEvents,
  roomsToPlan,
  type BrakeCounts,
} from './plan-picture.ts';
import type { PlanPolicy } from './plan-births.ts';
import { planRoom, type PlannedRoom } from './plan-room.ts';
import { planKinds, type Planned, type PlanKind } from './plan-words.ts';
import type { OutlookSide } from '../outlook-side.ts';

export interface PlanOptions {
  /** Its sessions write nothing. */
  readonly db: Database;
  readonly outlook: () => OutlookSide;
  readonly window: Window;
  readonly policy: PlanPolicy;
  readonly brake: BrakePolicy;
  /** Rooms read beside each other. */
  readonly roomsAtATime: number;
}

/** planned; busy: a daemon works on it; failed: it could not be read; unread: the time was up before its turn. */
type RoomState = 'planned' | 'busy' | 'failed' | 'unread';

export interface RoomPlan {
  readonly resourceId: number;
  readonly room: string;
  readonly mailbox: string;
  readonly direction: LeasedRoom['direction'];
  /** What the room does differently, as `name=value`. */
  readonly settings: readonly string[];
  readonly state: RoomState;
  readonly error: string | null;
  readonly hint: string | null;
  readonly counts: Readonly<Record<PlanKind, number>>;
  /** Reservations that both sides show alike. */
  readonly equal: number;
  /** So many of what is gone the brake would hold until a person has looked. */
  readonly held: number;
  /** The first of them, the soonest first. */
  readonly items: readonly Planned[];
}

export interface Plan {
  readonly rooms: readonly RoomPlan[];
  readonly counts: Readonly<Record<PlanKind, number>>;
  readonly equal: number;
  readonly held: number;
  /** All rooms were read. */
  readonly complete: boolean;
  /** Something would be done, or waits for a person. */
  readonly differs: boolean;
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

interface Read {
  readonly room: LeasedRoom;
  readonly state: RoomState;
  readonly error: string | null;
  readonly hint: string | null;
  readonly found: PlannedRoom | null;
  /** It failed as every other would. */
  readonly isOutage: boolean;
}

const unknown = { error: null, hint: null, found: null, isOutage: false } as const;

export function createPlanner(options: PlanOptions) {
  const { db, window, policy } = options;

  /** Null: there is no such active room. */
  async function plan(wish: PlanWish, signal: AbortSignal): Promise<Plan | null> {
    const rooms = await asked(roomsToPlan(db, wish.resourceId));
    if (rooms.length === 0 && wish.resourceId !== null) return null;
    const until = wish.withinMs === null ? null : performance.now() + wish.withinMs;
    const meetings = new Map<string, string>();
    const reads: Read[] = Array<Read>(rooms.length);
    let away: Read | null = null;
    let [next, done] = [0, 0];
    async function readOn(): Promise<void> {
      for (let at = next++; at < rooms.length; at = next++) {
        const room = rooms[at]!;
        signal.throwIfAborted();
        const late = until !== null && performance.now() > until;
        // one side as a whole is out of reach: the other rooms would only wait for the same answer
        const read = late
          ? unread(room)
          : away === null
            ? await readRoom(room, meetings, signal)
            : { ...away, room };
        if (read.isOutage) away = read;
        reads[at] = read;
        wish.progress?.((done += 1), rooms.length, room.name);
      }
    }
    const beside = Math.min(options.roomsAtATime, rooms.length);
    await Promise.all(Array.from({ length: beside }, readOn));
    return summed(braked(reads, await asked(readBrakeCounts(db))), wish.itemsMost);
  }

  async function readRoom(
    room: LeasedRoom,
    meetings: Map<string, string>,
    signal: AbortSignal,
  ): Promise<Read> {
    try {
      const client = await asked(db.connect());
      // while Outlook is read no query is under way whose failure would tell: the next one's does
      const broken = () => undefined;
      client.on('error', broken);
      try {
        const found = await underLease(client, room.id, signal, () => lookAt(client, room, meetings, signal));
        if (found !== null) return { room, ...unknown, state: 'planned', found };
        const hint = 'Ask again in a moment: it is being brought over now.';
        return { room, ...unknown, state: 'busy', error: 'A daemon works on this room.', hint };
      } finally {
        client.off('error', broken);
        client.release();
      }
    } catch (error) {
      const failure = databaseFailure(error, 'plan a room');
      if (signal.aborted || !(failure instanceof Retryable || failure instanceof Permanent)) throw error;
      const { message, hint = null, reach } = failure;
      return { room, ...unknown, state: 'failed', error: message, hint, isOutage: reach === 'side' };
    }
  }

  async function lookAt(
    session: Queryable,
    room: LeasedRoom,
    meetings: Map<string, string>,
    signal: AbortSignal,
  ): Promise<PlannedRoom> {
    const outlook = options.outlook();
    const span = await listWindow(session, window);
    const events: OutlookEvent[] = [];
    for await (const page of outlook.list(room, span.from, span.to, signal)) events.push(...page);
    return await planRoom(
      {
        room,
        picture: await readPicture(session, room, window),
        span,
        events,
        remembered: await rememberedOf(session, room, events),
        outlook,
        policy: {
          conflict: room.own?.conflict_policy ?? policy.conflict,
          overlap: room.own?.overlap_policy ?? policy.overlap,
          importMode: room.own?.import_mode ?? policy.importMode,
        },
        strangers: (unknown) => readForeignEvents(session, room, unknown),
        meetings,
      },
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

  /** What is gone, as the brake would count it: in each room, and over all rooms that were read. */
  function braked(reads: readonly Read[], books: BrakeCounts): readonly (Read & { holds: boolean })[] {
    const applied = books.counted.filter((one) => one.applied);
    const deeds = (of: readonly { readonly resource: number; readonly deed: string }[]) =>
      new Set(of.map(({ resource, deed }) => `${resource} ${deed}`)).size;
    const wanted = new Map(
      books.counted
        .filter((one) => one.applied || !one.released)
        .map((one) => [one.mappingId, { resource: one.resourceId, deed: one.deed, applied: one.applied }]),
    );
    const released = new Set(books.counted.filter((one) => one.released).map((one) => one.mappingId));
    let strangers = 0;
    for (const { room, found } of reads)
      for (const { row, deed } of found?.gone ?? [])
        if (!released.has(row.id))
          wanted.set(row.id > 0 ? row.id : (strangers -= 1), {
            resource: room.resourceId,
            deed,
            applied: false,
          });
    const sum = (of: Iterable<number>) => [...of].reduce((all, one) => all + one, 0);
    const all = {
      removing: deeds([...wanted.values()]),
      synced: sum(books.synced.values()) + applied.length + sum(reads.map(({ found }) => found?.found ?? 0)),
    };
    return reads.map((read) => {
      const { resourceId } = read.room;
      const inRoom = [...wanted.values()].filter(({ resource }) => resource === resourceId);
      const now = inRoom.filter((one) => !one.applied);
      const here = (books.synced.get(resourceId) ?? 0) + (read.found?.found ?? 0);
      const appliedHere = applied.filter((one) => one.resourceId === resourceId).length;
      const room = { removing: deeds(inRoom), synced: here + appliedHere };
      const round = { removing: deeds(now), of: here - now.length + deeds(now) };
      return { ...read, holds: brakes(room, all, round, options.brake) };
    });
  }

  return { plan };
}

const none = () => Object.fromEntries(planKinds.map((kind) => [kind, 0])) as Record<PlanKind, number>;

function countsOf(planned: readonly Planned[]): Record<PlanKind, number> {
  const counts = none();
  for (const { kind } of planned) counts[kind] += 1;
  return counts;
}

function summed(reads: readonly (Read & { readonly holds: boolean })[], itemsMost: number): Plan {
  const rooms = reads.map(({ room, state, error, hint, found, holds }): RoomPlan => {
    const gone = new Set(found?.gone.map(({ row }) => `${row.reservationType}/${row.reservationId}`));
    const takesAway = ({ kind, reservation }: Planned) =>
      (kind === 'delete' || kind === 'decline' || kind === 'cancel-booking') &&
      reservation !== null &&
      gone.has(`${reservation.type}/${reservation.id}`);
    const planned = (found?.planned ?? [])
      .map((one) => (holds && takesAway(one) ? { ...one, held: true } : one))
      .toSorted((a, b) => ((a.startsAt ?? '') < (b.startsAt ?? '') ? -1 : 1));
    return {
      resourceId: room.resourceId,
      room: room.name,
      mailbox: room.outlookItemId,
      direction: room.direction,
      settings: ownSettings(room.own ?? {}),
      state,
      error,
      hint,
      counts: countsOf(planned),
      equal: found?.equal ?? 0,
      held: planned.filter(({ held }) => held).length,
      items: planned.slice(0, itemsMost),
    };
  });
  const counts = none();
  for (const room of rooms) for (const kind of planKinds) counts[kind] += room.counts[kind];
  const sum = (of: (room: RoomPlan) => number) => rooms.reduce((all, room) => all + of(room), 0);
  return {
    rooms,
    counts,
    equal: sum((room) => room.equal),
    held: sum((room) => room.held),
    complete: rooms.every(({ state }) => state === 'planned'),
    differs: planKinds.some((kind) => counts[kind] > 0),
  };
}

async function asked<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw databaseFailure(error, 'plan');
  }
}
