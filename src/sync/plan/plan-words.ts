/** One item of a plan: the action on it, and the reason. Named as in the API. Pure. */
import { viewNames, type Item, type ReservationKey } from '../../item.ts';
import type { Id } from '../../id.ts';

/**
 * create, change, delete: an event in Outlook. decline: another organiser's meeting. import, change-booking, cancel-booking: a
 * reservation. adopt: an existing event is recognised as a reservation's. conflict: a person decides. waiting: nothing is done
 * until it is requested, or can be read.
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
  readonly action: PlanKind;
  readonly title: string | null;
  readonly starts_at: string | null;
  readonly ends_at: string | null;
  /** Null: an event without a reservation. */
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
  readonly outlook_event_id: string | null;
  /** The fields to change. */
  readonly fields: string[];
  readonly why: string;
  /** The brake would hold it until a person decides. */
  readonly held: boolean;
}

export const planned = (
  action: PlanKind,
  why: string,
  of: {
    readonly item: Item | null;
    readonly reservation: ReservationKey | null;
    readonly eventId: string | null;
    readonly fields?: readonly string[];
  },
): Planned => ({
  action,
  ...timesOf(of.item),
  reservation_type: of.reservation?.type ?? null,
  reservation_id: of.reservation?.id ?? null,
  outlook_event_id: of.eventId?.startsWith(plannedPrefix) === true ? null : of.eventId,
  fields: fieldNames(of.fields ?? []),
  why,
  held: false,
});

export const timesOf = (item: Item | null) => ({
  title: item?.title ?? null,
  starts_at: item?.startsAt ?? null,
  ends_at: item?.endsAt ?? null,
});

/** Prefix of the ids of events that exist only in a plan. */
export const plannedPrefix = 'planned-';

/** Fields by their names in the adapter's view and the API. */
export const fieldNames = (fields: readonly string[]): string[] =>
  fields.map((field) => viewNames[field as keyof Item] ?? field);
