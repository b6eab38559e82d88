/** What came of work items: what to write down, what is written down already, and what failed. */

import type { CreatesDue, Settlement } from '../store/settle.ts';
import type { WorkItem } from '../store/work-item.ts';
import type { Decision } from './decision.ts';
import type { WrittenBack } from './write-booking.ts';

/** What was written into the booking system, and settled with it. */
export interface Done {
  readonly item: WorkItem;
  /** What was decided of it; undefined: it is an event without a reservation. */
  readonly decision?: Decision;
  readonly written: Extract<WrittenBack, { outcome: 'written' }>;
}

export interface Outcome {
  readonly settlements: readonly Settlement[];
  readonly done: readonly Done[];
  /** For `worst`. */
  readonly failures: readonly Error[];
  /** Graph answered something, be it a refusal of an item: it is there. */
  readonly answered: boolean;
  /** Which creates wait, or wait no more, because Outlook refuses creates in this room, or does so no more. */
  readonly creates: CreatesDue | null;
}

const nothing: Outcome = { settlements: [], done: [], failures: [], answered: false, creates: null };

export const outcome = (part: Partial<Outcome>): Outcome => ({ ...nothing, ...part });

export const summed = (outcomes: readonly Outcome[]): Outcome => ({
  settlements: outcomes.flatMap(({ settlements }) => settlements),
  done: outcomes.flatMap(({ done }) => done),
  failures: outcomes.flatMap(({ failures }) => failures),
  answered: outcomes.some(({ answered }) => answered),
  creates: outcomes.find(({ creates }) => creates !== null)?.creates ?? null,
});
