/**
 * The facts that parts of the daemon report. `ops/tell.ts` is the only place that turns them into log lines, metrics, alerts and
 * the live feed, in one exhaustive switch.
 */
import type { Id } from './id.ts';

/** The action on one item in Outlook. `unchanged`: both sides were already equal. */
export type PushAction =
  'created' | 'adopted' | 'updated' | 'deleted' | 'shadowed' | 'waiting' | 'unchanged' | 'forgotten';

/** The action on one reservation because of Outlook. `joined`: another room of a meeting; `declined`: the organiser was notified. */
export type PullAction = 'imported' | 'joined' | 'booking-updated' | 'booking-cancelled' | 'declined';

interface About {
  readonly room: string;
  readonly resourceId: number;
}
interface AboutItem extends About {
  readonly mappingId: number;
  /** Null for an event without a reservation. */
  readonly reservationType: string | null;
  readonly reservationId: Id | null;
}

export type Fact =
  /** `latencyMs`: from the booking's change to Graph's acceptance; null for a backfill. */
  | (AboutItem & {
      readonly fact: 'pushed';
      readonly action: PushAction;
      readonly latencyMs: number | null;
      readonly callMs: number;
    })
  /** `latencyMs`: from the notification or poll to the committed booking. */
  | (AboutItem & { readonly fact: 'pulled'; readonly action: PullAction; readonly latencyMs: number | null })
  /** Needs a decision by a person; until then neither side is changed. */
  | (AboutItem & {
      readonly fact: 'conflict';
      readonly kind: string;
      readonly error: string;
      readonly hint: string | null;
    })
  /** The conflict was decided or is over. */
  | (AboutItem & { readonly fact: 'conflict-over' })
  /** A delta round with `rows` rows was read. */
  | (About & { readonly fact: 'room-pulled'; readonly rows: number; readonly ms: number })
  | (AboutItem & { readonly fact: 'item-delayed'; readonly error: string; readonly inMs: number })
  | (AboutItem & { readonly fact: 'item-parked'; readonly error: string; readonly hint: string | null })
  | (About & {
      readonly fact: 'room-resting';
      readonly error: string;
      readonly hint: string | null;
      readonly inMs: number;
      readonly throttled: boolean;
    })
  | (About & { readonly fact: 'room-refused'; readonly error: string; readonly hint: string | null })
  /** Another installation, resource or mapping claims the mailbox: needs a decision by a person. */
  | (About & { readonly fact: 'room-held'; readonly error: string; readonly hint: string | null })
  | (About & { readonly fact: 'room-well' })
  | (About & {
      readonly fact: 'room-baselined';
      readonly events: number;
      readonly adopted: number;
      readonly ms: number;
    })
  | (About & {
      readonly fact: 'room-reconciled';
      readonly added: number;
      readonly changed: number;
      readonly gone: number;
    })
  | (About & {
      readonly fact: 'brake-held';
      /** Removals in the room that wait for a person. */
      readonly held: number;
      /** These and the ones carried out within the hour. */
      readonly wanted: number;
      readonly synced: number;
    })
  | {
      readonly fact: 'outage';
      readonly side: 'outlook' | 'booking';
      readonly error: string;
      readonly hint: string | null;
      /** It answers but cannot be used until a person intervenes: a missing permission, a failing view. */
      readonly refused?: boolean;
    }
  | { readonly fact: 'outage-over'; readonly side: 'outlook' | 'booking'; readonly ms: number }
  | { readonly fact: 'listening'; readonly heard: boolean; readonly reason: string }
  | { readonly fact: 'lease-lost'; readonly reason: string }
  /** A subscription was created, renewed or removed. `lost`: it no longer existed in Graph. */
  | {
      readonly fact: 'subscription';
      readonly action: 'created' | 'renewed' | 'removed' | 'lost';
      readonly room: string;
      /** Null: the room was deleted. */
      readonly resourceId: number | null;
      readonly until: string | null;
    }
  | {
      readonly fact: 'subscription-failed';
      readonly room: string;
      readonly resourceId: number | null;
      readonly error: string;
      readonly hint: string | null;
      readonly inMs: number;
    }
  /** Notifications since the last such fact: changes and lifecycle events. */
  | { readonly fact: 'notified'; readonly changes: number; readonly lifecycle: number }
  /** Forged notifications: subscription or secret are unknown. */
  | { readonly fact: 'notifications-rejected'; readonly count: number }
  | { readonly fact: 'capture-missed'; readonly times: number }
  | { readonly fact: 'capture-broken'; readonly triggers: readonly string[] }
  /** An alert, reported by the daemon that raised or closed it. */
  | {
      readonly fact: 'alert';
      readonly event: 'opened' | 'closed';
      readonly type: string;
      readonly severity: 'warning' | 'critical';
      readonly room: string | null;
      readonly resourceId: number | null;
      readonly message: string;
    }
  | { readonly fact: 'alert-undelivered'; readonly type: string; readonly error: string }
  /** `failed`: the reason; null: success. */
  | {
      readonly fact: 'schedule-ran';
      readonly schedule: string;
      readonly ms: number;
      readonly failed: string | null;
    }
  | { readonly fact: 'report'; readonly report: Readonly<Record<string, unknown>> }
  /** START_MODE plan or shadow: the plan. `counts` by action. */
  | {
      readonly fact: 'planned';
      readonly rooms: number;
      readonly complete: boolean;
      readonly counts: Readonly<Record<string, number>>;
      readonly equal: number;
      readonly held: number;
    }
  /** The database is not the confirmed one, or was restored: nothing is written until a person confirms. */
  | {
      readonly fact: 'start-held';
      readonly reason: 'database' | 'set-back';
      readonly error: string;
      readonly hint: string;
    }
  /** A person confirmed the plan or the held database: writes are allowed from now on. */
  | { readonly fact: 'plan-confirmed'; readonly at: string }
  | { readonly fact: 'started'; readonly replica: string; readonly rooms: number }
  | { readonly fact: 'stopped' }
  | { readonly fact: 'bug'; readonly error: Error; readonly where: string };

export type Tell = (fact: Fact) => void;
