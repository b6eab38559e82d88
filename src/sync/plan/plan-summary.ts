/** What came of all rooms of a plan, as it is told. Pure. */
import { ownSettings } from '../../room-settings.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { PlannedRoom, Run } from './dry-run.ts';
import { planKinds, type Planned, type PlanKind } from './plan-words.ts';

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

/** What came of one room. */
export interface Read {
  readonly room: LeasedRoom;
  readonly state: RoomState;
  readonly error: string | null;
  readonly hint: string | null;
  readonly found: PlannedRoom | null;
  readonly run: Run | null;
  /** It failed as every other would. */
  readonly isOutage: boolean;
}

const none = () => Object.fromEntries(planKinds.map((kind) => [kind, 0])) as Record<PlanKind, number>;

function countsOf(planned: readonly Planned[]): Record<PlanKind, number> {
  const counts = none();
  for (const { kind } of planned) counts[kind] += 1;
  return counts;
}

/** At most `itemsMost` items are listed of each room; all are counted. */
export function summed(reads: readonly Read[], itemsMost: number): Plan {
  const rooms = reads.map(({ room, state, error, hint, found }): RoomPlan => {
    const planned = (found?.planned ?? []).toSorted((a, b) =>
      (a.startsAt ?? '') < (b.startsAt ?? '') ? -1 : 1,
    );
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
