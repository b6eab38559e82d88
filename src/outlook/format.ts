/**
 * Item ↔ Graph event. Pure and total: no clock, no I/O. What is written is a stable normal form: written, changed by
 * Exchange as it does, and read back, an item is equal to `show(item)`.
 */
import { Permanent, messageOf } from '../errors.ts';
import { framed, withBuffers, type Appearance, type BookedItem } from '../appearance.ts';
import { readId, type Id } from '../id.ts';
import { touchesTimes, type Item, type ItemChange, type ReservationKey } from '../item.ts';
import type { OutlookEvent } from '../event.ts';
import { withoutJoinBlock, type OnlineMeeting } from './join-block.ts';
import { cleanDescription, cleanTitle, longestTitle, textOfHtml } from './text.ts';
import { createZone, zoneNamed, type Zone } from './zone.ts';

/**
 * Extended properties of our events, the same as the predecessor's, so that its events are adopted.
 * Microsoft: extended-properties-overview; the name part is case-sensitive.
 */
export const typeProperty = 'String {66f5a359-4659-4830-9070-00047ec6ac6e} Name BookingSystemType';
export const idProperty = 'String {66f5a359-4659-4830-9070-00047ec6ac6f} Name BookingSystemId';

interface GraphTime {
  readonly dateTime: string;
  readonly timeZone: string;
}

/** The members of an event that we write. Microsoft: resources/event. */
export interface GraphEventBody {
  subject?: string;
  body?: { readonly contentType: 'text' | 'html'; readonly content: string };
  start?: GraphTime;
  end?: GraphTime;
  isAllDay?: boolean;
  sensitivity?: 'normal' | 'private';
  showAs?: 'busy' | 'tentative';
  isReminderOn?: false;
  responseRequested?: false;
  transactionId?: string;
  singleValueExtendedProperties?: readonly { readonly id: string; readonly value: string }[];
}

export interface Format {
  /** The form of an item in Outlook: privacy, default titles, lengths. Idempotent. */
  show(item: BookedItem): BookedItem;
  /** The body of a create. Throws Permanent for an item with invalid times. */
  toGraph(item: Item, properties: ReservationKey, transactionId: string): GraphEventBody;
  /** The body of a PATCH: the changed fields, and those that belong to them. Throws as `toGraph`. */
  toPatch(change: ItemChange, whole: Item, writesShowAs?: boolean): GraphEventBody;
  /** The body of a PATCH of both times in UTC, used if Exchange's rules of the zone differ from ours. */
  timesInUtc(item: Item): GraphEventBody;
  /** Parses an event of Graph. Throws Permanent if it is not an event with an id. */
  toEvent(value: unknown): OutlookEvent;
}

/** Subjects of private items, and of those that have no title. */
const privateTitle = 'Private';
const emptyTitle = 'Booked';

export interface FormatOptions {
  /** BOOKING_TIMEZONE, an IANA name. */
  readonly timezone: string;
  /** FREE_EVENTS: which events that are shown as free occupy the room all the same. Default: none. */
  readonly freeEvents?: 'ignore' | 'all_day' | 'import';
  /** The number of a non-numeric key. Default: only events with a number are ours. */
  readonly keyId?: (type: string, key: string) => Id;
}

export function createFormat(options: FormatOptions): Format {
  const { freeEvents = 'ignore' } = options;
  const takesFree = ({ allDay }: Item) => freeEvents === 'import' || (freeEvents === 'all_day' && allDay);
  const zone = createZone(options.timezone);

  function show(item: BookedItem): BookedItem {
    const { as = {}, isPrivate } = item;
    const onlyTimes = as.privacy === 'busy-only';
    const hidden = onlyTimes || (isPrivate && as.privacy !== 'full');
    const title = onlyTimes ? emptyTitle : hidden ? privateTitle : cleanTitle(item.title) || emptyTitle;
    return {
      ...showTimes(withBuffers(item), zone),
      title: onlyTimes ? title : cleanTitle(framed(title, as, longestTitle)),
      description: hidden ? '' : cleanDescription(item.description),
      isPrivate,
      // `show` is idempotent
      ...remaining(as, isPrivate),
    };
  }

  const remaining = ({ privacy, tentative }: Appearance, isPrivate: boolean): Pick<BookedItem, 'as'> => {
    const as: Appearance = {
      ...(isPrivate && privacy !== undefined ? { privacy: 'full' } : {}),
      ...(tentative === true ? { tentative } : {}),
    };
    return Object.keys(as).length === 0 ? {} : { as };
  };

  function toPatch(change: ItemChange, whole: Item, writesShowAs = false): GraphEventBody {
    const shown = show(whole);
    const patch: GraphEventBody = writesShowAs ? { showAs: showAsOf(shown) } : {};
    const flips = change.isPrivate !== undefined;
    if (flips || change.title !== undefined) patch.subject = shown.title;
    if (flips || change.description !== undefined) patch.body = bodyOf(shown);
    if (flips) patch.sensitivity = sensitivityOf(shown);
    if (touchesTimes(change)) Object.assign(patch, writeTimes(shown, zone));
    return patch;
  }

  return {
    show,
    toGraph(item, properties, transactionId) {
      const shown = show(item);
      return {
        subject: shown.title,
        body: bodyOf(shown),
        ...writeTimes(shown, zone),
        sensitivity: sensitivityOf(shown),
        showAs: showAsOf(shown),
        isReminderOn: false,
        responseRequested: false,
        transactionId,
        ...propertiesOf(properties),
      };
    },
    toPatch,
    timesInUtc: (item) => writeTimes(show(item), zone, false),
    toEvent: (value) => parseEvent(value, zone, takesFree, options.keyId),
  };
}

/** The extended properties with the event's reservation. */
export const propertiesOf = (key: ReservationKey): Pick<GraphEventBody, 'singleValueExtendedProperties'> => ({
  singleValueExtendedProperties: [
    { id: typeProperty, value: key.type },
    { id: idProperty, value: key.key ?? String(key.id) },
  ],
});

const bodyOf = (item: Item) => ({ contentType: 'text', content: item.description }) as const;
const showAsOf = ({ as }: BookedItem) => (as?.tentative === true ? 'tentative' : 'busy');
const sensitivityOf = (item: Item) => (item.isPrivate ? 'private' : 'normal');

type Times = Pick<Item, 'startsAt' | 'endsAt' | 'allDay'>;

const instant = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;
const normalInstant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
/** With whole seconds, in UTC; an invalid time is returned unchanged. */
function normal(at: string): string {
  if (normalInstant.test(at)) return at;
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? at : instant(Math.floor(ms / 1_000) * 1_000);
}

/** All day only from midnight to midnight of the zone (Microsoft: resources/event, isAllDay), and at least one day. */
function showTimes(item: Times, zone: Zone): Times {
  const [startsAt, endsAt] = [normal(item.startsAt), normal(item.endsAt)];
  if (!item.allDay) return { startsAt, endsAt, allDay: false };
  const [start, end] = [Date.parse(startsAt), Date.parse(endsAt)];
  if (!(zone.isMidnight(start) && zone.isMidnight(end) && end > start))
    return { startsAt, endsAt, allDay: false };
  return { startsAt, endsAt, allDay: true };
}

/**
 * Times as the zone's wall clock with its Windows name: Graph documents only some IANA names, and never an offset
 * (Microsoft: resources/dateTimeTimeZone). UTC where the wall clock is ambiguous or the zone has no Windows name.
 */
function writeTimes(
  item: Times,
  zone: Zone,
  mayBeLocal = true,
): Pick<GraphEventBody, 'start' | 'end' | 'isAllDay'> {
  const [start, end] = [Date.parse(item.startsAt), Date.parse(item.endsAt)];
  if (Number.isNaN(start) || Number.isNaN(end))
    throw new Permanent(`'${item.startsAt}' to '${item.endsAt}' is no time`, {
      hint: 'Correct the times of the reservation in the booking system.',
    });
  const { allDay } = item;
  const local = mayBeLocal && zone.windowsName !== null && !zone.isRepeated(start) && !zone.isRepeated(end);
  const at = (ms: number) => {
    // a date floats: it is the same in every zone
    if (allDay)
      return { dateTime: `${zone.wallAt(ms).slice(0, 10)}T00:00:00`, timeZone: zone.windowsName ?? 'UTC' };
    if (local) return { dateTime: zone.wallAt(ms), timeZone: zone.windowsName! };
    return { dateTime: instant(ms).slice(0, 19), timeZone: 'UTC' };
  };
  return { start: at(start), end: at(end), isAllDay: allDay };
}

type Members = Readonly<Record<string, unknown>>;

/** The members of an object; empty for other values. */
export const membersOf = (value: unknown): Members =>
  typeof value === 'object' && value !== null ? (value as Members) : {};
/** A non-empty string, else null. */
export const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : null;

function parseEvent(
  value: unknown,
  zone: Zone,
  takesFree: (item: Item) => boolean,
  keyId: FormatOptions['keyId'],
): OutlookEvent {
  const event = membersOf(value);
  const id = textOf(event.id);
  if (id === null) throw new Permanent('Graph answered an event without an id');
  const isOrganizer = event.isOrganizer === true;
  return {
    id,
    iCalUId: textOf(event.iCalUId) ?? '',
    shows: readShown(event, isOrganizer, zone, takesFree),
    properties: readProperties(event.singleValueExtendedProperties, keyId),
    isOrganizer,
    type: readType(event.type),
    seriesMasterId: textOf(event.seriesMasterId),
    originalStart: readInstant(event.originalStart),
    organizer: readOrganizer(event.organizer),
    transactionId: textOf(event.transactionId),
    createdAt: dateIn(event.createdDateTime),
    lastModifiedAt: dateIn(event.lastModifiedDateTime),
    etag: textOf(event['@odata.etag']),
  };
}

/** As printed; null: not a date. */
const dateIn = (value: unknown): string | null =>
  Number.isNaN(Date.parse(String(value))) ? null : textOf(value);

function readShown(
  event: Members,
  isOrganizer: boolean,
  zone: Zone,
  takesFree: (item: Item) => boolean,
): OutlookEvent['shows'] {
  try {
    const response = textIn(objectIn(event, 'responseStatus'), 'response');
    flagIn(event, 'isOrganizer');
    if (flagIn(event, 'isCancelled') || response === 'declined') return { is: 'released' };
    for (const name of ['showAs', 'iCalUId', 'seriesMasterId', 'type']) textIn(event, name);
    const item = readItem(event, zone);
    if (!isOrganizer && isUndecided(response, event.showAs)) return { is: 'undecided', item };
    if (event.showAs === 'free' && !takesFree(item)) return { is: 'free', item };
    return { is: 'occupied', item, ...(event.showAs === 'tentative' ? { tentative: true } : {}) };
  } catch (error) {
    // one malformed row must not stop a page
    return { is: 'unreadable', why: messageOf(error) };
  }
}

/**
 * A request that waits for the attendant or a delegate is tentative, or free where the room is set up so
 * (Set-CalendarProcessing, TentativePendingApproval); one that was moved or edited waits again (graph: event, responseStatus).
 */
const isUndecided = (response: string, showAs: unknown): boolean =>
  response === 'notResponded' ||
  (response === 'tentativelyAccepted' && showAs === 'free') ||
  (response !== 'accepted' && showAs === 'tentative');

function readItem(event: Members, zone: Zone): Item {
  const sensitivity = textIn(event, 'sensitivity');
  return {
    ...readTimes(event, zone),
    title: cleanTitle(textIn(event, 'subject')),
    description: readBody(objectIn(event, 'body'), meetingOf(event)),
    isPrivate: sensitivity === 'private' || sensitivity === 'confidential',
  };
}

/** A value of an undocumented type is not usable. Null and missing values are empty. */
const odd = (value: unknown, name: string) =>
  new Permanent(`Graph answered '${String(JSON.stringify(value)).slice(0, 100)}' as the ${name} of an event`);

function textIn(members: Members, name: string): string {
  const value = members[name] ?? '';
  if (typeof value !== 'string') throw odd(value, name);
  return value;
}

function flagIn(members: Members, name: string): boolean {
  const value = members[name] ?? false;
  if (typeof value !== 'boolean') throw odd(value, name);
  return value;
}

function objectIn(members: Members, name: string): Members {
  const value = members[name] ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw odd(value, name);
  return value as Members;
}

/** Damaged events were seen with times of 1601 (msgraph docs#840): such times are never real bookings. */
const [earliest, latest] = [Date.UTC(1990, 0), Date.UTC(2100, 0)];

/** Throws Permanent if they are invalid. */
function readTimes(event: Members, zone: Zone): Times {
  const allDay = flagIn(event, 'isAllDay');
  const [start, end] = [readTime(event.start, allDay, zone), readTime(event.end, allDay, zone)];
  if (!(start >= earliest && end <= latest)) {
    const [from, to] = [membersOf(event.start).dateTime, membersOf(event.end).dateTime];
    throw new Permanent(`Graph answered '${String(from)}' to '${String(to)}' as the times of an event`);
  }
  return { startsAt: instant(start), endsAt: instant(end), allDay };
}

const graphTime = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z?$/;

/** All-day events float: midnight of their own date, whatever zone the answer names (seen live, 2026-10). */
function readTime(value: unknown, allDay: boolean, zone: Zone): number {
  const { dateTime, timeZone } = membersOf(value);
  const [, date, time] = graphTime.exec(textOf(dateTime) ?? '') ?? [];
  if (date === undefined || time === undefined)
    throw new Permanent(`Graph answered '${String(dateTime)}' as the time of an event`);
  if (allDay) return zone.instantOf(`${date}T00:00:00`);
  const name = textOf(timeZone) ?? 'UTC';
  if (name === 'UTC' || name === 'Etc/UTC') return Date.parse(`${date}T${time}Z`);
  const named = zoneNamed(name);
  if (named === null) throw new Permanent(`Graph answered a time in the unknown zone '${name}'`);
  return named.instantOf(`${date}T${time}`);
}

/** An invalid time gives null: nothing else of the event depends on it. */
function readInstant(value: unknown): string | null {
  const at = normal(textOf(value) ?? '');
  return normalInstant.test(at) ? at : null;
}

/** Graph's data about an event's online meeting; `isOnlineMeeting` alone stays true for ever (Microsoft: resources/event). */
export function meetingOf(event: Members): OnlineMeeting {
  const joinUrl = textOf(membersOf(event.onlineMeeting).joinUrl) ?? textOf(event.onlineMeetingUrl);
  return { isOnline: event.isOnlineMeeting === true || joinUrl !== null, joinUrl };
}

function readBody(body: Members, meeting: OnlineMeeting): string {
  const content = textIn(body, 'content');
  if (content === '') return '';
  const text = body.contentType === 'html' ? textOfHtml(content) : content;
  return cleanDescription(withoutJoinBlock(text, meeting));
}

/** The id is a decimal bigint of the booking system, or a key if it has keys; anything else is not ours. */
function readProperties(properties: unknown, keyId: FormatOptions['keyId']): ReservationKey | null {
  if (!Array.isArray(properties)) return null;
  const named = new Map(
    properties.map(membersOf).map(({ id, value }) => [String(id).toLowerCase(), textOf(value)]),
  );
  const [type, id] = [named.get(typeProperty.toLowerCase()), named.get(idProperty.toLowerCase())];
  if (type == null || id == null || id === '') return null;
  const number = /^[1-9]/.test(id) ? readId(id) : null;
  const known = number ?? keyId?.(type, id) ?? null;
  return known === null ? null : { type, id: known };
}

function readType(type: unknown): OutlookEvent['type'] {
  return type === 'occurrence' || type === 'exception' || type === 'seriesMaster' ? type : 'singleInstance';
}

function readOrganizer(organizer: unknown): OutlookEvent['organizer'] {
  const { name, address } = membersOf(membersOf(organizer).emailAddress);
  const [person, email] = [textOf(name), textOf(address)];
  return person === null && email === null ? null : { name: person ?? '', email: email ?? '' };
}
