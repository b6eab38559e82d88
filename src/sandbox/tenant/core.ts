import type { Clock } from './clock.ts';
import type { Directory } from './directory.ts';
import type { FaultBoard } from './faults.ts';
import type { JournalBook } from './journal.ts';
import type { Mailbox } from './mailbox.ts';
import type { Preferences } from './preferences.ts';
import type { Random } from './random.ts';
import type { SubscriptionBook } from './subscriptions.ts';

/** A Graph request, from the wire or from inside a $batch. */
export interface GraphRequest {
  readonly method: string;
  /** As sent, without version and query. */
  readonly path: string;
  /** Decoded. */
  readonly segments: readonly string[];
  readonly search: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly prefer: Preferences;
  readonly body: unknown;
}

export interface GraphAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** A message the tenant would have sent to people. A booking sync that keeps quiet causes none. */
export interface Mail {
  readonly at: number;
  readonly kind: 'invitation' | 'update' | 'cancellation' | 'response';
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
}

/** State shared by all parts of the tenant. */
export interface TenantCore {
  readonly origin: string;
  readonly graphBaseUrl: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: Directory;
  readonly journal: JournalBook;
  readonly faults: FaultBoard;
  readonly subscriptions: SubscriptionBook;
  readonly mails: Mail[];
}

export type MailboxHandler = (
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  id: string,
) => GraphAnswer | Promise<GraphAnswer>;
