/** What `doctor` finds, and how it is shown. */
import { oneLine, paint, say } from './terminal.ts';

/** `problem`: it does not work; `warning`: it will not for long, or not safely; `note`: good to know. */
type State = 'ok' | 'note' | 'warning' | 'problem';

export interface Finding {
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

export function sayFinding({ state, check, message, repair }: Finding): void {
  say(`${paint(colors[state], signs[state])} ${paint('bold', check.padEnd(12))} ${oneLine(message)}`);
  for (const line of repair?.split('\n') ?? []) say(`${' '.repeat(15)}→ ${line}`);
}
