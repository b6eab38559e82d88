/** What an operator is alerted to. docs/operations.md says of each what it means and what to do. */

/** Seen by one daemon: its own ears, its own way to Graph and to the database, its own credential. */
const heldTypes = [
  'outlook-outage',
  'booking-outage',
  'credential-refused',
  'credential-expiring',
  'listen-silent',
] as const;

/** Read from the database, by whichever daemon looks. */
const readTypes = [
  'brake',
  'database-unconfirmed',
  'room-held',
  'error-rate',
  'items-in-error',
  'right-missing',
  'conflicts',
  'stuck',
  'unfolded',
  'room-refused',
  'room-failing',
  'throttled',
  'subscriptions-lost',
  'capture-broken',
  'bug',
] as const;

export const alertTypes = [...heldTypes, ...readTypes] as const;
export type AlertType = (typeof alertTypes)[number];
export type HeldType = (typeof heldTypes)[number];

export interface Alert {
  readonly type: AlertType;
  readonly severity: 'warning' | 'critical';
  /** The room's name; null with a resourceId: as it is called in bridge_resource_mappings. */
  readonly room: string | null;
  readonly resourceId: number | null;
  readonly message: string;
  /** What to do. */
  readonly hint: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}
