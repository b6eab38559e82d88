/** What `demo` prints: plain lines, coloured on a terminal only. */
import { styleText } from 'node:util';
import type { Fact } from '../facts.ts';
import type { Arrival, Comparison } from '../sandbox/compare.ts';
import type { Visit } from '../sandbox/visitors.ts';
import { rooms } from '../sandbox/world.ts';

/** What has happened since the start. */
export interface Tally {
  readonly done: number;
  readonly waiting: number;
  /** Of single changes: from the clerk's commit to Graph's answer, and without what Graph took. */
  readonly totalMs: readonly number[];
  readonly ownMs: readonly number[];
  /** Of what was done in Outlook: until it stood in the booking tables. */
  readonly visitMs: readonly number[];
}

/** A change that nobody of the demo made. */
export interface HandMade {
  readonly type: string;
  readonly id: number;
  readonly action: string;
  readonly room: string;
  readonly ms: number;
  readonly at: number;
}

export type DemoScreen = ReturnType<typeof createDemoScreen>;

const troubleEveryMs = 60_000;
/** Where the cells of a line end. */
const ends = [44, 63, 89];

export function createDemoScreen(out: NodeJS.WriteStream) {
  const closed = new AbortController();
  const startedAt = performance.now();
  const lastTold = new Map<string, number>();
  // a pipe whose reader has left: nobody is watching any more
  out.on('error', (error) => closed.abort(error));

  const paint = (color: Parameters<typeof styleText>[0], text: string) =>
    styleText(color, text, { stream: out });
  const line = (text = '') => {
    if (!closed.signal.aborted) out.write(`${text}\n`);
  };
  const now = () => paint('dim', new Date().toLocaleTimeString('en-GB'));

  const recently = (key: string) => performance.now() - (lastTold.get(key) ?? -Infinity) < troubleEveryMs;

  /** Trouble, each kind at most once a minute for a room. */
  function trouble(fact: Fact): void {
    const told = troubleInWords(fact)?.replaceAll('..', '.') ?? null;
    // the brake's own line says what its many parked items would
    const braked = 'room' in fact && recently(`brake-held ${fact.room}`);
    if (told === null || (fact.fact === 'item-parked' && braked)) return;
    const key = `${fact.fact} ${'room' in fact ? fact.room : ''}`;
    if (recently(key)) return;
    lastTold.set(key, performance.now());
    line(`${now()}  ${paint('yellow', '!')} ${told}`);
  }

  function equality(comparison: Comparison | null): string {
    if (comparison === null) return 'stopped';
    const { reservations, events, differences } = comparison;
    return differences.length === 0
      ? paint('green', `both sides equal: yes (${events} in ${rooms.length} rooms)`)
      : paint('red', `both sides equal: no (${reservations} booked, ${events} in Outlook)`);
  }
  /** What was done; a cell that is too long takes the room that the next one leaves. */
  const deed = (verb: string, what: string, where: string, when: string) =>
    `${now()}  ${[what, where, when].reduce((row, cell, at) => `${row} ${cell}`.padEnd(ends[at]!), verb.padEnd(11))}`;
  const change = (verb: string, what: string, where: string, when: string, took: string) =>
    line(`${deed(verb, what, where, when)} →  Outlook ${paint('green', took)}`);

  return {
    /** Aborts when nobody reads any more. */
    closed: closed.signal,
    line,
    trouble,
    opening(latencyMs: number): void {
      line(
        paint(
          'bold',
          'A small municipality books its rooms at the desk and in Outlook, and every change goes to the other side. Ctrl-C ends it.',
        ),
      );
      const graph =
        latencyMs === 0 ? 'answers at once' : `takes about ${latencyMs} ms for a call, as the real one may`;
      line(`Microsoft's side is simulated on this machine and ${graph} (--latency MS).\n`);
    },
    step(what: string): void {
      line(
        `${paint('dim', `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5)} s`)}  ${what}`,
      );
    },
    whereToLook(url: string, databaseUrl: string): void {
      line(
        `\n  look   ${paint('cyan', url)}   the dashboard; all endpoints, to read and to try: ${url}/docs`,
      );
      line(`  play   ${paint('cyan', `psql ${databaseUrl}`)}`);
      line(`         for example: UPDATE bb_event SET name = 'Mine' WHERE id = 1000;\n`);
    },
    arrival({ act, ms, graphMs }: Arrival): void {
      const places = act.resources.map((id) => rooms.find((room) => room.resource === id)?.name ?? id);
      const where = places.join(act.verb === 'other room' ? ' → ' : ' + ');
      const slowest = Math.max(...ms);
      const took =
        act.touched.length > 1
          ? `${round(Math.min(...ms))} to ${round(slowest)} ms`
          : `${round(slowest).padStart(4)} ms${paint('dim', `  (Graph ${round(graphMs[ms.indexOf(slowest)]!)})`)}`;
      change(act.verb, `«${act.title}»`, where, act.when, took);
    },
    visited({ verb, title, room, when }: Visit, ms: number): void {
      const took = paint('cyan', `${round(ms).padStart(4)} ms`);
      line(`${deed(verb, `«${title}»`, room.name, when)} ←  Outlook ${took}`);
    },
    byHand(made: readonly HandMade[]): void {
      const slowest = round(Math.max(...made.map(({ ms }) => ms)));
      const [first] = made;
      if (made.length === 1 && first !== undefined)
        change('by hand', `${first.type} ${first.id}`, first.room, first.action, `${slowest.padStart(4)} ms`);
      else
        change(
          'by hand',
          `${made.length} changes`,
          [...new Set(made.map(({ room }) => room))].join(', '),
          '',
          `up to ${slowest} ms`,
        );
    },
    summary({ done, waiting, totalMs, ownMs, visitMs }: Tally, comparison: Comparison | null): void {
      const arrived = waiting === 0 ? 'all on the other side' : `${waiting} under way`;
      const share = (of: readonly number[]) =>
        `p50 ${round(percentile(of, 50))}, p99 ${round(percentile(of, 99))} ms`;
      const there =
        totalMs.length === 0 ? '' : `; to Outlook ${share(totalMs)} (without Graph's part ${share(ownMs)})`;
      const back = visitMs.length === 0 ? '' : `; from Outlook ${share(visitMs)}`;
      const times = there + back;
      line(
        `${now()}  ${paint('bold', `${done} ${done === 1 ? 'change' : 'changes'}, ${arrived}`)}${times}; ${equality(comparison)}`,
      );
      for (const difference of comparison?.differences.slice(0, 3) ?? []) line(`          ${difference}`);
    },
  };
}

function troubleInWords(fact: Fact): string | null {
  const then = (hint: string | null) => (hint === null ? '' : ` ${hint}`);
  switch (fact.fact) {
    case 'outage':
      return `${sideName(fact.side)} is out of reach: ${fact.error}.${then(fact.hint)}`;
    case 'outage-over':
      return `${sideName(fact.side)} is back after ${(fact.ms / 1_000).toFixed(1)} s.`;
    case 'start-held':
      return `${fact.error} ${fact.hint}`;
    case 'room-held':
    case 'room-refused':
    case 'room-resting':
      return `${fact.room} waits: ${fact.error}.${then(fact.hint)}`;
    case 'item-parked':
      return `${fact.reservationType} ${fact.reservationId} in ${fact.room}: ${fact.error}.${then(fact.hint)}`;
    case 'brake-held':
      return `${fact.room}: ${fact.wanted} of ${fact.synced} would be taken away; nothing is until you release or refuse it (POST /rooms/${fact.resourceId}/brake/release or …/refuse).`;
    case 'lease-lost':
      return `The connection that holds the rooms was lost: ${fact.reason}. It is opened again.`;
    case 'listening':
      return fact.heard ? null : `Not listening: ${fact.reason}`;
    case 'capture-missed':
      return 'A trigger could not note a change; everything is compared.';
    case 'capture-broken':
      return `Triggers are missing or disabled: ${fact.triggers.join(', ')}. Run migrate.`;
    case 'bug':
      return `A bug in ${fact.where}: ${fact.error.stack ?? fact.error.message}`;
    case 'conflict':
      return `${fact.room}: ${fact.error}${then(fact.hint)}`;
    case 'pushed':
    case 'pulled':
    case 'planned':
    case 'plan-confirmed':
    case 'room-pulled':
    case 'conflict-over':
    case 'item-delayed':
    case 'room-well':
    case 'room-baselined':
    case 'room-reconciled':
    case 'subscription':
    case 'subscription-failed':
    case 'notified':
    case 'notifications-rejected':
    case 'alert':
    case 'alert-undelivered':
    case 'schedule-ran':
    case 'report':
    case 'started':
    case 'stopped':
      return null;
  }
}

const sideName = (side: 'outlook' | 'booking') =>
  side === 'outlook' ? 'Microsoft Graph' : "The booking system's database";
const round = (ms: number) => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)));

/** Nearest rank. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)] ?? 0;
}
