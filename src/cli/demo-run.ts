/** Runs the demo: lets the actors work on both sides, reports each change that arrives, and compares both sides at the end. */
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Act, Actor } from '../sandbox/clerk.ts';
import { compareSides, watchArrivals, type Arrival, type Comparison } from '../sandbox/compare.ts';
import { createRandom } from '../sandbox/tenant/random.ts';
import type { RunningDaemon } from '../sandbox/daemon.ts';
import { rooms, type Room, type World } from '../sandbox/world.ts';
import { hasArrived, type Visit, type Visitors } from '../sandbox/visitors.ts';
import { monotonicMs } from '../sandbox/tenant/clock.ts';
import type { Keys } from './demo-keys.ts';
import type { Scenario, ScenarioContext } from './demo-scenario.ts';
import { scenarios } from './demo-scenarios.ts';
import type { DemoScreen, ManualChange } from './demo-screen.ts';

export interface RunParts {
  readonly world: World;
  /** The actors take turns: one at the booking desk, others in Outlook. */
  readonly clerk: Actor;
  readonly visitors: Visitors;
  readonly daemon: RunningDaemon;
  readonly screen: DemoScreen;
  /** Each fault has a key. */
  readonly keys: Keys;
  readonly context: ScenarioContext;
  /** Null: until the signal. */
  readonly seconds: number | null;
  /** The actors stop after this number of changes; null: never. */
  readonly changes: number | null;
  readonly seed: number;
}

const summaryEveryMs = 10_000;
/** The time that changes under way have to arrive before both sides are compared. */
const settleMs = 3_000;
export const lastSettleMs = 15_000;

/** Lets the actors work and reports each change that arrives, until the time is over. Returns the exit code. */
export async function runActors(options: RunParts, signal: AbortSignal): Promise<number> {
  const { world, clerk, visitors, daemon, screen, keys, context, seconds, changes, seed } = options;
  const over = seconds === null ? [] : [AbortSignal.timeout(seconds * 1_000)];
  const until = AbortSignal.any([signal, ...over]);
  const random = createRandom(seed + 1);
  const tally = createTally();
  using manual = watchManualChanges(daemon, screen);
  const arrivals = watchArrivals(world.db, world.tenant, world.roomOfMailbox, (arrival) => {
    tally.add(arrival);
    screen.arrival(arrival);
  });
  using visits = watchVisits(daemon, world, (visit, ms) => {
    tally.addVisit(ms);
    screen.visited(visit, ms);
  });
  const open = () => [...arrivals.open(), ...visits.open()];
  const watching = new AbortController();
  const watched = arrivals.run(AbortSignal.any([signal, watching.signal]));
  const summarize = async (waitMs: number) => {
    const givesUpAt = performance.now() + waitMs;
    const comparison = await settledComparison(world, signal, waitMs);
    const held = await readHeldRooms(context);
    // both sides may be equal shortly before the report of it arrives
    while (countOpen(open(), held).waiting > 0 && performance.now() < givesUpAt && !signal.aborted)
      await pause(50, undefined, { signal }).catch(() => undefined); // the loop's condition ends it
    screen.summary({ ...tally, ...countOpen(open(), held) }, comparison);
    return comparison.differences.length === 0 && open().length === 0;
  };
  const actOnce = async (turn: number) => {
    if (turn % 3 === 1) {
      const visit = visitors.act();
      if (visit === null) return;
      tally.done += 1;
      visits.expect(visit);
      return;
    }
    const act = await clerk.act();
    if (act === null) return;
    tally.done += 1;
    manual.exclude(act);
    await arrivals.expect(act);
  };
  /** Runs the scenarios chosen by key; the actors pause meanwhile. */
  const runScenarios = async () => {
    for (let key = keys.take(); key !== null && !until.aborted; key = keys.take()) {
      const scenario = scenarios.find((one) => one.key === key);
      if (scenario === undefined) continue;
      manual.suspend();
      await settledComparison(world, signal, settleMs);
      await runScenario(scenario, context, screen);
      screen.keysAgain(scenarios);
      keys.clear();
      manual.resume();
    }
  };
  try {
    let summaryAt = performance.now() + summaryEveryMs;
    for (let turn = 0; !until.aborted; turn += 1) {
      if (changes !== null && tally.done >= changes) {
        await summarize(lastSettleMs);
        screen.resting();
        await keys.pressed(until);
      } else {
        await actOnce(turn);
        // about one change a second, with a longer pause now and then
        const restMs = turn % 15 === 14 ? 3_000 : 500 + random.below(900);
        await keys.pressed(AbortSignal.any([until, AbortSignal.timeout(restMs)]));
      }
      await runScenarios();
      if (performance.now() < summaryAt || until.aborted) continue;
      await summarize(settleMs);
      summaryAt = performance.now() + summaryEveryMs;
    }
    if (!signal.aborted) return (await summarize(lastSettleMs)) ? 0 : 1;
    screen.summary({ ...tally, ...countOpen(open(), new Set()) }, null);
    return 0;
  } finally {
    watching.abort();
    await watched;
  }
}

/** Runs one scenario. Returns whether both sides were equal at the end, and prints the error if they were not. */
export async function runScenario(
  scenario: Scenario,
  context: ScenarioContext,
  screen: DemoScreen,
): Promise<boolean> {
  screen.scenario(scenario.title);
  try {
    await scenario.run(context);
    await context.untilAtRest();
    const comparison = await context.compare();
    screen.verdict(comparison);
    return comparison.differences.length === 0;
  } catch (error) {
    if (context.signal.aborted) throw error;
    screen.labelled('result', messageOf(error));
    return false;
  }
}

/** The rooms in which the brake holds removals. Empty if the daemon does not answer. */
async function readHeldRooms({ api }: ScenarioContext): Promise<ReadonlySet<number>> {
  const answer = await api<{ rooms: { resource_id: number; held: number }[] }>('/rooms').catch(() => null);
  return new Set(answer?.rooms.filter(({ held }) => held > 0).map((room) => room.resource_id));
}

/**
 * The number of changes under way, and of those that arrive only after a person's decision, because the brake holds their rooms.
 * `open`: the rooms in which each change has not arrived; `held`: resources.
 */
export function countOpen(
  open: readonly (readonly Pick<Room, 'resource'>[])[],
  held: ReadonlySet<number>,
): { readonly waiting: number; readonly held: number } {
  const holding = open.filter((some) => some.every(({ resource }) => held.has(resource))).length;
  return { waiting: open.length - holding, held: holding };
}

function createTally() {
  const most = 10_000;
  const keep = (list: number[], value: number) => {
    list.push(value);
    if (list.length > most) list.shift();
  };
  return {
    done: 0,
    totalMs: [] as number[],
    ownMs: [] as number[],
    visitMs: [] as number[],
    addVisit(ms: number): void {
      keep(this.visitMs, ms);
    },
    add({ act, ms, graphMs }: Arrival): void {
      // a season's bookings wait for each other, four at a time; their line shows the time
      if (act.touched.length > 1) return;
      ms.forEach((total, at) => {
        keep(this.totalMs, total);
        keep(this.ownMs, Math.max(0, total - graphMs[at]!));
      });
    },
  };
}

/** Compares both sides until they are equal, at most for `waitMs`; returns the last comparison. */
export async function settledComparison(
  world: World,
  signal: AbortSignal,
  waitMs: number,
): Promise<Comparison> {
  const givesUpAt = performance.now() + waitMs;
  for (;;) {
    const comparison = await compareSides(world.db, world.tenant, rooms);
    if (comparison.differences.length === 0 || performance.now() > givesUpAt) return comparison;
    await pause(50, undefined, { signal });
  }
}

/** Reports when a change in Outlook is in the booking tables, by reading them after each write of the daemon. */
function watchVisits(daemon: RunningDaemon, world: World, onArrival: (visit: Visit, ms: number) => void) {
  const waiting = new Set<Visit>();
  let checking = false;
  async function check(at: number): Promise<void> {
    if (checking) return;
    checking = true;
    for (const visit of [...waiting])
      if (await hasArrived(world.db, visit).catch(() => false)) {
        waiting.delete(visit);
        onArrival(visit, Math.max(0, at - visit.doneAt));
      }
    checking = false;
  }
  const unwatch = daemon.watch((fact) => {
    if (fact.fact === 'pulled') void check(monotonicMs());
  });
  // changes that a running check missed, or that had arrived before they were expected
  const again = setInterval(() => void check(monotonicMs()), 250);
  return {
    open: () => [...waiting].map(({ room }) => [room]),
    expect: (visit: Visit) => void waiting.add(visit),
    [Symbol.dispose]() {
      clearInterval(again);
      unwatch();
    },
  };
}

/** Reports changes that reached Outlook and that no actor made, for example by psql. */
function watchManualChanges(daemon: RunningDaemon, screen: DemoScreen) {
  const ofActors = new Map<string, number>();
  const pushed = new Map<string, ManualChange>();
  let suspended = false;
  const unwatch = daemon.watch((fact) => {
    if (suspended) return;
    if (fact.fact !== 'pushed' || fact.latencyMs === null) return;
    if (!['created', 'updated', 'deleted'].includes(fact.action)) return;
    const { reservationType: type, reservationId: id, action, room, latencyMs } = fact;
    if (type === null || id === null) return;
    pushed.set(`${type} ${id} ${room}`, { type, id, action, room, ms: latencyMs, at: performance.now() });
  });
  // delayed, because the daemon may report a change before the actor is recorded
  const checks = setInterval(() => {
    const now = performance.now();
    const due = [...pushed].filter(([, { at }]) => now - at > 300);
    for (const [key] of due) pushed.delete(key);
    const manual = due.map(([, one]) => one).filter(({ type, id }) => !ofActors.has(`${type} ${id}`));
    if (manual.length > 0) screen.manual(manual);
    for (const [key, at] of ofActors) if (now - at > 5_000) ofActors.delete(key);
  }, 200);
  return {
    /** Records that an actor made this change. */
    exclude(act: Act): void {
      for (const { type, id } of act.touched) ofActors.set(`${type} ${id}`, performance.now());
    },
    /** Suspends the reports while a scenario prints its own. */
    suspend: () => void (suspended = true),
    resume: () => void (suspended = false),
    [Symbol.dispose]() {
      clearInterval(checks);
      unwatch();
    },
  };
}
