/**
 * The sync of rooms as a plan: the daemon's drain in a transaction that is rolled back, on an Outlook that is only read
 * (`createRecordingOutlook`). Its actions are the plan.
 */
import type { Queryable } from '../../database.ts';
import { Retryable } from '../../errors.ts';
import type { Applied } from '../apply/apply.ts';
import { countRemovals } from '../apply/brake.ts';
import { itemOf, type OutlookEvent } from '../../event.ts';
import type { BrakeCount, BrakePolicy } from '../decide/brake.ts';
import type { OutlookSide } from '../outlook-side.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { isUnmapped, type WorkItem } from '../store/work-item.ts';
import { partsOf, type SyncOptions } from '../sync.ts';
import type { Drained } from '../apply/rest.ts';
import { createDrain } from '../worker/drain.ts';
import { beginRun, countEqual, foldAll, readRefusals, restingAfter, roomNow, roomsOf } from './plan-store.ts';
import { draftsOf, type Draft } from './planned.ts';
import type { PreparedReads } from './prepared-reads.ts';
import { createRecordingOutlook } from './recording-outlook.ts';
import type { Planned } from './plan-words.ts';
import { isWaitedFor } from './rolled-back.ts';

/** Another session waits for a lock of the transaction. */
export class GaveWay extends Error {}

export interface RunOptions {
  readonly window: Window;
  readonly policy: Pick<SyncOptions, 'conflict' | 'overlap' | 'importMode'>;
  readonly brake: BrakePolicy;
  /** Removals of other rooms that the database does not know. */
  readonly unseen: BrakeCount;
  /** No daemon folds the outbox. */
  readonly folds: boolean;
}

/** The plan of one room. `stopped`: the reason why it would not be synced. */
export interface PlannedRoom {
  readonly planned: readonly Planned[];
  readonly equal: number;
  readonly stopped: {
    readonly error: string;
    readonly hint: string | null;
    readonly isOutage: boolean;
  } | null;
}

export interface Run {
  readonly rooms: ReadonlyMap<number, PlannedRoom>;
  /** The count of the brake over all rooms after the run; null: no removals. */
  readonly counted: BrakeCount | null;
  /** Rooms, including these, with a reservation that the run wrote. */
  readonly writtenIn: readonly number[];
  /** Meetings that the run imported. */
  readonly meetings: readonly string[];
}

/** Work items read at a time; no notification waits behind them. */
const atATime = 60;
/** Passes over the rooms, each because the last one wrote into the booking system. */
const mostPasses = 6;
/** Maximum decisions about a work item, and maximum time of a run. */
const mostDecisions = 30;
const mostMs = 300_000;

/** Runs in `db`, a transaction. Throws Unread, GaveWay, and what the database throws. */
export async function dryRun(
  db: Queryable,
  reads: PreparedReads,
  rooms: readonly LeasedRoom[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<Run> {
  if (options.folds) await foldAll(db, options.window);
  const { logged, installation } = await beginRun(db, rooms);
  const outlook = createRecordingOutlook(reads, await readRefusals(db, rooms));
  const recorded = createRecord(db, outlook);
  const parts = partsOf({
    db,
    outlook,
    tell: () => undefined,
    installationId: () => installation,
    window: options.window,
    pollMs: 60_000,
    brake: options.brake,
    unseen: options.unseen,
    ...options.policy,
    isPlan: true,
  });
  const { drain } = createDrain({
    ...parts,
    debounce: () => ({ choose: (items) => items, waitMs: () => 1 }),
    atATime,
    async apply(room, items, until) {
      const events = await recorded.before(room, items, until);
      return recorded.after(room, items, events, await parts.apply(room, items, until));
    },
  });

  const ends = new Map<number, Drained>();
  for (let pass = 0, again = true; again && pass < mostPasses; pass += 1) {
    again = false;
    for (const room of rooms) {
      const before = recorded.written.size;
      const now = await roomNow(db, room, pass > 0);
      if (ends.get(room.id) !== undefined && isOver(ends.get(room.id)!)) continue;
      const end = await drain(now, signal, never);
      ends.set(room.id, end);
      // the mailbox was replaced, or a write concerns other rooms or this one again
      const isCompared = (await roomNow(db, room, true)).baselined;
      again ||= recorded.written.size > before || (!isCompared && !isOver(end));
    }
  }

  const { drafts, held } = recorded;
  const resting = await restingAfter(db, rooms, logged, held);
  const touched = [...drafts, ...resting].map(({ mapping }) => mapping);
  const equal = await countEqual(db, rooms, touched, options.window);
  const takesAway = drafts.some(({ planned: { action } }) =>
    /^(delete|decline|cancel-booking)$/.test(action),
  );
  return {
    rooms: new Map(
      rooms.map((room) => [
        room.id,
        {
          planned: [...drafts, ...resting]
            .filter((one) => one.room === room.id)
            .map(({ planned }) => planned),
          equal: equal.get(room.id) ?? 0,
          stopped: stoppedBy(ends.get(room.id)!),
        },
      ]),
    ),
    counted: takesAway ? (await countRemovals(db, rooms[0]!.resourceId)).all : null,
    writtenIn: await roomsOf(db, [...recorded.written]),
    meetings: [...recorded.meetings],
  };
}

const never = new AbortController().signal;

const isOver = ({ rest, outage }: Drained): boolean => outage !== null || (rest !== null && rest.ms !== null);

function stoppedBy({ rest, outage }: Drained): PlannedRoom['stopped'] {
  if (outage !== null) return { error: outage.message, hint: outage.hint ?? null, isOutage: true };
  return rest === null || rest.ms === null ? null : { error: rest.why, hint: rest.hint, isOutage: false };
}

/** Collects the results of each batch, and ensures that the run ends. */
function createRecord(db: Queryable, outlook: OutlookSide) {
  const drafts: (Draft & { readonly room: number })[] = [];
  const held = new Set<number>();
  const detached = new Set<number>();
  const written = new Set<string>();
  const meetings = new Set<string>();
  const importedIn = new Map<string, string>();
  const decided = new Map<number, number>();
  const endsAt = performance.now() + mostMs;

  async function goOn(items: readonly WorkItem[]): Promise<void> {
    if (await isWaitedFor(db)) throw new GaveWay('another session waits for a lock of the plan');
    for (const { id } of items) decided.set(id, (decided.get(id) ?? 0) + 1);
    const isEndless = items.some(({ id }) => decided.get(id)! > mostDecisions);
    if (isEndless || performance.now() > endsAt)
      throw new Retryable('The plan of this room does not come to an end.', { reach: 'room' });
  }

  return {
    drafts,
    held,
    written,
    meetings,
    /** Reads the unmapped events among these work items. */
    async before(
      room: LeasedRoom,
      items: readonly WorkItem[],
      signal: AbortSignal,
    ): Promise<ReadonlyMap<number, OutlookEvent>> {
      await goOn(items);
      const events = new Map<number, OutlookEvent>();
      for (const { id, eventId } of items.filter(isUnmapped)) {
        const event = await outlook.read(room, eventId, signal).catch(() => null);
        if (event !== null) events.set(id, event);
      }
      return events;
    },
    after(
      room: LeasedRoom,
      items: readonly WorkItem[],
      events: ReadonlyMap<number, OutlookEvent>,
      applied: Applied,
    ): Applied {
      for (const { mapped, action } of applied.decided) if (action.do === 'detach') detached.add(mapped.id);
      for (const { item: row, written: one } of applied.done) {
        const key = `${one.reservationType}/${one.reservationId}`;
        written.add(key);
        if (one.action === 'imported') importedIn.set(key, room.name);
        const event = events.get(row.id);
        if (event !== undefined && event.iCalUId !== '')
          meetings.add(`${event.iCalUId} ${event.originalStart ?? ''}`);
      }
      const run = {
        itemOf: ({ id }: WorkItem) => (events.has(id) ? itemOf(events.get(id)!.shows) : null),
        importedIn: (key: string) => importedIn.get(key),
        detached,
      };
      for (const draft of draftsOf(items, applied, run)) {
        drafts.push({ ...draft, room: room.id });
        if (draft.planned.held) held.add(draft.mapping);
      }
      return applied;
    },
  };
}
