import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { asMembers, readWallTime } from './event-fields.ts';
import type { StoredEvent } from './event-model.ts';
import { GraphError, invalidParameter } from './graph-error.ts';
import { eventsBetween } from './listing.ts';
import type { Mailbox } from './mailbox.ts';
import { checkOptions } from './query.ts';
import { overlaps } from './series.ts';
import { DAY_MS, MINUTE_MS, instantOf, printLocal, wallTimeAt } from './zones.ts';

const MEMBERS = ['schedules', 'startTime', 'endTime', 'availabilityViewInterval'];
/** 20 schedules, 62 days, 1,000 entries: seen live, 2026-10. */
const MOST_SCHEDULES = 20;
const LONGEST_DAYS = 62;
const MOST_ENTRIES = 1_000;
/** The digits of availabilityView, in their order. */
const STATES = ['free', 'tentative', 'busy', 'oof', 'workingElsewhere'];

/** POST /users/{id}/calendar/getSchedule. Its entries carry no event id. */
export function getSchedule(core: TenantCore, _mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, []);
  const body = asMembers(request.body);
  const unknown = Object.keys(body).find(
    (name) => !MEMBERS.some((one) => one.toLowerCase() === name.toLowerCase()),
  );
  if (unknown !== undefined) throw invalidParameter(`'${unknown}' is no parameter of getSchedule.`);
  const { schedules, startTime, endTime, availabilityViewInterval: interval = 30 } = body;
  if (!Array.isArray(schedules) || schedules.length === 0 || schedules.length > MOST_SCHEDULES) {
    throw invalidParameter(`schedules holds 1 to ${MOST_SCHEDULES} addresses.`);
  }
  if (!Number.isInteger(interval) || (interval as number) < 5 || (interval as number) > 1_440) {
    throw invalidParameter('availabilityViewInterval is a number of minutes from 5 to 1440.');
  }
  const [from, to] = [
    instantOf(readWallTime(startTime, 'startTime')),
    instantOf(readWallTime(endTime, 'endTime')),
  ];
  if (to <= from) throw invalidParameter('endTime is not after startTime.');
  if (to - from > LONGEST_DAYS * DAY_MS) {
    throw new GraphError(400, 'ErrorTimeIntervalTooBig', 'The requested time duration is too long.');
  }
  const stepMs = (interval as number) * MINUTE_MS;
  const value = schedules.map((address: unknown) => {
    const mailbox = core.directory.find(String(address));
    if (!mailbox)
      return failed(address, '5016', 'Unable to resolve e-mail address to an Active Directory object.');
    const events = eventsBetween(mailbox, from, to);
    if (events.length > MOST_ENTRIES)
      return failed(address, '5006', 'The result set contains too many entries.');
    return {
      scheduleId: address,
      availabilityView: availability(events, from, to, stepMs),
      scheduleItems: events.map((event) => viewEntry(event, request.prefer.zone)),
      workingHours: null,
    };
  });
  return {
    status: 200,
    body: {
      '@odata.context': `${core.graphBaseUrl}/$metadata#Collection(microsoft.graph.scheduleInformation)`,
      value,
    },
  };
}

const failed = (scheduleId: unknown, responseCode: string, message: string) => ({
  scheduleId,
  availabilityView: null,
  scheduleItems: null,
  workingHours: null,
  error: { message, responseCode },
});

function availability(events: readonly StoredEvent[], from: number, to: number, stepMs: number): string {
  let view = '';
  for (let at = from; at < to; at += stepMs) {
    const here = events.filter((event) => overlaps(event, at, at + stepMs));
    const states = here.map((event) => STATES.indexOf(event.showAs));
    // The strongest claim wins: away over busy over tentative.
    view += [3, 2, 1, 4].find((state) => states.includes(state)) ?? 0;
  }
  return view;
}

const viewEntry = (event: StoredEvent, zone: string) => ({
  isPrivate: event.sensitivity === 'private',
  status: event.showAs,
  subject: event.sensitivity === 'private' ? '' : event.subject,
  location: String(event.location.displayName ?? ''),
  isMeeting: event.attendees.length > 0,
  isRecurring: event.type !== 'singleInstance',
  isException: event.type === 'exception',
  start: { dateTime: printLocal(wallTimeAt(event.startAt, zone).local), timeZone: zone },
  end: { dateTime: printLocal(wallTimeAt(event.endAt, zone).local), timeZone: zone },
});
