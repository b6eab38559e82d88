/**
 * The Outlook that the sync needs. `outlook/` and the one of the tests have this shape without importing it; the compiler checks
 * that in `daemon/core.ts`.
 */
import type { DeltaAnswer, Mailbox, OutlookEvent, SeriesPattern, Write, WriteAnswer } from '../event.ts';
import type { BookedItem } from '../appearance.ts';
import type { ReservationKey } from '../item.ts';
import type { ClaimRead } from './decide/claim.ts';

export interface OutlookSide {
  /** What Outlook should show of an item: privacy, default titles, lengths. Deterministic. */
  show(item: BookedItem): BookedItem;
  /** The object id of a mailbox, its more stable address; null if the directory refuses us. */
  resolveMailbox(address: string, signal: AbortSignal): Promise<string | null>;
  /**
   * Carries out independent writes to one mailbox and returns their results in order; never throws for a single one. Up to four
   * are sent singly, more in `$batch`es. An aborted `signal` rejects as a whole.
   */
  write(room: Mailbox, writes: readonly Write[], signal: AbortSignal): Promise<WriteAnswer[]>;
  /** The claim on the room's default calendar. */
  readClaim(room: Mailbox, signal: AbortSignal): Promise<ClaimRead>;
  /** Overwrites the claim. Null: written; otherwise the reason why the mailbox accepts none. */
  writeClaim(room: Mailbox, text: string, signal: AbortSignal): Promise<string | null>;
  /** One event, or null if the mailbox answers that it does not exist (404, malformed id). */
  read(room: Mailbox, eventId: string, signal: AbortSignal): Promise<OutlookEvent | null>;
  /** All events of the mailbox that are not cancelled and have the extended properties of this reservation. */
  find(room: Mailbox, properties: ReservationKey, signal: AbortSignal): Promise<OutlookEvent[]>;
  /** The events that overlap the window (ISO instants), page by page, with their properties. */
  list(room: Mailbox, from: string, to: string, signal: AbortSignal): AsyncIterable<OutlookEvent[]>;
  /** The instances of a series in the window, or null if the series no longer exists. Extended properties are not read. */
  series(
    room: Mailbox,
    masterId: string,
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<OutlookEvent[] | null>;
  /** The pattern of a series; null: the series does not exist, or its pattern is unknown. */
  pattern(room: Mailbox, masterId: string, signal: AbortSignal): Promise<SeriesPattern | null>;
  /** Answers an invitation in the room's name; the organiser gets a mail. 'gone': it did not exist. */
  respond(
    room: Mailbox,
    eventId: string,
    answer: 'accept' | 'decline',
    comment: string,
    signal: AbortSignal,
  ): Promise<'answered' | 'gone'>;
  /** The pages of one delta round: a first one over a window, or the next one at the link of an earlier one. */
  delta(
    room: Mailbox,
    start: { readonly from: string; readonly to: string } | { readonly link: string },
    signal: AbortSignal,
  ): AsyncIterable<DeltaAnswer>;
}
