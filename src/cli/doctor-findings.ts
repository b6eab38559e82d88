/** The findings of `doctor` and `adapter check`, and their output. */
import { command } from '../command-name.ts';
import { oneLine, paint, say, sayJson } from './terminal.ts';

/** `problem`: does not work; `warning`: will stop working or is not safe; `note`: information. */
type State = 'ok' | 'note' | 'warning' | 'problem';

interface Finding {
  readonly state: State;
  /** Name of the check, one word. */
  readonly check: string;
  readonly message: string;
  /** The commands, statements or settings to apply, ready to copy; null: none. */
  readonly repair: string | null;
}

/** Rows of one list that are reported one by one. */
export const mostRows = 20;

/** Reports one finding. `repair`: as in Finding, one per line. */
export type Report = (state: State, check: string, message: string, repair?: string | null) => void;

const signs = { ok: '✓', note: '·', warning: '!', problem: '✗' } as const;
const colors = { ok: 'green', note: 'dim', warning: 'yellow', problem: 'red' } as const;

function sayFinding({ state, check, message, repair }: Finding): void {
  say(`${paint(colors[state], signs[state])} ${paint('bold', check.padEnd(12))} ${oneLine(message)}`);
  for (const line of repair?.split('\n') ?? []) say(`${' '.repeat(15)}→ ${line}`);
}

export interface Findings {
  readonly report: Report;
  /** Prints the totals, or all findings as JSON. Returns the exit code: 1 if there is a problem, else 0. */
  conclude(): number;
}

/** Collects findings. Each is printed when it is reported, or all at the end as JSON. */
export function openFindings(json: boolean): Findings {
  const findings: Finding[] = [];
  const count = (state: State) => findings.filter((finding) => finding.state === state).length;
  return {
    report(state, check, message, repair = null) {
      findings.push({ state, check, message, repair });
      if (!json) sayFinding(findings.at(-1)!);
    },
    conclude() {
      const [problems, warnings] = [count('problem'), count('warning')];
      if (json) sayJson({ success: problems === 0, problems, warnings, findings });
      else if (problems + warnings === 0) say(paint('green', '\nNo problems found.'));
      else say(`\n${paint('bold', `Problems: ${problems}, warnings: ${warnings}.`)}`);
      return problems > 0 ? 1 : 0;
    },
  };
}

/** Reports several mappings of one mailbox. */
export function reportSharedMailbox(report: Report, mailbox: string, resources: readonly number[]): void {
  report(
    'problem',
    'mailboxes',
    `The resources ${resources.join(' and ')} are mapped to the same mailbox, ${mailbox}; each room needs its own.`,
    resources.map((resource) => `${command} mappings remove ${resource}`).join('   or   '),
  );
}

/** A room, for messages. */
interface Named {
  readonly name: string;
  readonly resource: number;
  readonly mailbox: string;
}

export interface Groups {
  add(room: Named, state: State, message: string, repair?: string | null): void;
  /** Reports the added messages under this check; equal ones of several rooms once, with the number of rooms. */
  reportAll(check: string): void;
}

const mostNamed = 3;

export function createGroups(report: Report): Groups {
  const groups = new Map<string, { state: State; message: string; repair: string | null; rooms: Named[] }>();
  return {
    add(room, state, message, repair = null) {
      // messages that differ only in the name of the room are equal
      const key = `${state} ${message}`.replaceAll(room.mailbox, '').replaceAll(room.name, '');
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { state, message, repair, rooms: [room] });
      else group.rooms.push(room);
    },
    reportAll(check) {
      for (const { state, message, repair, rooms } of groups.values())
        report(state, check, `${naming(rooms)}${/^cannot/.test(message) ? ' ' : ': '}${message}`, repair);
    },
  };
}

function naming(rooms: readonly Named[]): string {
  const named = rooms
    .slice(0, mostNamed)
    .map(({ name, resource, mailbox }) => `${name} (resource ${resource}, ${mailbox})`);
  if (rooms.length === 1) return named[0]!;
  const more = rooms.length - named.length;
  return `${rooms.length} rooms (${named.join('; ')}${more > 0 ? `; and ${more} more` : ''})`;
}
