/**
 * What the sync needs of Outlook. `outlook/` fits this by its shape (it need not import it), and so does the
 * fake in the tests; `daemon.ts` joins the two, where the compiler checks the fit.
 */
import type { Item, ItemChange, ReservationKey } from '../item.ts';

/** The mailbox of a room: its object id, or what the operator wrote until that is known. */
interface Mailbox {
  readonly mailbox: string;
}

/** An event as it stands in a room calendar, in the normal form both sides speak. */
export interface OutlookEvent {
  readonly id: string;
  readonly iCalUId: string;
  /** Null: the event does not occupy the room (cancelled, declined, `free`, or waiting for approval). */
  readonly item: Item | null;
  /** What our extended properties on it say; a copy of an event carries them too. */
  readonly marks: ReservationKey | null;
  readonly isOrganizer: boolean;
  readonly type: 'singleInstance' | 'occurrence' | 'exception' | 'seriesMaster';
  readonly seriesMasterId: string | null;
  readonly lastModifiedAt: string | null;
  readonly etag: string | null;
}

/** One write into a room calendar. A change carries only the fields to write. */
export type Write =
  | {
      readonly do: 'create';
      readonly item: Item;
      readonly marks: ReservationKey;
      /** Idempotency key: the same key and body again gives the same event. */
      readonly transactionId: string;
    }
  | { readonly do: 'change'; readonly eventId: string; readonly change: ItemChange; readonly whole: Item }
  | { readonly do: 'remove'; readonly eventId: string };

/**
 * What became of a write. `event`: the event as Outlook answered it (null after a remove). `gone`: the event of a
 * change was not there. `taken`: the idempotency key belongs to an earlier, different create (`existingId` if Graph
 * named it). `failed`: a Retryable, Permanent or Conflict. `acceptedAt` is `performance.now()` of the answer.
 */
export type Written = {
  readonly acceptedAt: number;
  readonly callMs: number;
  readonly requestId?: string;
} & (
  | { readonly outcome: 'written'; readonly event: OutlookEvent | null }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'taken'; readonly existingId: string | null }
  | { readonly outcome: 'failed'; readonly error: Error }
);

export interface OutlookSide {
  /** What Outlook shall show of an item: privacy, default titles, lengths. The same item gives the same form. */
  show(item: Item): Item;
  /** The object id of a mailbox, the surer way to address it; null when the directory refuses us. */
  resolveMailbox(address: string, signal: AbortSignal): Promise<string | null>;
  /**
   * Carries out independent writes to one mailbox and answers in their order; never throws for one of them.
   * Singles up to four at a time, `$batch` when there are more. An aborted `signal` rejects as a whole.
   */
  write(room: Mailbox, writes: readonly Write[], signal: AbortSignal): Promise<Written[]>;
  /** One event, or null when the mailbox answers that it is not there (404, malformed id). */
  read(room: Mailbox, eventId: string, signal: AbortSignal): Promise<OutlookEvent | null>;
  /** All live events of the mailbox that carry the marks of this reservation. */
  find(room: Mailbox, marks: ReservationKey, signal: AbortSignal): Promise<OutlookEvent[]>;
  /** The events that overlap the window (ISO instants), page by page, with their marks. */
  list(room: Mailbox, from: string, to: string, signal: AbortSignal): AsyncIterable<OutlookEvent[]>;
}
