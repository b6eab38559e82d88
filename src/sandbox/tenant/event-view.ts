import type { Attendee, StoredEvent } from './event-model.ts';
import { bodyAsHtml, bodyAsText, bodyPreview } from './event-body.ts';
import { WHOLE } from './ids.ts';
import { idOf } from './mailbox.ts';
import type { Preferences } from './preferences.ts';
import { printRecurrence } from './recurrence.ts';
import { printInstant, printLocal, wallTimeAt } from './zones.ts';

/** The parts of an event to show besides its plain members. */
export interface Showing {
  readonly select?: ReadonlySet<string> | undefined;
  /** Keys of the extended properties asked for with $expand. */
  readonly properties?: readonly string[] | undefined;
  /** The UTC slot of an instance in its pattern. */
  readonly originalStartAt?: number | undefined;
  readonly exceptions?: boolean | undefined;
}

/** Every plain member of an event, for checking $select. */
export const eventMembers: ReadonlySet<string> = new Set(
  `id createdDateTime lastModifiedDateTime changeKey categories transactionId originalStartTimeZone
  originalEndTimeZone iCalUId reminderMinutesBeforeStart isReminderOn hasAttachments subject bodyPreview importance
  sensitivity isAllDay isCancelled isDraft isOrganizer responseRequested seriesMasterId showAs type webLink
  onlineMeetingUrl isOnlineMeeting onlineMeetingProvider allowNewTimeProposals hideAttendees responseStatus body
  start end location locations recurrence attendees organizer onlineMeeting originalStart cancelledOccurrences
  exceptionOccurrences singleValueExtendedProperties`.split(/\s+/),
);

const NEVER = '0001-01-01T00:00:00Z';

/** An event as Graph answers it. Extended properties only when expanded, never otherwise. */
export function viewEvent(
  event: StoredEvent,
  prefer: Preferences,
  showing: Showing = {},
): Record<string, unknown> {
  const whole: Record<string, unknown> = {
    '@odata.etag': etagOf(event),
    id: idOf(event, prefer.immutable),
    createdDateTime: printInstant(event.createdAt),
    lastModifiedDateTime: printInstant(event.modifiedAt),
    changeKey: event.changeKey,
    categories: event.categories,
    transactionId: event.transactionId,
    originalStartTimeZone: event.originalStartZone,
    originalEndTimeZone: event.originalEndZone,
    iCalUId: event.iCalUId,
    reminderMinutesBeforeStart: event.reminderMinutesBeforeStart,
    isReminderOn: event.isReminderOn,
    hasAttachments: false,
    subject: event.subject,
    bodyPreview: bodyPreview(event.bodyHtml),
    importance: event.importance,
    sensitivity: event.sensitivity,
    isAllDay: event.isAllDay,
    isCancelled: event.isCancelled,
    isDraft: false,
    isOrganizer: event.isOrganizer,
    responseRequested: event.responseRequested,
    seriesMasterId: event.slot === WHOLE ? null : idOf(event, prefer.immutable, WHOLE),
    showAs: event.showAs,
    type: event.type,
    webLink: `https://outlook.office365.com/owa/?itemid=${encodeURIComponent(idOf(event, prefer.immutable))}&exvsurl=1&path=/calendar/item`,
    onlineMeetingUrl: null,
    isOnlineMeeting: event.isOnlineMeeting,
    onlineMeetingProvider: event.onlineMeetingProvider,
    allowNewTimeProposals: event.allowNewTimeProposals,
    hideAttendees: event.hideAttendees,
    responseStatus: { response: event.response, time: NEVER },
    body: prefer.bodyAsText
      ? { contentType: 'text', content: bodyAsText(event.bodyHtml) }
      : { contentType: 'html', content: bodyAsHtml(event.bodyHtml) },
    start: viewTime(event.startAt, event.isAllDay, prefer.zone),
    end: viewTime(event.endAt, event.isAllDay, prefer.zone),
    location: event.location,
    locations: event.locations,
    recurrence: event.recurrence ? printRecurrence(event.recurrence) : null,
    attendees: event.attendees.map(viewAttendee),
    organizer: { emailAddress: event.organizer },
    onlineMeeting: event.joinUrl === null ? null : { joinUrl: event.joinUrl },
    ...event.odd,
  };
  if (event.transactionId === null) delete whole.transactionId;
  if (showing.originalStartAt !== undefined) whole.originalStart = printInstant(showing.originalStartAt);
  const { select } = showing;
  const shown = select
    ? Object.fromEntries(
        Object.entries(whole).filter(([name]) => name === '@odata.etag' || name === 'id' || select.has(name)),
      )
    : whole;
  return { ...shown, ...seriesMembers(event, prefer, showing), ...propertyMembers(event, showing) };
}

/** A series' instance in delta: these members and no others (msgraph docs#7632, docs-contrib#34). */
export const viewBareOccurrence = (event: StoredEvent, prefer: Preferences) => ({
  '@odata.type': '#microsoft.graph.event',
  '@odata.etag': etagOf(event),
  id: idOf(event, prefer.immutable),
  seriesMasterId: idOf(event, prefer.immutable, WHOLE),
  type: event.type,
  start: viewTime(event.startAt, event.isAllDay, prefer.zone),
  end: viewTime(event.endAt, event.isAllDay, prefer.zone),
});

export const etagOf = (event: StoredEvent) => `W/"${event.changeKey}"`;

/** All-day events float: midnight of their own date in any requested zone (seen live, 2026-10). */
const viewTime = (at: number, isAllDay: boolean, zone: string) => ({
  dateTime: printLocal(isAllDay ? at : wallTimeAt(at, zone).local),
  timeZone: zone,
});

const viewAttendee = ({ type, address, name, response }: Attendee) => ({
  type,
  status: { response, time: NEVER },
  emailAddress: { name, address },
});

/** Only if they are selected on a master (Microsoft: event). */
function seriesMembers(event: StoredEvent, prefer: Preferences, { select, exceptions }: Showing) {
  const { series } = event;
  if (!series) return {};
  const shown: Record<string, unknown> = {};
  if (select?.has('cancelledOccurrences')) {
    shown.cancelledOccurrences = [...series.cancelled].map(
      (slot) =>
        `OID.${idOf(event, prefer.immutable)}.${slot.slice(0, 4)}-${slot.slice(4, 6)}-${slot.slice(6)}`,
    );
  }
  if (exceptions)
    shown.exceptionOccurrences = [...series.exceptions.values()].map((one) => viewEvent(one, prefer));
  return shown;
}

function propertyMembers(event: StoredEvent, { properties }: Showing) {
  const found = (properties ?? []).flatMap((key) => event.extended.get(key) ?? []);
  return found.length > 0
    ? { singleValueExtendedProperties: found.map(({ id, value }) => ({ id, value })) }
    : {};
}
