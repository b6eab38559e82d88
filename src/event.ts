/** The types of the calls to Outlook, with items in the normal form of both sides. */
import type { Permanent, Retryable } from './errors.ts';
import type { Item, ItemChange, ReservationKey } from './item.ts';

/** A room's mailbox: its object id, or its address until that id is known. */
export interface Mailbox {
  readonly mailbox: string;
}

/**
 * The state of an event in a room calendar, determined in `outlook/format.ts` only. `released` and `absent` mean that the room
 * is free again; the other states except `occupied` cause no change by themselves.
 */
export type Shown =
  | { readonly is: 'occupied'; readonly item: Item; readonly tentative?: true }
  /** The room has not answered the invitation, or not again since its organiser moved or edited it. */
  | { readonly is: 'undecided'; readonly item: Item }
  /** It is shown as free, which Outlook also sets by default for all-day events. */
  | { readonly is: 'free'; readonly item: Item }
  /** Cancelled by its organiser, or declined for the room. */
  | { readonly is: 'released' }
  /** Verified: the mailbox answers, and neither a read by id nor the calendar view has the event. */
  | { readonly is: 'absent' }
  /** It exists, but Graph's representation cannot be interpreted. */
  | { readonly is: 'unreadable'; readonly why: string };

/** The item of an event that occupies the room; null for other states. */
export const occupying = (shown: Shown): Item | null => (shown.is === 'occupied' ? shown.item : null);
/** The item of an event in any state that has one, else null. */
export const itemOf = (shown: Shown): Item | null => ('item' in shown ? shown.item : null);
/** The item of an event that is occupied or free; null for an undecided one and for other states. */
export const standing = (shown: Shown): Item | null =>
  shown.is === 'occupied' || shown.is === 'free' ? shown.item : null;
/** Whether the event no longer uses the room. */
export const isGivenBack = (shown: Shown): boolean => shown.is === 'released' || shown.is === 'absent';

/** An event in a room calendar. */
export interface OutlookEvent {
  readonly id: string;
  /** The same for one meeting in every mailbox; '' where Graph left it out. */
  readonly iCalUId: string;
  readonly shows: Exclude<Shown, { is: 'absent' }>;
  /** The reservation in our extended properties. Null: there are none, or Graph's answer does not include them. */
  readonly properties: ReservationKey | null;
  /** True: the room is the organiser. False: the room was invited. */
  readonly isOrganizer: boolean;
  readonly type: 'singleInstance' | 'occurrence' | 'exception' | 'seriesMaster';
  readonly seriesMasterId: string | null;
  /** The slot that an occurrence had in its series' pattern, an ISO instant in UTC. */
  readonly originalStart: string | null;
  readonly organizer: { readonly name: string; readonly email: string } | null;
  /** The idempotency key of its create; null: it was created without one. */
  readonly transactionId: string | null;
  /** As Graph prints it. */
  readonly createdAt: string | null;
  /** As Graph prints it. Changes without any edit (msgraph docs#14632): never proof of one. */
  readonly lastModifiedAt: string | null;
  readonly etag: string | null;
}

/**
 * An event read by its id, as it occurs in the calendar: null for the master of a series, which occupies no time itself. An
 * event that was changed into a series no longer exists as such; the instances of the series do.
 */
export const dated = <Event extends Pick<OutlookEvent, 'type'>>(event: Event | null): Event | null =>
  event?.type === 'seriesMaster' ? null : event;

/** From the creation to the last change; NaN: unknown. */
export const sinceCreationMs = ({
  createdAt,
  lastModifiedAt,
}: Pick<OutlookEvent, 'createdAt' | 'lastModifiedAt'>): number =>
  Date.parse(lastModifiedAt ?? '') - Date.parse(createdAt ?? '');
/** After the creation of an event, for changes by Exchange itself. */
export const createdWithinMs = 1_000;
/** Whether it was changed after its creation, as far as is known: perhaps by a person. */
export const mayBeEdited = (event: Pick<OutlookEvent, 'createdAt' | 'lastModifiedAt'>): boolean =>
  !(sinceCreationMs(event) <= createdWithinMs);

/** The name, or else the address, of the organiser that invited the room; null: the room is the organiser, or it is unknown. */
export const invitedBy = ({ isOrganizer, organizer }: Pick<OutlookEvent, 'isOrganizer' | 'organizer'>) =>
  isOrganizer || organizer === null ? null : organizer.name || organizer.email || null;

/** The properties of an event that the tables store to recognise it. */
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

/** The dates of a series. */
export interface SeriesPattern {
  /** Those of the given starts (ISO instants) of instances on whose date the series has no instance. */
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
      /** The reservation that it is assigned to. */
      readonly properties?: ReservationKey;
      /** The version to change (`If-Match`); a Conflict if Graph checks it and it differs. Null: any version. */
      readonly etag?: string | null;
    }
  | { readonly do: 'remove'; readonly eventId: string }
);

/**
 * The result of a write. `event`: the event in Graph's answer (null after a remove); its properties are known after a create
 * only, because Graph does not echo them. `gone`: the event of a change or a remove does not exist. `taken`: the idempotency
 * key belongs to an earlier, different create (`existingId` if Graph named it). `failed`: a Retryable,
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
 * for incomplete rows: occurrences of a series, which must be read separately (`series`), and rows that cannot be interpreted.
 * Extended properties are never included. A series' master has the times of its first occurrence, which may be years ago.
 */
export interface DeltaRow {
  readonly id: string;
  readonly type: OutlookEvent['type'];
  readonly seriesMasterId: string | null;
  readonly event: OutlookEvent | null;
}

export type DeltaAnswer =
  /** `removed`: ids that were deleted or only left the window; a read is needed to distinguish them (msgraph docs#6599). */
  | {
      readonly answer: 'page';
      readonly rows: readonly DeltaRow[];
      readonly removed: readonly string[];
      /** The next page of this round; valid for a few rounds only. */
      readonly nextLink: string | null;
      /** The start of the next round. Store it only after the whole round has been applied. */
      readonly deltaLink: string | null;
    }
  /** The token is no longer valid: start with a first round, which does not report what was deleted meanwhile. */
  | { readonly answer: 'lost'; readonly reason: string }
  /** The pages do not end (msgraph-sdk-dotnet#3082): read the calendar by `list` instead. */
  | { readonly answer: 'endless'; readonly reason: string }
  /**
   * Delta may be refused for days, with various errors, while plain reads work (docs-contrib#6596, docs#2927): read the
   * calendar by `list` instead. The requested link stays valid if `error` is Retryable.
   */
  | { readonly answer: 'refused'; readonly error: Retryable | Permanent }
  /** The window is too large for Graph (504, msgraph docs#6499): use smaller ones if it persists. */
  | { readonly answer: 'too-wide'; readonly error: Error };
