/** Plans: what a sync would do, on sessions that commit nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { openPlanPool } from '../database.ts';
import type { Tell } from '../facts.ts';
import { createPlanner, type Planner } from '../sync/plan/plan.ts';
import type { OutlookSide } from '../sync/outlook-side.ts';
import type { Start } from '../sync/worker/start-mode.ts';

/** Two rooms at a time, so that planning is never what the daemon is busy with. */
const plannedAtATime = 2;
/** The report of a plan takes no longer than this; rooms whose turn did not come are in the next one. */
const planReportMs = 300_000;

/** `outlook` is asked for when a plan is read; `opened` closes the sessions. */
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

/** Returns what tells the plan, for the log and the live feed, while nothing is written; later it does nothing. */
export function createPlanReport({ planner, start, tell, stopping }: PlanReportOptions) {
  return async (signal: AbortSignal): Promise<void> => {
    if ((await start.read()).writes) return;
    const wish = { resourceId: null, itemsMost: 0, withinMs: planReportMs };
    const until = AbortSignal.any([signal, stopping]);
    let plan = await planner.plan(wish, until);
    // right after the start nothing may be sent yet, and a room may be busy: a whole plan is worth a moment
    for (let again = 0; again < 4 && plan !== null && !plan.complete; again += 1) {
      await pause(500, undefined, { signal: until });
      plan = await planner.plan(wish, until);
    }
    if (plan === null) return;
    const { rooms, complete, counts, equal, held } = plan;
    tell({ fact: 'planned', rooms: rooms.length, complete, counts, equal, held });
  };
}
