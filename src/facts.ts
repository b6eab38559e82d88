/**
 * All there is to tell. Parts do not log what the operator cares about: they tell a fact, and `ops/tell.ts` turns
 * each into its log line, metric, alert and live-feed entry, exhaustively, so that the four cannot drift.
 */
import type { Id } from './id.ts';

/** What was done to one item in Outlook. `unchanged`: both sides were equal already. */
export type PushAction =
  'created' | 'adopted' | 'updated' | 'deleted' | 'shadowed' | 'waiting' | 'unchanged' | 'forgotten';

/** What was done to one reservation because of Outlook. `joined`: a meeting's further room; `declined`: we told its organiser. */
export type PullAction = 'imported' | 'joined' | 'booking-updated' | 'booking-cancelled' | 'declined';

interface About {
  readonly room: string;
  readonly resourceId: number;
}
interface AboutItem extends About {
  readonly mappingId: number;
  /** Null for an event that no reservation knows yet. */
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
  /** `latencyMs`: from Outlook's notification (or the page that told us) to the committed booking. */
  | (AboutItem & { readonly fact: 'pulled'; readonly action: PullAction; readonly latencyMs: number | null })
  /** A person decides; until then nothing of it is changed on either side. */
  | (AboutItem & {
      readonly fact: 'conflict';
      readonly kind: string;
      readonly error: string;
      readonly hint: string | null;
    })
  /** What a person was to decide is decided, or over. */
  | (AboutItem & { readonly fact: 'conflict-over' })
  /** A round of changes was read: `rows` of them. */
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
  /** Another installation, resource or row has the mailbox: a person decides. */
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
  | (About & { readonly fact: 'brake-held'; readonly wanted: number; readonly synced: number })
  | {
      readonly fact: 'outage';
      readonly side: 'outlook' | 'booking';
      readonly error: string;
      readonly hint: string | null;
      /** It answers, and does not let us work until a person acts: a right is missing, say. */
      readonly refused?: boolean;
    }
  | { readonly fact: 'outage-over'; readonly side: 'outlook' | 'booking'; readonly ms: number }
  | { readonly fact: 'listening'; readonly heard: boolean; readonly reason: string }
  | { readonly fact: 'lease-lost'; readonly reason: string }
  /** Graph calls us for a room from now on, still, or no more. `lost`: Graph had forgotten it. */
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
  /** Notifications of Graph since the last such fact: changes and events of the subscriptions themselves. */
  | { readonly fact: 'notified'; readonly changes: number; readonly lifecycle: number }
  /** Notifications that were none of Graph's: subscription or secret are not ours. */
  | { readonly fact: 'notifications-rejected'; readonly count: number }
  | { readonly fact: 'capture-missed'; readonly times: number }
  | { readonly fact: 'capture-broken'; readonly triggers: readonly string[] }
  /** An alert of all daemons, told by the one that raised or closed it. */
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
  /** `failed`: why; null: it did what it should. */
  | {
      readonly fact: 'schedule-ran';
      readonly schedule: string;
      readonly ms: number;
      readonly failed: string | null;
    }
  | { readonly fact: 'report'; readonly report: Readonly<Record<string, unknown>> }
  /** START_MODE plan or shadow: what a sync would do. `counts` by what would be done. */
  | {
      readonly fact: 'planned';
      readonly rooms: number;
      readonly complete: boolean;
      readonly counts: Readonly<Record<string, number>>;
      readonly equal: number;
      readonly held: number;
    }
  /** The database is not the one the installation was confirmed for, or was set back: nothing is written until a person confirms. */
  | {
      readonly fact: 'start-held';
      readonly reason: 'database' | 'set-back';
      readonly error: string;
      readonly hint: string;
    }
  /** A person has confirmed (START_MODE=plan, or what was held), and from now on it is written. */
  | { readonly fact: 'plan-confirmed'; readonly at: string }
  | { readonly fact: 'started'; readonly replica: string; readonly rooms: number }
  | { readonly fact: 'stopped' }
  | { readonly fact: 'bug'; readonly error: Error; readonly where: string };

export type Tell = (fact: Fact) => void;
