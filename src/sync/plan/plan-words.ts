/** The words of a plan: what would be done to one item, and why. Pure. */
import { viewNames, type Item, type ReservationKey } from '../../item.ts';

/**
 * create, change, delete: an event in Outlook. decline: somebody else's meeting. import, change-booking, cancel-booking: a
 * reservation. adopt: an event that is there already is recognised as a reservation's. conflict: a person decides. waiting:
 * nothing is done until a person asks for it, or until it can be read.
 */
export const planKinds = [
  'create',
  'change',
  'delete',
  'decline',
  'import',
  'change-booking',
  'cancel-booking',
  'adopt',
  'conflict',
  'waiting',
] as const;
export type PlanKind = (typeof planKinds)[number];

export interface Planned {
  readonly kind: PlanKind;
  readonly title: string | null;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  /** Null: an event that is no reservation yet. */
  readonly reservation: ReservationKey | null;
  readonly eventId: string | null;
  /** What would be changed. */
  readonly fields: readonly string[];
  readonly why: string;
  /** The brake would keep it until a person has looked. */
  readonly held: boolean;
}

/** Fields by the names that the adapter's view and the API use. */
export const fieldNames = (fields: readonly string[]): string[] =>
  fields.map((field) => viewNames[field as keyof Item] ?? field);
