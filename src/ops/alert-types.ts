/** The types of alerts. docs/operations.md has the meaning and remedy of each. */

/** Seen by one daemon: its listener, its connections to Graph and the database, its credential. */
const daemonTypes = [
  'outlook-outage',
  'booking-outage',
  'credential-refused',
  'credential-expiring',
  'listen-silent',
] as const;

/** Found by the checks, which any daemon runs. */
export const checkedTypes = [
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

export const alertTypes = [...daemonTypes, ...checkedTypes] as const;
export type AlertType = (typeof alertTypes)[number];
export type DaemonAlertType = (typeof daemonTypes)[number];

export interface Alert {
  readonly type: AlertType;
  readonly severity: 'warning' | 'critical';
  /** The room's name; null with a resourceId: as it is called in bridge_resource_mappings. */
  readonly room: string | null;
  readonly resourceId: number | null;
  readonly message: string;
  /** The remedy. */
  readonly hint: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}
