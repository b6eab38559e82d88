/** The daemon's health, derived from the reported facts without any request. */
import type { Fact } from '../facts.ts';

export interface HealthState {
  readonly startedAt: Date;
  readonly uptimeSeconds: number;
  readonly replica: string | null;
  readonly listener: { readonly heard: boolean; readonly reason: string | null; readonly since: Date | null };
  /** The start of an outage of a whole side; null: none. */
  readonly outages: { readonly outlook: Outage | null; readonly booking: Outage | null };
  /** The number of changes since the start that a trigger could not record; each caused a comparison of all rooms. */
  readonly missedCaptures: number;
  readonly bugs: number;
}

interface Outage {
  readonly since: Date;
  readonly error: string;
  readonly hint: string | null;
  /** It answers, but a person has to repair something before it can be used. */
  readonly refused: boolean;
}

export function createHealth(now: () => Date = () => new Date()) {
  const startedAt = now();
  let replica: string | null = null;
  let listener: HealthState['listener'] = { heard: false, reason: 'not connected yet', since: null };
  let outages: HealthState['outages'] = { outlook: null, booking: null };
  let missedCaptures = 0;
  let bugs = 0;

  function observe(fact: Fact): void {
    if (fact.fact === 'started') replica = fact.replica;
    else if (fact.fact === 'listening')
      listener = { heard: fact.heard, reason: fact.heard ? null : fact.reason, since: now() };
    else if (fact.fact === 'outage') {
      const { side, error, hint, refused = false } = fact;
      outages = { ...outages, [side]: { since: now(), error, hint, refused } };
    } else if (fact.fact === 'outage-over') outages = { ...outages, [fact.side]: null };
    else if (fact.fact === 'capture-missed') missedCaptures += fact.times;
    else if (fact.fact === 'bug') bugs += 1;
  }

  return {
    observe,
    state: (): HealthState => ({
      startedAt,
      uptimeSeconds: Math.floor((now().getTime() - startedAt.getTime()) / 1_000),
      replica,
      listener,
      outages,
      missedCaptures,
      bugs,
    }),
  };
}
