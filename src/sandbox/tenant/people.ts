import type { TenantCore } from './core.ts';
import type { Attendee, StoredEvent } from './event-model.ts';
import type { Members } from './event-fields.ts';
import { addEvent, editEvent, findEvent, removeEvent } from './events.ts';
import { WHOLE, readId } from './ids.ts';
import { idOf, type Mailbox } from './mailbox.ts';
import { cancelMeeting, respond } from './meetings.ts';
import { changeInstance, instanceAt } from './series.ts';
import { printInstant, printLocal, wallTimeAt } from './zones.ts';

/** An event as stored. Times are UTC, as `2026-03-01T09:00:00.0000000Z`; all-day ones are their dates' midnights. */
export interface TenantEvent {
  /** Immutable. */
  readonly id: string;
  /** The id without the Prefer header, until the item is moved to another folder. */
  readonly defaultId: string;
  readonly changeKey: string;
  readonly subject: string;
  /** The content of `<body>`. */
  readonly bodyHtml: string;
  readonly start: string;
  readonly end: string;
  readonly startZone: string;
  readonly isAllDay: boolean;
  readonly showAs: string;
  readonly sensitivity: string;
  readonly categories: readonly string[];
  readonly location: string;
  readonly attendees: readonly Attendee[];
  readonly organizer: { readonly name: string; readonly address: string };
  readonly isOrganizer: boolean;
  readonly isCancelled: boolean;
  readonly isReminderOn: boolean;
  readonly joinUrl: string | null;
  readonly response: string;
  readonly type: StoredEvent['type'];
  readonly seriesMasterId: string | null;
  readonly iCalUId: string;
  readonly transactionId: string | null;
  /** Value by id, as written. */
  readonly extendedProperties: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly modifiedAt: string;
}

/** User input in Outlook. Times: ISO with `Z` or an offset, or local to `timeZone` (UTC). */
interface Booking {
  readonly subject: string;
  readonly start: string;
  readonly end: string;
  readonly timeZone?: string;
  readonly isAllDay?: boolean;
  readonly text?: string;
  readonly html?: string;
  readonly location?: string;
  readonly categories?: readonly string[];
  readonly showAs?: string;
  readonly sensitivity?: string;
  readonly isOnlineMeeting?: boolean;
  /** By id, such as `String {guid} Name Colour`. */
  readonly extendedProperties?: Readonly<Record<string, string>>;
}

/** A Graph `patternedRecurrence`; `range.startDate` is filled in. */
interface SeriesBooking extends Booking {
  readonly pattern: Readonly<Record<string, unknown>>;
  readonly range: Readonly<Record<string, unknown>>;
}

/** Changes by users in Outlook, directly on the store. Rooms and users are named by id or address. */
export interface People {
  /** Types a booking into the mailbox' own calendar: it is its organizer, nobody is asked, no mail goes out. */
  book(mailbox: string, what: Booking): TenantEvent;
  bookSeries(mailbox: string, what: SeriesBooking): TenantEvent;
  /** Invites rooms from one's own calendar. Returns the organizer's event; each room gets a copy with its own id. */
  invite(organizer: string, rooms: readonly string[], what: Booking | SeriesBooking): TenantEvent;
  move(mailbox: string, id: string, to: { start: string; end: string; timeZone?: string }): TenantEvent;
  retitle(mailbox: string, id: string, subject: string): TenantEvent;
  /** Any change that Graph's PATCH allows, in its words. */
  edit(mailbox: string, id: string, fields: Members): TenantEvent;
  /** The organizer calls it off: copies stay as cancelled, or go, as their room is set. */
  cancel(mailbox: string, id: string): void;
  /** Deletes the item from this mailbox. */
  remove(mailbox: string, id: string): void;
  /** Takes a deleted item out of the bin, under the id it had. */
  restore(mailbox: string, id: string): TenantEvent;
  /** Drags a copy elsewhere: extended properties go with it. */
  copy(mailbox: string, id: string, to?: { start: string; end: string; timeZone?: string }): TenantEvent;
  respond(mailbox: string, id: string, response: 'accepted' | 'declined' | 'tentativelyAccepted'): void;
  /** Takes one occurrence, by its date in the pattern (`2026-03-01`), out of a series. */
  deleteOccurrence(mailbox: string, masterId: string, date: string): void;
  moveOccurrence(
    mailbox: string,
    masterId: string,
    date: string,
    to: { start: string; end: string; timeZone?: string },
  ): TenantEvent;
  editOccurrence(mailbox: string, masterId: string, date: string, fields: Members): TenantEvent;
  /** To another calendar of the mailbox, or back. The default id changes, the immutable one stays. */
  moveToFolder(mailbox: string, id: string, folder: 'calendar' | 'other'): TenantEvent;
  /** Change key and modification time move, content does not (msgraph docs#14632). */
  touch(mailbox: string, id: string): TenantEvent;
  /**
   * Makes an item malformed: its members are shown exactly as given (davmail#22: no end; docs#840: of 1601). {} repairs it.
   */
  spoil(mailbox: string, id: string, members: Members): TenantEvent;
}

export function createPeople(core: TenantCore): People {
  const box = (name: string) => core.directory.get(name);
  const occurrence = (mailbox: Mailbox, masterId: string, date: string) => {
    const { event: master } = findEvent(mailbox, masterId);
    const instance = instanceAt(master, date.replaceAll('-', ''));
    if (!instance) throw new Error(`the series has no occurrence on ${date}`);
    return { event: instance, master };
  };
  const edit = (mailbox: string, id: string, fields: Members) =>
    snapshot(editEvent(core, box(mailbox), findEvent(box(mailbox), id), fields));

  return {
    edit,
    book: (mailbox, what) => snapshot(addEvent(core, box(mailbox), bodyOf(what))),
    bookSeries: (mailbox, what) => snapshot(addEvent(core, box(mailbox), bodyOf(what))),
    invite(organizer, rooms, what) {
      const attendees = rooms.map((room) => {
        const { upn, name, kind } = box(room);
        return { type: kind === 'room' ? 'resource' : 'required', emailAddress: { address: upn, name } };
      });
      return snapshot(addEvent(core, box(organizer), { ...bodyOf(what), attendees }));
    },
    move: (mailbox, id, to) => edit(mailbox, id, timesOf(to)),
    retitle: (mailbox, id, subject) => edit(mailbox, id, { subject }),
    cancel(mailbox, id) {
      const { event } = findEvent(box(mailbox), id);
      if (!event.isOrganizer) throw new Error('only the organizer cancels a meeting');
      box(mailbox).store.remove(event);
      cancelMeeting(core, box(mailbox), event);
    },
    remove: (mailbox, id) => removeEvent(core, box(mailbox), findEvent(box(mailbox), id)),
    restore(mailbox, id) {
      const { store } = box(mailbox);
      const event = store.deletedByStem(readId(id)?.stem ?? '');
      if (!event) throw new Error('the bin has no such item');
      const restored = store.restore(event, event, event.edition);
      return snapshot(store.change(restored, { createdAt: event.createdAt }));
    },
    copy(mailbox, id, to) {
      const { event } = findEvent(box(mailbox), id);
      const copy = box(mailbox).store.insert({
        ...event,
        recurrence: null,
        transactionId: null,
        iCalUId: `${event.iCalUId.slice(0, 32)}${core.random.guid().replaceAll('-', '').toUpperCase()}`,
      });
      return to ? edit(mailbox, idOf(copy, true), timesOf(to)) : snapshot(copy);
    },
    respond: (mailbox, id, response) =>
      respond(core, box(mailbox), findEvent(box(mailbox), id).event, response, true),
    deleteOccurrence(mailbox, masterId, date) {
      removeEvent(core, box(mailbox), occurrence(box(mailbox), masterId, date));
    },
    moveOccurrence(mailbox, masterId, date, to) {
      return snapshot(editEvent(core, box(mailbox), occurrence(box(mailbox), masterId, date), timesOf(to)));
    },
    editOccurrence(mailbox, masterId, date, fields) {
      return snapshot(editEvent(core, box(mailbox), occurrence(box(mailbox), masterId, date), fields));
    },
    moveToFolder(mailbox, id, folder) {
      const { store } = box(mailbox);
      const { event } = findEvent(box(mailbox), id);
      return snapshot(store.change(event, { folder: event.folder + 1, inCalendar: folder === 'calendar' }));
    },
    spoil(mailbox, id, odd) {
      const { store } = box(mailbox);
      const { event, master } = findEvent(box(mailbox), id);
      return snapshot(master ? changeInstance(store, master, event, { odd }) : store.change(event, { odd }));
    },
    touch(mailbox, id) {
      const { store } = box(mailbox);
      const { event, master } = findEvent(box(mailbox), id);
      return snapshot(master ? changeInstance(store, master, event, {}) : store.change(event, {}));
    },
  };
}

/** A picture of a stored event that can be sent as JSON. */
export function snapshot(event: StoredEvent): TenantEvent {
  return {
    id: idOf(event, true),
    defaultId: idOf(event, false),
    changeKey: event.changeKey,
    subject: event.subject,
    bodyHtml: event.bodyHtml,
    start: printInstant(event.startAt),
    end: printInstant(event.endAt),
    startZone: event.start.zone,
    isAllDay: event.isAllDay,
    showAs: event.showAs,
    sensitivity: event.sensitivity,
    categories: event.categories,
    location: String(event.location.displayName ?? ''),
    attendees: event.attendees,
    organizer: event.organizer,
    isOrganizer: event.isOrganizer,
    isCancelled: event.isCancelled,
    isReminderOn: event.isReminderOn,
    joinUrl: event.joinUrl,
    response: event.response,
    type: event.type,
    seriesMasterId: event.slot === WHOLE ? null : idOf(event, true, WHOLE),
    iCalUId: event.iCalUId,
    transactionId: event.transactionId,
    extendedProperties: Object.fromEntries([...event.extended.values()].map(({ id, value }) => [id, value])),
    createdAt: printInstant(event.createdAt),
    modifiedAt: printInstant(event.modifiedAt),
  };
}

function timesOf({ start, end, timeZone = 'UTC' }: { start: string; end: string; timeZone?: string }) {
  return { start: timeOf(start, timeZone), end: timeOf(end, timeZone) };
}

function timeOf(text: string, timeZone: string) {
  if (/(Z|[+-]\d\d:\d\d)$/i.test(text)) {
    const instant = Date.parse(text);
    if (Number.isNaN(instant)) throw new Error(`not a time: ${text}`);
    return { dateTime: printLocal(wallTimeAt(instant, timeZone).local), timeZone };
  }
  const padded = /T\d\d:\d\d$/.test(text) ? `${text}:00` : /T/.test(text) ? text : `${text}T00:00:00`;
  return { dateTime: padded, timeZone };
}

function bodyOf(what: Booking | SeriesBooking): Members {
  const { subject, start, end, timeZone, text, html, location, extendedProperties, ...rest } = what;
  const { pattern, range, ...plain } = rest as Partial<SeriesBooking>;
  const times = timesOf({ start, end, ...(timeZone === undefined ? {} : { timeZone }) });
  const properties = Object.entries(extendedProperties ?? {}).map(([id, value]) => ({ id, value }));
  return {
    subject,
    ...plain,
    ...times,
    ...(text === undefined ? {} : { body: { contentType: 'text', content: text } }),
    ...(html === undefined ? {} : { body: { contentType: 'html', content: html } }),
    ...(location === undefined ? {} : { location: { displayName: location } }),
    ...(properties.length === 0 ? {} : { singleValueExtendedProperties: properties }),
    ...(pattern === undefined
      ? {}
      : { recurrence: { pattern, range: { startDate: times.start.dateTime.slice(0, 10), ...range } } }),
  };
}
