/** Results of work items: settlements to store, settlements stored with their write, and failures. */
import type { CreatesDue, Settlement } from '../store/settle.ts';
import type { WorkItem } from '../store/work-item.ts';
import type { Decision } from './decision.ts';
import type { BookingWritten } from './write-booking.ts';

/** A write into the booking system, settled in the same transaction. */
export interface WrittenToBooking {
  readonly item: WorkItem;
  /** Undefined: an event without a reservation. */
  readonly decision?: Decision;
  readonly written: Extract<BookingWritten, { outcome: 'written' }>;
}

export interface ItemResults {
  readonly settlements: readonly Settlement[];
  readonly done: readonly WrittenToBooking[];
  /** For `worst`. */
  readonly failures: readonly Error[];
  /** Graph answered, if only with the refusal of an item: it is reachable. */
  readonly answered: boolean;
  /** Creates to put off because Outlook refuses them in this room, or to resume. Null: no change. */
  readonly creates: CreatesDue | null;
}

const nothing: ItemResults = { settlements: [], done: [], failures: [], answered: false, creates: null };

export const itemResults = (part: Partial<ItemResults>): ItemResults => ({ ...nothing, ...part });

export const summed = (all: readonly ItemResults[]): ItemResults => ({
  settlements: all.flatMap(({ settlements }) => settlements),
  done: all.flatMap(({ done }) => done),
  failures: all.flatMap(({ failures }) => failures),
  answered: all.some(({ answered }) => answered),
  creates: all.find(({ creates }) => creates !== null)?.creates ?? null,
});
