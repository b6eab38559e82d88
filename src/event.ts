/** What the calls to Outlook speak, in the normal form that both sides share. */
import type { Permanent, Retryable } from './errors.ts';
import type { Item, ItemChange, ReservationKey } from './item.ts';

/** A room's mailbox: its object id, or its address until that id is known. */
export interface Mailbox {
  readonly mailbox: string;
}

/**
 * What Outlook shows of an event. Told apart in `outlook/format.ts` and nowhere else. Only `released` and `absent` say that
 * somebody gave the room back; whatever else is not `occupied` changes nothing on its own.
 */
export type Shown =
  | { readonly is: 'occupied'; readonly item: Item; readonly tentative?: true }
  /** The room has not answered the invitation, or not again since its organiser moved or edited it. */
  | { readonly is: 'undecided'; readonly item: Item }
  /** Somebody shows it as free, which Outlook's all-day box does by itself. */
  | { readonly is: 'free'; readonly item: Item }
  /** Cancelled by its organiser, or declined in the room's name. */
  | { readonly is: 'released' }
  /** Verified: the mailbox answers, and neither has the event nor shows it. */
  | { readonly is: 'absent' }
  /** It is there, and what Graph says of it cannot be understood. */
  | { readonly is: 'unreadable'; readonly why: string };

/** The item of an event that occupies the room; null for every other. */
export const occupying = (shown: Shown): Item | null => (shown.is === 'occupied' ? shown.item : null);
/** The item that an event shows, whether it occupies the room or not; null where it shows none. */
export const itemOf = (shown: Shown): Item | null => ('item' in shown ? shown.item : null);
/** The item of an event that stands, though it may be shown as free; null for one that nobody has decided about. */
export const standing = (shown: Shown): Item | null =>
  shown.is === 'occupied' || shown.is === 'free' ? shown.item : null;
/** Whether the room was given back. */
export const isGivenBack = (shown: Shown): boolean => shown.is === 'released' || shown.is === 'absent';

/** An event as it stands in a room calendar. */
export interface OutlookEvent {
  readonly id: string;
  /** The same for one meeting in every mailbox; '' where Graph left it out. */
  readonly iCalUId: string;
  readonly shows: Exclude<Shown, { is: 'absent' }>;
  /** What our extended properties on it say. Null where there are none, and where Graph does not show them. */
  readonly properties: ReservationKey | null;
  /** True: the room itself organises it. False: somebody invited the room. */
  readonly isOrganizer: boolean;
  readonly type: 'singleInstance' | 'occurrence' | 'exception' | 'seriesMaster';
  readonly seriesMasterId: string | null;
  /** The slot that an occurrence had in its series' pattern, an ISO instant in UTC. */
  readonly originalStart: string | null;
  readonly organizer: { readonly name: string; readonly email: string } | null;
  /** The idempotency key of the create that made it; null: it was made without one. */
  readonly transactionId: string | null;
  /** As Graph prints it. */
  readonly createdAt: string | null;
  /** As Graph prints it. Changes without any edit (msgraph docs#14632): never proof of one. */
  readonly lastModifiedAt: string | null;
  readonly etag: string | null;
}

/**
 * An event that was read by its id, as the calendar has it: the master of a series takes no time of its own, so an event that
 * somebody made a series is there no more, and its dates are.
 */
export const dated = <Event extends Pick<OutlookEvent, 'type'>>(event: Event | null): Event | null =>
  event?.type === 'seriesMaster' ? null : event;

/** Who invited the room, by name or address; null: the room itself, or nobody that is known. */
export const invitedBy = ({ isOrganizer, organizer }: Pick<OutlookEvent, 'isOrganizer' | 'organizer'>) =>
  isOrganizer || organizer === null ? null : organizer.name || organizer.email || null;

/** What the tables keep of an event to recognise it by. */
export const identityOf = ({
  isOrganizer,
  iCalUId,
  originalStart,
  seriesMasterId,
}: Pick<OutlookEvent, 'isOrganizer' | 'iCalUId' | 'originalStart' | 'seriesMasterId'>) => ({
  isOrganizer,
  iCalUId,
  originalStart,
  seriesMasterId,
});

/** On which dates a series has an instance. */
export interface SeriesPattern {
  /** Of these ISO instants, at each of which an instance began or was to begin, those on whose date the series has none. */
  without(instants: readonly string[]): ReadonlySet<string>;
}

/**
 * One write into a room calendar. A change carries only the fields to write; `whole` is the item after it. `isBackfill`: it lets
 * the calls of changes made now pass.
 */
export type Write = { readonly isBackfill?: boolean } & (
  | {
      readonly do: 'create';
      readonly item: Item;
      readonly properties: ReservationKey;
      /** Idempotency key: the same key and body again gives the same event. */
      readonly transactionId: string;
    }
  | {
      readonly do: 'change';
      readonly eventId: string;
      readonly change: ItemChange;
      readonly whole: Item;
      /** Its `showAs` is written as well: busy, or tentative where `whole` is. */
      readonly showAs?: boolean;
      /** The reservation that it belongs to from now on. */
      readonly properties?: ReservationKey;
      /** The version to change; another one is a Conflict where Graph looks at it (`If-Match`). Null: whatever is there. */
      readonly etag?: string | null;
    }
  | { readonly do: 'remove'; readonly eventId: string }
);

/**
 * What became of a write. `event`: the event as Graph answered it (null after a remove); its properties are known after
 * a create only, because Graph does not echo them. `gone`: the event of a change or a remove was not there. `taken`: the
 * idempotency key belongs to an earlier, different create (`existingId` if Graph named it). `failed`: a Retryable,
 * Permanent or Conflict. `acceptedAt` is `performance.now()` of the answer.
 */
export type WriteAnswer = {
  readonly acceptedAt: number;
  readonly callMs: number;
  readonly requestId?: string;
} & (
  | { readonly outcome: 'written'; readonly event: OutlookEvent | null }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'taken'; readonly existingId: string | null }
  | { readonly outcome: 'failed'; readonly error: Error }
);

/**
 * A changed event. Rows come in any order, repeatedly, and again in later rounds; the last one counts. `event` is null
 * for what Graph shows only in part: occurrences of a series, which are to be read anew (`series`), and rows that
 * cannot be read. Extended properties are never included. A series' master carries the times of its first occurrence, maybe years ago.
 */
export interface DeltaRow {
  readonly id: string;
  readonly type: OutlookEvent['type'];
  readonly seriesMasterId: string | null;
  readonly event: OutlookEvent | null;
}

export type DeltaAnswer =
  /** `removed`: ids that are gone, or merely outside of the window: only a read tells which (msgraph docs#6599). */
  | {
      readonly answer: 'page';
      readonly rows: readonly DeltaRow[];
      readonly removed: readonly string[];
      /** Where the round goes on; it dies within a few rounds. */
      readonly nextLink: string | null;
      /** Where the next round begins. Keep it only after the whole round has been applied. */
      readonly deltaLink: string | null;
    }
  /** Graph has forgotten the token: begin with a first round. It will not tell what was deleted meanwhile. */
  | { readonly answer: 'lost'; readonly reason: string }
  /** The pages do not end (msgraph-sdk-dotnet#3082): read the calendar by `list` instead. */
  | { readonly answer: 'endless'; readonly reason: string }
  /**
   * Delta alone may refuse for days, whatever it says, while plain reads work (docs-contrib#6596, docs#2927): read the
   * calendar by `list` instead. The link that was asked for is as good as before where `error` is Retryable.
   */
  | { readonly answer: 'refused'; readonly error: Retryable | Permanent }
  /** Graph gave up on so large a window (504, msgraph docs#6499): begin with smaller ones if it stays so. */
  | { readonly answer: 'too-wide'; readonly error: Error };
