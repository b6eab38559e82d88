/** The output of `demo`: plain lines of at most 80 columns, coloured on a terminal only. */
import { stripVTControlCharacters, styleText } from 'node:util';
import type { Fact } from '../facts.ts';
import type { Id } from '../id.ts';
import { suggestedEvent } from '../sandbox/clerk.ts';
import type { Arrival, Comparison } from '../sandbox/compare.ts';
import type { Visit } from '../sandbox/visitors.ts';
import { rooms } from '../sandbox/world.ts';
import { oneLine } from './terminal.ts';

/** Totals since the start. */
interface Tally {
  readonly done: number;
  readonly waiting: number;
  /** Changes in rooms in which the brake holds removals. */
  readonly held: number;
  /** Single changes: from the clerk's commit to Graph's answer; `ownMs` excludes the time that Graph took. */
  readonly totalMs: readonly number[];
  readonly ownMs: readonly number[];
  /** Changes in Outlook: until they are in the booking tables. */
  readonly visitMs: readonly number[];
}

/** A change that no actor of the demo made. */
export interface ManualChange {
  readonly type: string;
  readonly id: Id;
  readonly action: string;
  readonly room: string;
  readonly ms: number;
  readonly at: number;
}

export type DemoScreen = ReturnType<typeof createDemoScreen>;

const troubleEveryMs = 60_000;
const columns = 80;
/** Width of the time before the text of a line. */
const timeColumns = 10;
/** Widths of the two texts of a change: its title and its rooms. */
const titleColumns = 17;
const roomColumns = 14;
const whenColumns = 16;
const labelColors: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  fault: 'red',
  result: 'green',
  desk: 'cyan',
  outlook: 'cyan',
  you: 'yellow',
};

/** The line after the last change of `--changes`. */
export const restingText = 'no more changes';

type Color = Parameters<typeof styleText>[0];

/** Writes lines of at most 80 columns until the reader of the output has gone. */
function createPrinter(out: NodeJS.WriteStream) {
  const closed = new AbortController();
  const startedAt = performance.now();
  // the reader of the pipe has gone
  out.on('error', (error) => closed.abort(error));

  const paint = (color: Color, text: string) => styleText(color, text, { stream: out });
  /** Breaks a long line between words; continuation lines are indented by `indent` columns. */
  const line = (text = '', indent = timeColumns) => {
    if (!closed.signal.aborted) out.write(`${wrapped(text, indent)}\n`);
  };
  return {
    closed: closed.signal,
    paint,
    line,
    /** A line below another one, under its text. */
    more: (text: string) => line(`${' '.repeat(timeColumns)}${text}`),
    now: () => paint('dim', new Date().toLocaleTimeString('en-GB')),
    /** A step of the start, with the time since its begin. */
    step(text: string): void {
      const at = `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5)} s`;
      line(`${paint('dim', at)}  ${text}`, 9);
    },
  };
}

type Printer = ReturnType<typeof createPrinter>;

export function createDemoScreen(out: NodeJS.WriteStream) {
  const printer = createPrinter(out);
  const { closed, line, step } = printer;
  const { problem, setAddress } = troubles(printer);
  return {
    /** Aborts when the reader of the output has gone. */
    closed,
    line,
    step,
    problem,
    /** The URL of the daemon. */
    served(url: string, pid: number): void {
      setAddress(url);
      step(`daemon started: process ${pid}, ${url}`);
    },
    ...guide(printer),
    ...changes(printer),
    ...reports(printer),
  };
}

/** Problems that the daemon reports. */
function troubles({ line, now, paint }: Printer) {
  const lastShown = new Map<string, number>();
  /** URL of the daemon. */
  let address = '';
  const recently = (key: string) => performance.now() - (lastShown.get(key) ?? -Infinity) < troubleEveryMs;

  /** Prints each kind of problem at most once a minute per room. */
  function problem(fact: Fact): void {
    const text = troubleInWords(fact, address)?.replaceAll('..', '.') ?? null;
    // the brake's line already covers its parked items
    const braked = 'room' in fact && recently(`brake-held ${fact.room}`);
    if (text === null || (fact.fact === 'item-parked' && braked)) return;
    const key = `${fact.fact} ${'room' in fact ? fact.room : ''}`;
    if (recently(key)) return;
    lastShown.set(key, performance.now());
    const [first, ...more] = text.split('\n').map(oneLine);
    line(
      [
        `${now()}  ${paint('yellow', '!')} ${first}`,
        ...more.map((rest) => ' '.repeat(timeColumns) + rest),
      ].join('\n'),
    );
  }

  return { problem, setAddress: (url: string) => void (address = url) };
}

/** Texts that explain the demo. */
const guide = ({ line, paint }: Printer) => ({
  opening(latencyMs: number): void {
    const graph = latencyMs === 0 ? 'and answers at once' : `with about ${latencyMs} ms per call`;
    line(paint('bold', 'A small municipality books rooms at its desk and in Outlook.'), 0);
    line(paint('bold', 'The bridge copies every change to the other side. Press Ctrl-C to stop.'), 0);
    line(`Microsoft Graph is simulated here, ${graph} (--latency MS).\n`, 0);
  },
  /** The head of a scenario. */
  scenario(title: string): void {
    line();
    line(paint('bold', `── ${title} ${'─'.repeat(Math.max(0, columns - 4 - title.length))}`), 0);
  },
  /** A line of a scenario, labelled with its actor. */
  labelled(label: string, text: string): void {
    line(`${paint(labelColors[label] ?? 'dim', label.padEnd(timeColumns))}${text}`);
  },
  keys(scenarios: readonly { readonly key: string; readonly title: string }[]): void {
    line('  keys   each injects a fault:');
    for (const { key, title } of scenarios) line(`    ${paint('cyan', key)}    ${title}`);
    line(`    ${paint('cyan', 'q')}    stop the demo`);
    line();
  },
  /** The keys in short, after a scenario. */
  keysAgain(scenarios: readonly { readonly key: string }[]): void {
    line(
      `\n  keys   ${scenarios.map(({ key }) => paint('cyan', key)).join(' ')}, ${paint('cyan', 'q')} stops the demo\n`,
    );
  },
  /** `sql`: the command that runs a statement; `psql`: the same with psql, or null without psql. */
  whereToStart(url: string, sql: string, psql: string | null): void {
    line(`\n  open   ${paint('cyan', url)}   the dashboard`);
    line(`         ${paint('cyan', `${url}/docs`)}   all endpoints, to read and to try`);
    line('  try    in a second terminal, in this folder:');
    line(`    ${paint('cyan', `${sql} "UPDATE bb_event SET name='Mine' WHERE id=${suggestedEvent}"`)}`);
    line(`    ${paint('cyan', `${sql} "DELETE FROM bb_event_resource WHERE resource_id=103"`)}`);
    line('         The second empties a room, as by accident: the brake stops it.');
    if (psql !== null) line(`    ${paint('cyan', psql)}`, 4);
    line();
  },
});

/** Changes that have arrived on the other side. */
function changes({ line, now, paint }: Printer) {
  /** One change; the room names take the columns that a short title leaves free. */
  function changeText(verb: string, what: string, where: string, when: string): string {
    const both = titleColumns + 1 + roomColumns;
    const title = short(what, Math.max(titleColumns, both - 1 - where.length));
    const room = short(where, both - 1 - title.length);
    const cells = `${title.padEnd(Math.min(titleColumns, both - 1 - room.length))} ${room}`.padEnd(both);
    return `${now()}  ${verb.padEnd(10)} ${cells} ${short(when, whenColumns).padEnd(whenColumns)}`;
  }
  const change = (verb: string, what: string, where: string, when: string, took: string) =>
    line(`${changeText(verb, what, where, when)} →${paint('green', took.padStart(8))}`);

  return {
    arrival({ act, ms }: Arrival): void {
      const places = act.resources.map((id) => rooms.find((room) => room.resource === id)?.name ?? id);
      const where = places.join(act.verb === 'other room' ? ' → ' : ' + ');
      change(act.verb, `«${act.title}»`, where, act.when, took(Math.max(...ms)));
    },
    visited({ verb, title, room, when }: Visit, ms: number): void {
      line(`${changeText(verb, `«${title}»`, room.name, when)} ←${paint('cyan', took(ms).padStart(8))}`);
    },
    manual(made: readonly ManualChange[]): void {
      const slowest = took(Math.max(...made.map(({ ms }) => ms)));
      const [first] = made;
      if (first === undefined) return;
      const [what, when] =
        made.length === 1 ? [`${first.type} ${first.id}`, first.action] : [`${made.length} changes`, ''];
      change('by hand', what, [...new Set(made.map(({ room }) => room))].join(', '), when, slowest);
    },
  };
}

/** Comparisons of both sides, and figures. */
function reports({ line, more, now, paint }: Printer) {
  function equality(comparison: Comparison | null): string {
    if (comparison === null) return 'stopped';
    return comparison.differences.length === 0
      ? paint('green', 'both sides equal: yes')
      : paint('red', 'both sides equal: no');
  }

  return {
    /** The comparison of both sides at the end of a scenario, when no work is left. */
    verdict(comparison: Comparison): void {
      const { reservations, events, differences } = comparison;
      const counted = `${reservations} booked, ${events} in Outlook`;
      line(`${'at rest'.padEnd(timeColumns)}${equality(comparison)}; ${counted}`);
      for (const one of differences.slice(0, 3)) more(one);
    },
    resting(): void {
      line(`${now()}  ${restingText}; the dashboard stays up until Ctrl-C`);
    },
    summary({ done, waiting, held, totalMs, ownMs, visitMs }: Tally, comparison: Comparison | null): void {
      const left = [waiting > 0 && `${waiting} under way`, held > 0 && `${held} held by the brake`];
      const arrived = left.filter((one) => one !== false).join(', ') || 'all on the other side';
      const share = (of: readonly number[]) =>
        `${round(percentile(of, 50))} and ${round(percentile(of, 99))} ms`;
      const changes = paint('bold', `${done} ${done === 1 ? 'change' : 'changes'}, ${arrived}`);
      line(`${now()}  ${changes}; ${equality(comparison)}`);
      if (totalMs.length > 0)
        more(`to Outlook p50 and p99 ${share(totalMs)} (without Graph ${share(ownMs)})`);
      if (visitMs.length > 0) more(`from Outlook p50 and p99 ${share(visitMs)}`);
      if (comparison === null) return;
      const { reservations, events, differences } = comparison;
      more(`${reservations} booked, ${events} in Outlook, ${rooms.length} rooms`);
      for (const one of differences.slice(0, 3)) more(one);
    },
  };
}

/** Cuts a text at `most` columns, with an ellipsis. */
const short = (text: string, most: number) =>
  text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1)).trimEnd()}…`;

/** Breaks a text into lines of 80 columns, at spaces or inside long words; `indent` applies to all lines but the first. */
function wrapped(text: string, indent: number): string {
  const width = (part: string) => stripVTControlCharacters(part).length;
  const fold = (whole: string): readonly string[] => {
    if (width(whole) <= columns) return [whole];
    const words = whole
      .split(' ')
      .flatMap((word) => (width(word) > columns - indent ? pieces(word) : [word]));
    const lines = [words[0]!];
    for (const word of words.slice(1))
      if (width(lines.at(-1)!) + 1 + width(word) <= columns) lines.push(`${lines.pop()!} ${word}`);
      else lines.push(' '.repeat(indent) + word);
    return lines;
  };
  const pieces = (word: string) => word.match(new RegExp(`.{1,${columns - indent}}`, 'gu')) ?? [word];
  return text.split('\n').flatMap(fold).join('\n');
}

function troubleInWords(fact: Fact, url: string): string | null {
  const then = (hint: string | null) => (hint === null ? '' : ` ${hint}`);
  switch (fact.fact) {
    case 'outage':
      return `${sideName(fact.side)} is unreachable: ${fact.error}.${then(fact.hint)}`;
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
      return [
        `The brake holds ${fact.room}: ${fact.wanted} of ${fact.synced} reservations are gone on one side, ` +
          'so none is removed on the other until you decide, on the dashboard or with',
        `curl -X POST ${url}/rooms/${fact.resourceId}/brake/release`,
        '(…/brake/refuse instead of release keeps them)',
      ].join('\n');
    case 'lease-lost':
      return `The connection that holds the room leases was lost: ${fact.reason}. It is reopened.`;
    case 'listening':
      return fact.heard ? null : `Not listening: ${fact.reason}`;
    case 'capture-missed':
      return 'A trigger could not record a change; all rooms are compared.';
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
const took = (ms: number) => (ms < 10_000 ? `${round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);
const round = (ms: number) => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)));

/** Nearest rank. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)] ?? 0;
}
