import type { Recurrence, SlotDays } from './recurrence.ts';
import type { WallTime } from './zones.ts';

/** Everything about an event that a client may write. */
export interface EventFields {
  readonly subject: string;
  /** The content of `<body>`; empty when the event has no body. */
  readonly bodyHtml: string;
  readonly start: WallTime;
  readonly end: WallTime;
  readonly isAllDay: boolean;
  readonly location: Readonly<Record<string, unknown>>;
  readonly locations: readonly Readonly<Record<string, unknown>>[];
  readonly attendees: readonly Attendee[];
  readonly categories: readonly string[];
  readonly importance: string;
  readonly sensitivity: string;
  readonly showAs: string;
  readonly isReminderOn: boolean;
  readonly reminderMinutesBeforeStart: number;
  readonly responseRequested: boolean;
  readonly allowNewTimeProposals: boolean;
  readonly hideAttendees: boolean;
  readonly isOnlineMeeting: boolean;
  readonly onlineMeetingProvider: string;
  /** Null: there is no online meeting, or none any more. */
  readonly joinUrl: string | null;
  readonly recurrence: Recurrence | null;
}

export interface Attendee {
  readonly type: string;
  readonly address: string;
  readonly name: string;
  readonly response: string;
}

export interface ExtendedProperty {
  readonly id: string;
  readonly value: string;
}

/** Members decided by the server alone. */
interface ServerFields {
  readonly transactionId: string | null;
  /** By `propertyKey`. */
  readonly extended: ReadonlyMap<string, ExtendedProperty>;
  readonly isOrganizer: boolean;
  readonly organizer: { readonly name: string; readonly address: string };
  readonly isCancelled: boolean;
  /** responseStatus.response */
  readonly response: string;
  readonly iCalUId: string;
  readonly originalStartZone: string;
  readonly originalEndZone: string;
  /** In the calendar folder; false once moved to another one, where no view of the calendar shows it. */
  readonly inCalendar: boolean;
  /** Members as no client could write them, left behind by old software: shown instead of the proper ones. */
  readonly odd: Readonly<Record<string, unknown>>;
}

export type EventContent = EventFields & ServerFields;

type EventType = 'singleInstance' | 'seriesMaster' | 'occurrence' | 'exception';

/** One item of a mailbox. Replaced, never changed, so that readers hold a consistent picture. */
export interface StoredEvent extends EventContent {
  readonly stem: string;
  readonly slot: string;
  readonly mailboxKey: string;
  readonly type: EventType;
  /** Instants in milliseconds; all-day events float, theirs are the UTC midnights of their dates. */
  readonly startAt: number;
  readonly endAt: number;
  readonly folder: number;
  readonly changeKey: string;
  readonly createdAt: number;
  readonly modifiedAt: number;
  readonly series: Series | null;
  /** How often the instances of its series got new ids. */
  readonly edition: number;
}

/** The instances of a series master. */
export interface Series {
  readonly slots: SlotDays;
  readonly exceptions: ReadonlyMap<string, StoredEvent>;
  readonly cancelled: ReadonlySet<string>;
}
