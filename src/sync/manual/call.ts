/**
 * A call of a person or script that waits for the daemons. Nothing is sent from here: items are made due, the daemons are woken, and the
 * outcomes are read from our tables, whichever daemon settled them. A call waits for 20 s at most and reports the remainder as pending;
 * it is settled later all the same.
 */
import type { Queryable } from '../../database.ts';
import { queryRow, queryValue } from '../../query.ts';
import { sleep } from '../../sleep.ts';
import { fold, type Window } from '../store/work-list.ts';
import { ringAll } from '../worker/replicas.ts';
import { readOutcomes, type CountedAction, type Chosen, type ItemOutcome } from './outcomes.ts';
import { isReadyWithin } from './requests.ts';

export interface CallsOptions {
  readonly db: Queryable;
  readonly window: Window;
  /** Wakes our own loop; the other daemons get a NOTIFY. */
  readonly ring: () => void;
  /** Throws Conflict while nothing may be written. */
  readonly needWrites?: () => Promise<void>;
  readonly waitMs?: number;
}

/** The time until which a call waits, on the monotonic clock. */
interface Waiting {
  readonly deadline: number;
  /** The caller is gone, or the daemon is stopping: open items are reported as pending. */
  readonly signal: AbortSignal;
}

export interface Call extends Waiting {
  /** The end of bridge_log when the call began: later lines are its results. */
  readonly mark: number;
  /** The newest mapping at that time. */
  readonly newest: number;
  /** Wakes all daemons. */
  wake(): Promise<void>;
  /** Folds the whole outbox; as much as one fold takes if the call may not wait any more. */
  foldAll(): Promise<void>;
  /** Waits until these mappings are settled. Returns their outcomes since the call began. `counted`: the actions that are its results. */
  settled(chosen: readonly Chosen[], counted?: readonly CountedAction[]): Promise<ItemOutcome[]>;
}

/** Begins a call. Throws Conflict while nothing may be written. */
export type BeginCall = (signal: AbortSignal) => Promise<Call>;

export function createCalls({ db, window, ring, needWrites, waitMs = 20_000 }: CallsOptions): BeginCall {
  async function wake(): Promise<void> {
    await ringAll(db);
    ring();
  }
  return async (signal) => {
    await needWrites?.();
    const { mark, newest } = await queryRow<{ mark: number; newest: number }>(db, {
      name: 'end_of_log',
      text: `SELECT (SELECT coalesce(max(id), 0) FROM bridge_log) AS mark,
        (SELECT coalesce(max(id), 0) FROM bridge_mappings) AS newest`,
    });
    const waiting = { deadline: performance.now() + waitMs, signal };
    return {
      ...waiting,
      mark,
      newest,
      wake,
      async foldAll() {
        do {
          if ((await fold(db, window)) === 0) return;
        } while (msLeft(waiting) > 0);
      },
      async settled(chosen, counted) {
        if (chosen.length === 0) return [];
        const ids = chosen.map((one) => one.mappingId);
        await wake();
        await until(waiting, () => stillOpen(db, ids, { ...waiting, mark }, counted));
        return await readOutcomes(db, chosen, mark, counted);
      },
    };
  };
}

/** Milliseconds that the call may still wait. */
export const msLeft = ({ deadline, signal }: Waiting): number =>
  signal.aborted ? 0 : Math.max(0, deadline - performance.now());

/**
 * Waits until `open` returns false or the time is over. The first check is after a few ms, which an item takes; the interval then grows,
 * so that many waiting callers do not load the database.
 */
export async function until(waiting: Waiting, open: () => Promise<boolean>): Promise<void> {
  for (let waitMs = 4; msLeft(waiting) > 0 && (await open()); waitMs = Math.min(250, waitMs * 1.5))
    await sleep(Math.min(waitMs, msLeft(waiting)), waiting.signal);
}

/**
 * Whether any of these mappings can still be settled before the deadline. One that is due again after one of the actions `counted` is
 * not waited for. A room that was released between the request and its last read is requested again: with AUTO_SYNC=off nothing else
 * would take it.
 */
const stillOpen = (
  db: Queryable,
  ids: readonly number[],
  call: Waiting & Pick<Call, 'mark'>,
  counted: readonly CountedAction[] = ['created', 'updated', 'deleted', 'shadowed'],
) =>
  queryValue<boolean>(db, {
    name: 'still_open',
    text: `
      WITH open AS (
        SELECT s.resource_mapping_id AS room FROM bridge_mappings m
        JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
        JOIN bridge_room_state s ON s.resource_mapping_id = r.id
        WHERE m.id = ANY ($1) AND m.due_at <= clock_timestamp() + $3 * interval '1 millisecond'
          AND ${isReadyWithin('$3')}
          AND NOT EXISTS (SELECT FROM bridge_log l WHERE l.mapping_id = m.id AND l.id > $2
                          AND l.action = ANY ($4))
      ), again AS (
        UPDATE bridge_room_state SET asked_at = now() WHERE resource_mapping_id IN (
          SELECT s.resource_mapping_id FROM bridge_room_state s
          WHERE s.asked_at IS NULL AND s.lease_owner IS NULL AND s.resource_mapping_id IN (SELECT room FROM open)
          ORDER BY 1 FOR UPDATE SKIP LOCKED)
      )
      SELECT EXISTS (SELECT FROM open) AS open`,
    values: [ids, call.mark, msLeft(call), counted],
  });
