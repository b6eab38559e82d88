/** The context of a scenario: both sides, the daemon, fault injection, the screen, and the comparison of both sides. */
import type { Fact } from '../facts.ts';
import type { Comparison } from '../sandbox/compare.ts';
import { compareSides } from '../sandbox/compare.ts';
import type { RunningDaemon } from '../sandbox/daemon.ts';
import { createDesk } from '../sandbox/desk.ts';
import type { Journalled } from '../sandbox/tenant/journal.ts';
import { rooms, type Room, type World } from '../sandbox/world.ts';
import type { DemoScreen } from './demo-screen.ts';
import { waitUntil } from './demo-until.ts';

export interface Scenario {
  /** Name on the command line. */
  readonly name: string;
  /** Key on the keyboard. */
  readonly key: string;
  readonly title: string;
  /** Resolves when both sides are equal again; rejects if they are not within a minute. */
  readonly run: (context: ScenarioContext) => Promise<void>;
}

/** A choice that the scenario leaves to the user. */
export interface Choice {
  readonly key: string;
  readonly text: string;
}

export interface FactRecorder extends Disposable {
  /** Resolves with the first recorded fact that matches. Rejects after a minute. */
  readonly first: (matches: (fact: Fact) => boolean) => Promise<Fact>;
}

export interface ContextParts {
  readonly world: World;
  readonly daemon: RunningDaemon;
  readonly screen: DemoScreen;
  /** Resolves with the key of the choice; null: there is no keyboard, and the first choice is taken. */
  readonly choose: ((choices: readonly Choice[], until: AbortSignal) => Promise<string>) | null;
  readonly signal: AbortSignal;
}

/** The time that both sides have to be equal again. */
const equalWithinMs = 60_000;
/** Days from today that the clerk and the visitors do not use. */
const firstDay = 130;
const days = 100;

export type ScenarioContext = ReturnType<typeof createContext>;

/** One context for the whole demo, so that no two runs use the same day. */
export function createContext({ world, daemon, screen, choose, signal }: ContextParts) {
  let taken = 0;

  const compare = (): Promise<Comparison> => compareSides(world.db, world.tenant, rooms);

  return {
    world,
    daemon,
    signal,
    /** Whether there is a keyboard. */
    attended: choose !== null,
    desk: createDesk(world.db),
    people: world.tenant.people,
    room: (resource: number): Room => rooms.find((room) => room.resource === resource)!,
    /** Returns an unused day as 'YYYY-MM-DD'. */
    day(): string {
      const at = new Date(Date.now() + (firstDay + (taken % days)) * 86_400_000);
      taken += 1;
      return at.toISOString().slice(0, 10);
    },
    /** Prints a labelled line. */
    say: (label: string, text: string): void => screen.labelled(label, text),
    /** The calls to Graph after `from`, oldest first. */
    callsSince: (seq: number): readonly Journalled[] => world.tenant.journal.filter((call) => call.seq > seq),
    lastCall: (): number => world.tenant.journal.at(-1)?.seq ?? 0,
    compare,
    /** Resolves when both sides are equal, with the time it took in ms and the comparison. */
    async untilEqual(): Promise<{ readonly ms: number; readonly comparison: Comparison }> {
      const from = performance.now();
      const last: { comparison: Comparison | null } = { comparison: null };
      await waitUntil(
        async () => (last.comparison = await compare()).differences.length === 0,
        equalWithinMs,
        () => `Both sides still differ: ${last.comparison?.differences.slice(0, 3).join('; ')}`,
        signal,
      );
      return { ms: performance.now() - from, comparison: last.comparison! };
    },
    /** Resolves when the daemon has no work left, including work after both sides were equal. */
    async untilAtRest(): Promise<void> {
      const isAtRest = async () => (await world.db.query<{ rest: boolean }>(atRest)).rows[0]!.rest;
      await waitUntil(isAtRest, equalWithinMs, () => 'The daemon still has work.', signal);
    },
    /** Records facts from now on; call it before the action that causes them. */
    recordFacts: (): FactRecorder => recordFacts(daemon, signal),
    /** Lets the user choose; null if the choice is made elsewhere first, for example on the dashboard. */
    async choice(choices: readonly Choice[], isChosen: () => Promise<boolean>): Promise<string | null> {
      if (choose === null) return choices[0]!.key;
      screen.labelled('you', choices.map(({ key, text }) => `${key}: ${text}`).join('; '));
      const over = new AbortController();
      const until = AbortSignal.any([signal, over.signal]);
      const elsewhere = waitUntil(isChosen, Infinity, () => '', until).then(() => null);
      try {
        return await Promise.race([choose(choices, until), elsewhere]);
      } finally {
        over.abort();
        elsewhere.catch(() => undefined); // no longer needed
      }
    },
    /** Calls the daemon's HTTP API as the dashboard does. Throws the problem if it is refused. */
    async api<T>(path: string, body?: object): Promise<T> {
      const answer = await fetch(new URL(path, daemon.url), {
        signal,
        ...(body === undefined
          ? {}
          : {
              method: 'POST',
              headers: { 'Content-Type': 'application/json' },
              body: JSON.stringify(body),
            }),
      });
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
      return (await answer.json()) as T;
    },
  };
}

function recordFacts(daemon: RunningDaemon, signal: AbortSignal): FactRecorder {
  const facts: Fact[] = [];
  const waiting = new Set<() => void>();
  const unwatch = daemon.watch((fact) => {
    facts.push(fact);
    for (const check of waiting) check();
  });
  return {
    first(matches) {
      const { promise, resolve, reject } = Promise.withResolvers<Fact>();
      const check = () => {
        const found = facts.find(matches);
        if (found !== undefined) resolve(found);
      };
      const timer = setTimeout(
        () => reject(new Error('The daemon did not report the expected fact.')),
        equalWithinMs,
      );
      const stopped = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stopped);
      waiting.add(check);
      check();
      return promise.finally(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stopped);
        waiting.delete(check);
      });
    },
    [Symbol.dispose]: unwatch,
  };
}

const atRest = `
  SELECT NOT EXISTS (SELECT FROM bridge_changes)
    AND NOT EXISTS (SELECT FROM bridge_mappings WHERE due_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM bridge_room_state
      WHERE push_due_at IS NOT NULL OR lease_owner IS NOT NULL OR pull_due_at <= now()) AS rest`;

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 9_950 ? 2 : 1)} s`;

export const many = (count: number, one: string, more = `${one}s`): string =>
  `${count} ${count === 1 ? one : more}`;
