/** A plan of rooms, from the runs of their sync. Named as in the API. Pure. */
import { ownSettings } from '../../room-settings.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { PlannedRoom, Run } from './dry-run.ts';
import { planKinds, type Planned, type PlanKind } from './plan-words.ts';

/** busy: a daemon works on it; failed: it could not be read; unread: the time was over before its turn. */
type RoomState = 'planned' | 'busy' | 'failed' | 'unread';

interface Totals {
  readonly counts: Readonly<Record<PlanKind, number>>;
  /** Reservations that both sides show alike. */
  readonly equal: number;
  /** Removals that the brake would hold until a person decides. */
  readonly held: number;
}

export interface RoomPlan extends Totals {
  readonly resource_id: number;
  readonly room: string;
  readonly outlook_item_id: string;
  readonly sync_direction: LeasedRoom['direction'];
  /** Own settings of the room, as `name=value`. */
  readonly settings: string[];
  readonly state: RoomState;
  readonly error: string | null;
  readonly hint: string | null;
  /** The first items, the soonest first. */
  readonly items: Planned[];
}

export interface Plan extends Totals {
  /** All rooms were read. */
  readonly complete: boolean;
  /** A sync would act, or an item waits for a person. */
  readonly differs: boolean;
  /** The number of rooms. */
  readonly count: number;
  readonly rooms: RoomPlan[];
}

/** The result of one room. */
export interface RoomRead {
  readonly room: LeasedRoom;
  readonly state: RoomState;
  readonly error: string | null;
  readonly hint: string | null;
  readonly found: PlannedRoom | null;
  readonly run: Run | null;
  /** Every other room would fail in the same way. */
  readonly isOutage: boolean;
}

/** At most `itemsMost` items of each room are listed; all are counted. */
export function summed(reads: readonly RoomRead[], itemsMost: number): Plan {
  const rooms = reads.map((read) => roomPlan(read, itemsMost));
  const sum = (of: (room: RoomPlan) => number) => rooms.reduce((all, room) => all + of(room), 0);
  const counts = countsBy((kind) => sum((room) => room.counts[kind]));
  return {
    complete: rooms.every(({ state }) => state === 'planned'),
    differs: planKinds.some((kind) => counts[kind] > 0),
    counts,
    equal: sum((room) => room.equal),
    held: sum((room) => room.held),
    count: rooms.length,
    rooms,
  };
}

function roomPlan({ room, state, error, hint, found }: RoomRead, itemsMost: number): RoomPlan {
  const items = (found?.planned ?? []).toSorted((a, b) =>
    (a.starts_at ?? '') < (b.starts_at ?? '') ? -1 : 1,
  );
  return {
    resource_id: room.resourceId,
    room: room.name,
    outlook_item_id: room.outlookItemId,
    sync_direction: room.direction,
    settings: [...ownSettings(room.own ?? {})],
    state,
    error,
    hint,
    counts: countsBy((kind) => items.filter(({ action }) => action === kind).length),
    equal: found?.equal ?? 0,
    held: items.filter(({ held }) => held).length,
    items: items.slice(0, itemsMost),
  };
}

const countsBy = (count: (kind: PlanKind) => number) =>
  Object.fromEntries(planKinds.map((kind) => [kind, count(kind)])) as Record<PlanKind, number>;
