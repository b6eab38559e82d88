/** How the daemon is, put together from the facts it is told. Nothing is asked of anybody: what was told last counts. */
import type { Fact } from '../facts.ts';

export interface HealthState {
  readonly startedAt: Date;
  readonly uptimeSeconds: number;
  readonly replica: string | null;
  readonly listener: { readonly heard: boolean; readonly reason: string | null; readonly since: Date | null };
  /** Since when a side as a whole is unreachable; null: it is not. */
  readonly outages: { readonly outlook: Outage | null; readonly booking: Outage | null };
  /** How often a trigger could not note a change since the start; each time everything was compared. */
  readonly missedCaptures: number;
  readonly bugs: number;
}

interface Outage {
  readonly since: Date;
  readonly error: string;
  readonly hint: string | null;
  /** It answers, and does not let us work. */
  readonly refused: boolean;
}

const outageOf = (
  { error, hint, refused = false }: Extract<Fact, { fact: 'outage' }>,
  since: Date,
): Outage => ({
  since,
  error,
  hint,
  refused,
});

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
    else if (fact.fact === 'outage') outages = { ...outages, [fact.side]: outageOf(fact, now()) };
    else if (fact.fact === 'outage-over') outages = { ...outages, [fact.side]: null };
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
