/** The day of the demo: who works at which side, what arrives on the other, and whether both are equal. */
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Act, Actor } from '../sandbox/clerk.ts';
import { compareSides, watchArrivals, type Arrival, type Comparison } from '../sandbox/compare.ts';
import { createRandom } from '../sandbox/tenant/random.ts';
import type { RunningDaemon } from '../sandbox/daemon.ts';
import { rooms, type World } from '../sandbox/world.ts';
import { hasArrived, type Visit, type Visitors } from '../sandbox/visitors.ts';
import { monotonicMs } from '../sandbox/tenant/clock.ts';
import type { Keys } from './demo-keys.ts';
import type { Scenario, Stage } from './demo-scenario.ts';
import { scenarios } from './demo-scenarios.ts';
import type { DemoScreen, HandMade } from './demo-screen.ts';

export interface Play {
  readonly world: World;
  /** They take turns: one at the booking desk, others in Outlook. */
  readonly clerk: Actor;
  readonly visitors: Visitors;
  readonly daemon: RunningDaemon;
  readonly screen: DemoScreen;
  /** Faults are played at a key. */
  readonly keys: Keys;
  readonly stage: Stage;
  /** Null: until the signal. */
  readonly seconds: number | null;
  /** After so many changes the actors rest, and all stays as it is; null: they never do. */
  readonly changes: number | null;
  readonly seed: number;
}

const summaryEveryMs = 10_000;
/** What is under way when both sides are compared has this long to arrive. */
const settleMs = 3_000;
export const lastSettleMs = 15_000;

/** Lets the actors work and tells what arrives, until the time is over. Returns the exit code. */
export async function play(options: Play, signal: AbortSignal): Promise<number> {
  const { world, clerk, visitors, daemon, screen, keys, stage, seconds, changes, seed } = options;
  const over = seconds === null ? [] : [AbortSignal.timeout(seconds * 1_000)];
  const until = AbortSignal.any([signal, ...over]);
  const random = createRandom(seed + 1);
  const tally = createTally();
  using byHand = watchHands(daemon, screen);
  const arrivals = watchArrivals(world.db, world.tenant, world.roomOfMailbox, (arrival) => {
    tally.add(arrival);
    screen.arrival(arrival);
  });
  using visits = watchVisits(daemon, world, (visit, ms) => {
    tally.addVisit(ms);
    screen.visited(visit, ms);
  });
  const open = () => arrivals.waiting + visits.waiting;
  const watching = new AbortController();
  const watched = arrivals.run(AbortSignal.any([signal, watching.signal]));
  const summarize = async (waitMs: number) => {
    const givesUpAt = performance.now() + waitMs;
    const comparison = await settledComparison(world, signal, waitMs);
    // both sides may be equal a moment before we are told so
    while (open() > 0 && performance.now() < givesUpAt && !signal.aborted)
      await pause(50, undefined, { signal }).catch(() => undefined); // the loop's condition sees the end
    screen.summary({ ...tally, waiting: open() }, comparison);
    return comparison.differences.length === 0 && open() === 0;
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
    byHand.not(act);
    await arrivals.expect(act);
  };
  /** Plays what was asked for by key, while everybody else watches. */
  const playScenarios = async () => {
    for (let key = keys.take(); key !== null && !until.aborted; key = keys.take()) {
      const scenario = scenarios.find((one) => one.key === key);
      if (scenario === undefined) continue;
      byHand.rest();
      await settledComparison(world, signal, settleMs);
      await playScenario(scenario, stage, screen);
      screen.keysAgain(scenarios);
      keys.clear();
      byHand.goOn();
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
        // about one a second, and now and then nobody comes to the desk for a while
        const restMs = turn % 15 === 14 ? 3_000 : 500 + random.below(900);
        await keys.pressed(AbortSignal.any([until, AbortSignal.timeout(restMs)]));
      }
      await playScenarios();
      if (performance.now() < summaryAt || until.aborted) continue;
      await summarize(settleMs);
      summaryAt = performance.now() + summaryEveryMs;
    }
    if (!signal.aborted) return (await summarize(lastSettleMs)) ? 0 : 1;
    screen.summary({ ...tally, waiting: open() }, null);
    return 0;
  } finally {
    watching.abort();
    await watched;
  }
}

/** Plays one of them, with its head. Returns whether both sides were equal when all was done; what kept them from it is told. */
export async function playScenario(scenario: Scenario, stage: Stage, screen: DemoScreen): Promise<boolean> {
  screen.scenario(scenario.title);
  try {
    await scenario.play(stage);
    await stage.untilAtRest();
    const comparison = await stage.compare();
    screen.verdict(comparison);
    return comparison.differences.length === 0;
  } catch (error) {
    if (stage.signal.aborted) throw error;
    screen.told('result', messageOf(error));
    return false;
  }
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
      // a season's bookings wait for each other, four at a time: its own line tells how long
      if (act.touched.length > 1) return;
      ms.forEach((total, at) => {
        keep(this.totalMs, total);
        keep(this.ownMs, Math.max(0, total - graphMs[at]!));
      });
    },
  };
}

/** Both sides as soon as they are equal, or as they are after `waitMs`. */
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

/** Tells when what was done in Outlook stands in the booking tables, by looking there after whatever the daemon wrote. */
function watchVisits(daemon: RunningDaemon, world: World, onArrival: (visit: Visit, ms: number) => void) {
  const waiting = new Set<Visit>();
  let looking = false;
  async function look(at: number): Promise<void> {
    if (looking) return;
    looking = true;
    for (const visit of [...waiting])
      if (await hasArrived(world.db, visit).catch(() => false)) {
        waiting.delete(visit);
        onArrival(visit, Math.max(0, at - visit.doneAt));
      }
    looking = false;
  }
  const unwatch = daemon.watch((fact) => {
    if (fact.fact === 'pulled') void look(monotonicMs());
  });
  // what another look was busy with, or was there before anybody asked
  const again = setInterval(() => void look(monotonicMs()), 250);
  return {
    get waiting() {
      return waiting.size;
    },
    expect: (visit: Visit) => void waiting.add(visit),
    [Symbol.dispose]() {
      clearInterval(again);
      unwatch();
    },
  };
}

/** Tells of what reached Outlook although no actor did it: somebody plays with psql. */
function watchHands(daemon: RunningDaemon, screen: DemoScreen) {
  const mine = new Map<string, number>();
  const heard = new Map<string, HandMade>();
  let resting = false;
  const unwatch = daemon.watch((fact) => {
    if (resting) return;
    if (fact.fact !== 'pushed' || fact.latencyMs === null) return;
    if (!['created', 'updated', 'deleted'].includes(fact.action)) return;
    const { reservationType: type, reservationId: id, action, room, latencyMs } = fact;
    if (type === null || id === null) return;
    heard.set(`${type} ${id} ${room}`, { type, id, action, room, ms: latencyMs, at: performance.now() });
  });
  // a moment later, because the daemon may be quicker than our note of who did it
  const looking = setInterval(() => {
    const now = performance.now();
    const due = [...heard].filter(([, { at }]) => now - at > 300);
    for (const [key] of due) heard.delete(key);
    const strange = due.map(([, one]) => one).filter(({ type, id }) => !mine.has(`${type} ${id}`));
    if (strange.length > 0) screen.byHand(strange);
    for (const [key, at] of mine) if (now - at > 5_000) mine.delete(key);
  }, 200);
  return {
    /** An actor did this. */
    not(act: Act): void {
      for (const { type, id } of act.touched) mine.set(`${type} ${id}`, performance.now());
    },
    /** Somebody else tells what is done. */
    rest: () => void (resting = true),
    goOn: () => void (resting = false),
    [Symbol.dispose]() {
      clearInterval(looking);
      unwatch();
    },
  };
}
