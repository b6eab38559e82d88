/** What `doctor` finds, and how it is shown. */
import { command } from '../command-name.ts';
import { oneLine, paint, say, sayJson } from './terminal.ts';

/** `problem`: it does not work; `warning`: it will not for long, or not safely; `note`: good to know. */
type State = 'ok' | 'note' | 'warning' | 'problem';

interface Finding {
  readonly state: State;
  /** What was looked at, one word. */
  readonly check: string;
  readonly message: string;
  /** What a person runs or sets, exactly; null: nothing is to be done. */
  readonly repair: string | null;
}

export type Find = (state: State, check: string, message: string, repair?: string | null) => void;

const signs = { ok: '✓', note: '·', warning: '!', problem: '✗' } as const;
const colors = { ok: 'green', note: 'dim', warning: 'yellow', problem: 'red' } as const;

function sayFinding({ state, check, message, repair }: Finding): void {
  say(`${paint(colors[state], signs[state])} ${paint('bold', check.padEnd(12))} ${oneLine(message)}`);
  for (const line of repair?.split('\n') ?? []) say(`${' '.repeat(15)}→ ${line}`);
}

export interface Findings {
  readonly find: Find;
  /** Says how many there were, all of them as JSON where that was asked for. Returns the exit code: 1 with a problem. */
  conclude(): number;
}

/** Findings as they are made: each is said at once, or all at the end as JSON. */
export function openFindings(json: boolean): Findings {
  const findings: Finding[] = [];
  const count = (state: State) => findings.filter((finding) => finding.state === state).length;
  return {
    find(state, check, message, repair = null) {
      findings.push({ state, check, message, repair });
      if (!json) sayFinding(findings.at(-1)!);
    },
    conclude() {
      const [problems, warnings] = [count('problem'), count('warning')];
      if (json) sayJson({ success: problems === 0, problems, warnings, findings });
      else if (problems + warnings === 0) say(paint('green', '\nAll is well.'));
      else say(`\n${paint('bold', `Problems: ${problems}, warnings: ${warnings}.`)}`);
      return problems > 0 ? 1 : 0;
    },
  };
}

/** Several rows that name one mailbox. */
export function findOneMailbox(find: Find, mailbox: string, resources: readonly number[]): void {
  find(
    'problem',
    'mailboxes',
    `The resources ${resources.join(' and ')} are mapped to one mailbox, ${mailbox}: a room is one mailbox.`,
    resources.map((resource) => `${command} mappings remove ${resource}`).join('   or   '),
  );
}

/** A room as findings name it. */
interface Named {
  readonly name: string;
  readonly resource: number;
  readonly mailbox: string;
}

export interface Groups {
  add(room: Named, state: State, message: string, repair?: string | null): void;
  /** Tells what was added, under this check: what is the same of several rooms once, with their number. */
  tell(check: string): void;
}

const mostNamed = 3;

export function createGroups(find: Find): Groups {
  const groups = new Map<string, { state: State; message: string; repair: string | null; rooms: Named[] }>();
  return {
    add(room, state, message, repair = null) {
      // what names the room itself is not what tells two findings apart
      const key = `${state} ${message}`.replaceAll(room.mailbox, '').replaceAll(room.name, '');
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { state, message, repair, rooms: [room] });
      else group.rooms.push(room);
    },
    tell(check) {
      for (const { state, message, repair, rooms } of groups.values())
        find(state, check, `${naming(rooms)}${/^cannot/.test(message) ? ' ' : ': '}${message}`, repair);
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
