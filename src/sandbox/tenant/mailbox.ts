import { WHOLE, createStems, folderToken, printId, printSlot, type ItemId } from './ids.ts';
import type { EventContent, ExtendedProperty, StoredEvent } from './event-model.ts';
import { slotDays } from './recurrence.ts';
import type { Random } from './random.ts';
import { instantOf } from './zones.ts';

export type ChangeType = 'created' | 'updated' | 'deleted';

/** One entry of a mailbox' history, the source of delta. */
export interface Change {
  readonly version: number;
  readonly at: number;
  readonly stem: string;
  readonly type: ChangeType;
  /** An occurrence was taken out of the series: delta says nothing of it (msgraph docs PR#4501). */
  readonly occurrenceDeleted: boolean;
}

/** The answer of a room to meeting requests (Microsoft: Set-CalendarProcessing, with its cloud defaults). */
export interface Attendant {
  /** `none`: requests stay tentative and untouched. */
  readonly mode: 'autoAccept' | 'none';
  readonly afterMs: number;
  readonly allowConflicts: boolean;
  readonly removeCancelled: boolean;
  /** A declined meeting stays in the calendar as free instead of going away ("preserve declined events"). */
  readonly keepDeclined: boolean;
}

export interface Mailbox {
  readonly id: string;
  readonly upn: string;
  readonly name: string;
  readonly kind: 'room' | 'person';
  readonly key: string;
  readonly store: MailboxStore;
  attendant: Attendant;
  /** Of the default calendar, by key. */
  calendarProperties: ReadonlyMap<string, ExtendedProperty>;
}

/** Older history is forgotten, and delta tokens that need it with it. */
const LONGEST_HISTORY = 50_000;
/** Older transaction ids are forgotten. How long Exchange remembers is not documented. */
const LONGEST_MEMORY = 50_000;

/**
 * The items of one mailbox, indexed by id and by extended property. Every write makes a new version:
 * new change key, new history entry, and one call of `changed`.
 */
export class MailboxStore {
  /** Oldest first; versions ascend. */
  readonly history: Change[] = [];
  readonly transactions = new Map<string, { stem: string; fingerprint: string }>();
  version = 0;
  /** The newest version that history no longer holds. */
  forgotten = 0;
  readonly #events = new Map<string, StoredEvent>();
  /** Deleted items, while history still speaks of them. */
  readonly #deleted = new Map<string, StoredEvent>();
  readonly #byProperty = new Map<string, Set<string>>();
  readonly #byMeeting = new Map<string, string>();
  readonly #key: string;
  readonly #now: () => number;
  readonly #nextStem: () => string;
  readonly #changed: (event: StoredEvent, change: Change) => void;
  #sorted: readonly StoredEvent[] | undefined;

  constructor(options: {
    key: string;
    random: Random;
    now: () => number;
    changed: (event: StoredEvent, change: Change) => void;
  }) {
    this.#key = options.key;
    this.#now = options.now;
    this.#nextStem = createStems(options.random);
    this.#changed = options.changed;
  }

  get size(): number {
    return this.#events.size;
  }

  insert(content: EventContent): StoredEvent {
    return this.#put(content, this.#nextStem(), 'created', 0);
  }

  /** Puts an item back under the id it had, with new content: an update to a meeting keeps its copies. */
  restore(earlier: StoredEvent, content: EventContent, edition: number): StoredEvent {
    return this.#put(content, earlier.stem, 'updated', edition);
  }

  #put(content: EventContent, stem: string, type: ChangeType, edition: number): StoredEvent {
    const at = this.#now();
    const event: StoredEvent = {
      ...content,
      ...timesOf(content),
      stem,
      slot: WHOLE,
      mailboxKey: this.#key,
      type: content.recurrence ? 'seriesMaster' : 'singleInstance',
      folder: 0,
      createdAt: at,
      modifiedAt: at,
      changeKey: this.#nextChangeKey(),
      series: content.recurrence
        ? { slots: slotDays(content.recurrence), exceptions: new Map(), cancelled: new Set() }
        : null,
      edition,
    };
    this.#events.set(stem, event);
    this.#byMeeting.set(event.iCalUId, stem);
    this.#index(event);
    this.#record(event, type, at);
    return event;
  }

  /** Replaces the members in `to` and raises the change key. */
  change(event: StoredEvent, to: Partial<StoredEvent>, occurrenceDeleted = false): StoredEvent {
    const at = this.#now();
    const merged = { ...event, ...to };
    const next: StoredEvent = {
      ...merged,
      ...timesOf(merged),
      modifiedAt: at,
      changeKey: this.#nextChangeKey(),
      type: merged.recurrence ? 'seriesMaster' : 'singleInstance',
    };
    this.#events.set(event.stem, next);
    if (next.extended !== event.extended) {
      this.#unindex(event);
      this.#index(next);
    }
    this.#record(next, 'updated', at, occurrenceDeleted);
    return next;
  }

  remove(event: StoredEvent): void {
    this.#events.delete(event.stem);
    this.#byMeeting.delete(event.iCalUId);
    this.#unindex(event);
    this.#deleted.set(event.stem, event);
    this.#nextChangeKey();
    this.#record(event, 'deleted', this.#now());
  }

  byStem(stem: string): StoredEvent | undefined {
    return this.#events.get(stem);
  }

  /** The last state of a deleted item, as long as history speaks of it. */
  deletedByStem(stem: string): StoredEvent | undefined {
    return this.#deleted.get(stem);
  }

  /** Singles and series masters, by start. */
  inOrder(): readonly StoredEvent[] {
    this.#sorted ??= [...this.#events.values()].sort(
      (a, b) => a.startAt - b.startAt || (a.stem < b.stem ? -1 : 1),
    );
    return this.#sorted;
  }

  /** Items with that value of the property `key`, in any letter case. */
  withProperty(key: string, value: string): readonly StoredEvent[] {
    const stems = this.#byProperty.get(propertyIndex(key, value)) ?? new Set<string>();
    return [...stems].flatMap((stem) => this.#events.get(stem) ?? []);
  }

  /** The mailbox' copy of a meeting. */
  withMeeting(iCalUId: string): StoredEvent | undefined {
    return this.#events.get(this.#byMeeting.get(iCalUId) ?? '');
  }

  remember(transactionId: string, stem: string, fingerprint: string): void {
    if (this.transactions.size >= LONGEST_MEMORY) {
      this.transactions.delete(this.transactions.keys().next().value ?? '');
    }
    this.transactions.set(transactionId, { stem, fingerprint });
  }

  #nextChangeKey(): string {
    this.version++;
    return `DwAAABYAAAA${this.#key.slice(0, 8)}${this.version.toString(36).padStart(8, '0')}Q==`;
  }

  #record(event: StoredEvent, type: ChangeType, at: number, occurrenceDeleted = false): void {
    this.#sorted = undefined;
    const change: Change = { version: this.version, at, stem: event.stem, type, occurrenceDeleted };
    this.history.push(change);
    if (this.history.length > LONGEST_HISTORY * 1.2) {
      for (const old of this.history.splice(0, this.history.length - LONGEST_HISTORY)) {
        this.forgotten = old.version;
        if (old.type === 'deleted') this.#deleted.delete(old.stem);
      }
    }
    this.#changed(event, change);
  }

  #index(event: StoredEvent): void {
    for (const [key, { value }] of event.extended) {
      const entry = propertyIndex(key, value);
      const stems = this.#byProperty.get(entry);
      if (stems) stems.add(event.stem);
      else this.#byProperty.set(entry, new Set([event.stem]));
    }
  }

  #unindex(event: StoredEvent): void {
    for (const [key, { value }] of event.extended) {
      const entry = propertyIndex(key, value);
      const stems = this.#byProperty.get(entry);
      stems?.delete(event.stem);
      if (stems?.size === 0) this.#byProperty.delete(entry);
    }
  }
}

const propertyIndex = (key: string, value: string) => `${key}\n${value.toLowerCase()}`;

/** The instants of an event's wall times. */
export function timesOf({ start, end, isAllDay }: Pick<StoredEvent, 'start' | 'end' | 'isAllDay'>) {
  return isAllDay
    ? { startAt: start.local, endAt: end.local }
    : { startAt: instantOf(start), endAt: instantOf(end) };
}

/** The id under which a request sees the event: immutable only if its own Prefer header asks for it. */
export const idOf = (event: StoredEvent, immutable: boolean, slot = event.slot) =>
  printId({
    immutable,
    mailboxKey: event.mailboxKey,
    folder: folderToken(event.folder),
    stem: event.stem,
    slot: printSlot(slot, event.edition),
  });

/** Whether that id still names the event: a default id dies when the item is moved to another folder. */
export const isNamedBy = (event: StoredEvent, id: ItemId) =>
  id.mailboxKey === event.mailboxKey && (id.immutable || id.folder === folderToken(event.folder));
