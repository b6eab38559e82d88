import { GraphError, badRequest, invalidProperty, invalidRequest } from './graph-error.ts';
import type { Attendee, EventFields } from './event-model.ts';
import { storedBody, storedSubject } from './event-body.ts';
import { readRecurrence } from './recurrence.ts';
import { DAY_MS, ianaZone, instantOf, readLocal, type WallTime } from './zones.ts';

/** A JSON object as it came in. */
export type Members = Readonly<Record<string, unknown>>;

/** Members that only the server writes. Graph refuses them (Microsoft: event-update lists the members that can be patched). */
const READ_ONLY = new Set(
  `id changeKey createdDateTime lastModifiedDateTime bodyPreview hasAttachments iCalUId isCancelled isDraft
  isOrganizer organizer originalStart originalStartTimeZone originalEndTimeZone onlineMeeting onlineMeetingUrl
  responseStatus seriesMasterId type webLink instances exceptionOccurrences cancelledOccurrences calendar
  attachments`.split(/\s+/),
);

const ENUMS: Readonly<Record<string, readonly string[]>> = {
  importance: ['low', 'normal', 'high'],
  sensitivity: ['normal', 'personal', 'private', 'confidential'],
  showAs: ['unknown', 'free', 'tentative', 'busy', 'oof', 'workingElsewhere'],
  onlineMeetingProvider: ['unknown', 'skypeForBusiness', 'skypeForConsumer', 'teamsForBusiness'],
};
const FLAGS = ['isAllDay', 'isReminderOn', 'responseRequested', 'allowNewTimeProposals', 'hideAttendees'];
const HANDLED_ELSEWHERE = ['transactionId', 'singleValueExtendedProperties', 'recurrence'];

/** Microsoft: event, "maximum of 500 attendees". */
const MOST_ATTENDEES = 500;
/** The store refuses appointments longer than five years. */
const LONGEST_DAYS = 1825;

export const emptyFields: EventFields = {
  subject: '',
  bodyHtml: '',
  start: { local: 0, zone: 'UTC' },
  end: { local: 0, zone: 'UTC' },
  isAllDay: false,
  location: {
    displayName: '',
    locationType: 'default',
    uniqueIdType: 'unknown',
    address: {},
    coordinates: {},
  },
  locations: [],
  attendees: [],
  categories: [],
  importance: 'normal',
  sensitivity: 'normal',
  showAs: 'busy',
  isReminderOn: true,
  reminderMinutesBeforeStart: 15,
  responseRequested: true,
  allowNewTimeProposals: true,
  hideAttendees: false,
  isOnlineMeeting: false,
  onlineMeetingProvider: 'unknown',
  joinUrl: null,
  recurrence: null,
};

/** The members of a body. Throws if it is not a JSON object. */
export function asMembers(body: unknown): Members {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Members;
  throw badRequest(
    'Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.',
  );
}

/**
 * `before` after a POST or PATCH body. Omitted members keep their value. Throws, as Graph does,
 * for unknown and read-only members, wrong types, unknown zones, and times that make no event.
 */
export function readFields(body: Members, before: EventFields): EventFields {
  const after: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(body)) Object.assign(after, readMember(name, value));
  const fields = after as unknown as EventFields;
  checkTimes(fields, body, before);
  return { ...fields, recurrence: recurrenceOf(fields, body, before) };
}

function readMember(name: string, value: unknown): Partial<EventFields> {
  if (name.startsWith('@odata.') || HANDLED_ELSEWHERE.includes(name)) return {};
  if (READ_ONLY.has(name)) {
    throw new GraphError(400, 'ErrorInvalidPropertySet', `Set action is invalid for property '${name}'.`);
  }
  const values = ENUMS[name];
  if (values) return { [name]: oneOf(values, value, name) };
  if (FLAGS.includes(name)) return { [name]: flag(value, name) };
  switch (name) {
    case 'subject':
      return { subject: storedSubject(optionalText(value, name)) };
    case 'body':
      return { bodyHtml: readBody(value) };
    case 'start':
    case 'end':
      return { [name]: readWallTime(value, name) };
    case 'location':
      return readLocation(value);
    case 'locations':
      return readLocations(value);
    case 'attendees':
      return { attendees: readAttendees(value) };
    case 'categories':
      return { categories: list(value, name).map((item) => text(item, name)) };
    case 'reminderMinutesBeforeStart':
      if (!Number.isInteger(value)) throw wrongType(value, 'Edm.Int32');
      return { reminderMinutesBeforeStart: value as number };
    case 'isOnlineMeeting':
      // Once true never false again, and silently so (Microsoft: event).
      return flag(value, name) ? { isOnlineMeeting: true } : {};
    default:
      throw new GraphError(
        400,
        'RequestBodyRead',
        `The property '${name}' does not exist on type 'microsoft.graph.event'. Make sure to only use property ` +
          'names that are defined by the type or mark the type as open type.',
      );
  }
}

function checkTimes(fields: EventFields, body: Members, before: EventFields): void {
  if (before === emptyFields) {
    if (!body.start) throw invalidProperty('Event.Start is required.');
    if (!body.end) throw invalidProperty('Event.End is required.');
  }
  const { start, end, isAllDay } = fields;
  if (isAllDay) checkAllDay(fields);
  const [from, to] = isAllDay ? [start.local, end.local] : [instantOf(start), instantOf(end)];
  if (to < from || (isAllDay && to === from)) {
    throw new GraphError(
      400,
      'ErrorCalendarEndDateIsEarlierThanStartDate',
      'The end date is earlier than the start date.',
    );
  }
  if (to - from > LONGEST_DAYS * DAY_MS) {
    throw new GraphError(
      400,
      'ErrorCalendarDurationIsTooLong',
      'The duration of the appointment is too long.',
    );
  }
}

/** Microsoft: event, isAllDay: "start and end time must be set to midnight and be in the same time zone". */
function checkAllDay({ start, end }: EventFields): void {
  for (const [name, { local }] of [
    ['Start', start],
    ['End', end],
  ] as const) {
    if (local % DAY_MS !== 0) {
      throw invalidRequest(`The Event.${name} property for an all-day event needs to be set to midnight.`);
    }
  }
  if (ianaZone(start.zone) !== ianaZone(end.zone)) {
    throw invalidRequest(
      'The Event.Start and Event.End of an all-day event need to be in the same time zone.',
    );
  }
}

function recurrenceOf(fields: EventFields, body: Members, before: EventFields) {
  const startDay = Math.floor(fields.start.local / DAY_MS);
  if (body.recurrence != null) return readRecurrence(body.recurrence, startDay, fields.start.zone);
  if (body.recurrence === null) return null;
  // A master that changes zone without its recurrence is refused (seen live, 2026-09).
  if (before.recurrence && ianaZone(before.recurrence.zone) !== ianaZone(fields.start.zone)) {
    throw invalidProperty('recurrence.range.recurrenceTimeZone');
  }
  return before.recurrence;
}

function readBody(value: unknown): string {
  if (value === null) return '';
  const { contentType = 'text', content, ...rest } = members(value, 'microsoft.graph.itemBody');
  refuseRest(rest, 'microsoft.graph.itemBody');
  return storedBody(
    oneOf(['text', 'html'], contentType, 'contentType'),
    optionalText(content ?? null, 'content'),
  );
}

/** Also used for the times of getSchedule. */
export function readWallTime(value: unknown, name: string): WallTime {
  const { dateTime, timeZone, ...rest } = members(value, 'microsoft.graph.dateTimeTimeZone');
  refuseRest(rest, 'microsoft.graph.dateTimeTimeZone');
  if (typeof timeZone !== 'string') throw invalidProperty(`${name}.timeZone`);
  ianaZone(timeZone);
  // An offset beside a zone is undocumented; wrong times were observed, so it is refused.
  const local = typeof dateTime === 'string' ? readLocal(dateTime) : undefined;
  if (local === undefined) throw invalidProperty(`${name}.dateTime is not a local date and time.`);
  return { local, zone: timeZone };
}

const LOCATION_MEMBERS =
  'address coordinates displayName locationEmailAddress locationType locationUri uniqueId uniqueIdType'.split(
    ' ',
  );

function oneLocation(value: unknown): Members {
  const given = members(value, 'microsoft.graph.location');
  const unknown = Object.keys(given).find(
    (name) => !LOCATION_MEMBERS.includes(name) && !name.startsWith('@'),
  );
  if (unknown) refuseRest({ [unknown]: 0 }, 'microsoft.graph.location');
  optionalText(given.displayName ?? null, 'displayName');
  return { ...emptyFields.location, ...given, displayName: given.displayName ?? '' };
}

/** Patching `location` replaces all of `locations`, and the other way round (Microsoft: event-update). */
function readLocation(value: unknown): Partial<EventFields> {
  if (value === null) return { location: emptyFields.location, locations: [] };
  const location = oneLocation(value);
  return { location, locations: location.displayName === '' ? [] : [location] };
}

function readLocations(value: unknown): Partial<EventFields> {
  const locations = list(value, 'locations').map(oneLocation);
  const displayName = locations.map((location) => String(location.displayName)).join('; ');
  return { locations, location: { ...(locations[0] ?? emptyFields.location), displayName } };
}

function readAttendees(value: unknown): Attendee[] {
  const attendees = list(value, 'attendees').map((item): Attendee => {
    const {
      type = 'required',
      emailAddress,
      status,
      proposedNewTime,
      ...rest
    } = members(item, 'microsoft.graph.attendee');
    void [status, proposedNewTime];
    refuseRest(rest, 'microsoft.graph.attendee');
    const { address, name, ...more } = members(emailAddress, 'microsoft.graph.emailAddress');
    refuseRest(more, 'microsoft.graph.emailAddress');
    if (typeof address !== 'string' || !address.includes('@'))
      throw invalidProperty('attendees.emailAddress.address');
    return {
      type: oneOf(['required', 'optional', 'resource'], type, 'attendees.type'),
      address,
      name: typeof name === 'string' ? name : address,
      response: 'none',
    };
  });
  if (attendees.length <= MOST_ATTENDEES) return attendees;
  throw invalidRequest(`Number of recipients is more than ${MOST_ATTENDEES}.`);
}

const wrongType = (value: unknown, type: string) =>
  new GraphError(
    400,
    'RequestBodyRead',
    `Cannot convert the literal '${JSON.stringify(value) ?? ''}' to the expected type '${type}'.`,
  );

function members(value: unknown, type: string): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw wrongType(value, type);
}

function refuseRest(rest: Members, type: string): void {
  const unknown = Object.keys(rest).find((name) => !name.startsWith('@odata.'));
  if (unknown) {
    throw new GraphError(
      400,
      'RequestBodyRead',
      `The property '${unknown}' does not exist on type '${type}'.`,
    );
  }
}

function list(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw wrongType(value, `Collection(${name})`);
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw wrongType(value, `Edm.String' of '${name}`);
}

const optionalText = (value: unknown, name: string) => (value === null ? '' : text(value, name));

function flag(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrongType(value, `Edm.Boolean' of '${name}`);
}

/** Enum members ignore letter case on the way in and come out as documented. */
function oneOf(values: readonly string[], value: unknown, name: string): string {
  const found = values.find((known) => known.toLowerCase() === String(value).toLowerCase());
  if (found && typeof value === 'string') return found;
  throw wrongType(value, `microsoft.graph.${name}`);
}
