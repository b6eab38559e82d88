/**
 * What the sync needs of Outlook. `outlook/` fits this by its shape (it need not import it), and so does the
 * fake in the tests; `daemon/core.ts` joins the two, where the compiler checks the fit.
 */
import type { DeltaAnswer, Mailbox, OutlookEvent, SeriesPattern, Write, WriteAnswer } from '../event.ts';
import type { BookedItem } from '../appearance.ts';
import type { ReservationKey } from '../item.ts';
import type { ClaimRead } from './decide/claim.ts';

export type { OutlookEvent, Write, WriteAnswer } from '../event.ts';

export interface OutlookSide {
  /** What Outlook shall show of an item: privacy, default titles, lengths. The same item gives the same form. */
  show(item: BookedItem): BookedItem;
  /** The object id of a mailbox, the surer way to address it; null when the directory refuses us. */
  resolveMailbox(address: string, signal: AbortSignal): Promise<string | null>;
  /**
   * Carries out independent writes to one mailbox and answers in their order; never throws for one of them.
   * Singles up to four at a time, `$batch` when there are more. An aborted `signal` rejects as a whole.
   */
  write(room: Mailbox, writes: readonly Write[], signal: AbortSignal): Promise<WriteAnswer[]>;
  /** What the room's default calendar says of whose it is. */
  readClaim(room: Mailbox, signal: AbortSignal): Promise<ClaimRead>;
  /** Writes a claim over what is there. Null: written; else why the mailbox takes none. */
  writeClaim(room: Mailbox, text: string, signal: AbortSignal): Promise<string | null>;
  /** One event, or null when the mailbox answers that it is not there (404, malformed id). */
  read(room: Mailbox, eventId: string, signal: AbortSignal): Promise<OutlookEvent | null>;
  /** All live events of the mailbox that carry the extended properties of this reservation. */
  find(room: Mailbox, properties: ReservationKey, signal: AbortSignal): Promise<OutlookEvent[]>;
  /** The events that overlap the window (ISO instants), page by page, with their properties. */
  list(room: Mailbox, from: string, to: string, signal: AbortSignal): AsyncIterable<OutlookEvent[]>;
  /** The instances of a series in the window, or null when the series is not there any more. Extended properties are not read. */
  series(
    room: Mailbox,
    masterId: string,
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<OutlookEvent[] | null>;
  /** The pattern of a series; null: the series is not there, or its pattern is not understood. */
  pattern(room: Mailbox, masterId: string, signal: AbortSignal): Promise<SeriesPattern | null>;
  /** Answers an invitation in the room's name; the organiser gets a mail. 'gone': it was not there. */
  respond(
    room: Mailbox,
    eventId: string,
    answer: 'accept' | 'decline',
    comment: string,
    signal: AbortSignal,
  ): Promise<'answered' | 'gone'>;
  /** The pages of one round of changes, from a first round over a window or from the link an earlier round gave. */
  delta(
    room: Mailbox,
    start: { readonly from: string; readonly to: string } | { readonly link: string },
    signal: AbortSignal,
  ): AsyncIterable<DeltaAnswer>;
}
