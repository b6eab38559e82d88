/** Plans, on sessions that commit nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { openPlanPool } from '../database.ts';
import type { Tell } from '../facts.ts';
import { createPlanner, type Planner } from '../sync/plan/plan.ts';
import type { OutlookSide } from '../sync/outlook-side.ts';
import type { Start } from '../sync/worker/start-mode.ts';

/** Few rooms at a time, so that a plan takes little of the daemon's time. */
const plannedAtATime = 2;
/** Time limit of a plan for the log; the remaining rooms are in the next one. */
const planReportMs = 300_000;

/** `outlook` is called for each plan; `opened` closes the sessions. */
export function openPlanner(
  config: Config,
  outlook: () => OutlookSide,
  opened: AsyncDisposableStack,
): Planner {
  const db = openPlanPool(config.database, 'bridge plan', plannedAtATime + 1);
  opened.defer(() => db.end());
  return createPlanner({
    db,
    outlook,
    window: config.window,
    policy: { conflict: config.conflictPolicy, overlap: config.overlapPolicy, importMode: config.importMode },
    brake: config.brake,
    roomsAtATime: plannedAtATime,
  });
}

export interface PlanReportOptions {
  readonly planner: Planner;
  readonly start: Start;
  readonly tell: Tell;
  readonly stopping: AbortSignal;
}

/** Returns a function that reports the plan to the log and the live feed while nothing may be written. */
export function createPlanReport({ planner, start, tell, stopping }: PlanReportOptions) {
  return async (signal: AbortSignal): Promise<void> => {
    if ((await start.read()).writes) return;
    const wish = { resourceId: null, itemsMost: 0, withinMs: planReportMs };
    const until = AbortSignal.any([signal, stopping]);
    let plan = await planner.plan(wish, until);
    // right after the start nothing may be sent, and a room may be busy: a complete plan is worth the wait
    for (let again = 0; again < 4 && plan !== null && !plan.complete; again += 1) {
      await pause(500, undefined, { signal: until });
      plan = await planner.plan(wish, until);
    }
    if (plan === null) return;
    const { rooms, complete, counts, equal, held } = plan;
    tell({ fact: 'planned', rooms: rooms.length, complete, counts, equal, held });
  };
}
