import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { filterEvents } from './event-filter.ts';
import type { StoredEvent } from './event-model.ts';
import { viewEvent } from './event-view.ts';
import { findEvent } from './events.ts';
import { badRequest, invalidParameter, invalidRequest } from './graph-error.ts';
import { WHOLE } from './ids.ts';
import type { Mailbox } from './mailbox.ts';
import { checkOptions, readNumber, readShowing } from './query.ts';
import { instancesBetween, originalStartAt, overlaps } from './series.ts';
import { DAY_MS, readInstant } from './zones.ts';

const PAGE = ['$select', '$expand', '$filter', '$orderby', '$top', '$skip', '$count'];
const WINDOW = ['startDateTime', 'endDateTime'];

const USUAL_PAGE = 10;
export const LONGEST_PAGE = 1_000;
const LONGEST_VIEW_DAYS = 1_825;

/** GET /users/{id}/events: singles and series masters, never occurrences (Microsoft: event). */
export function listEvents(core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, PAGE);
  const filter = request.query.get('$filter');
  const found = filter === null ? mailbox.store.inOrder() : filterEvents(mailbox.store, filter);
  return page(core, mailbox, request, found);
}

/** GET /users/{id}/calendarView: singles, occurrences and exceptions in a window. */
export function calendarView(core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, [...WINDOW, ...PAGE]);
  const { from, to } = readWindow(request.query);
  for (const name of ['createdDateTime', 'lastModifiedDateTime']) {
    if (request.query.get('$select')?.includes(name)) {
      throw badRequest(`The property '${name}' cannot be selected on a calendar view.`);
    }
  }
  return page(core, mailbox, request, eventsBetween(mailbox, from, to));
}

/** GET /users/{id}/events/{masterId}/instances */
export function listInstances(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  id: string,
): GraphAnswer {
  checkOptions(request.query, [...WINDOW, ...PAGE]);
  const { event } = findEvent(mailbox, id);
  const { from, to } = readWindow(request.query);
  if (!event.series) throw invalidRequest('Your request can only be performed on a recurring master item.');
  const { instancesOmitExceptions } = core.faults.switchesFor(mailbox.id);
  const found = instancesBetween(event, from, to);
  const shown = instancesOmitExceptions ? found.filter(({ type }) => type !== 'exception') : found;
  return page(core, mailbox, request, shown);
}

/** The events of the calendar between two instants, by start; series as their instances. */
export function eventsBetween(mailbox: Mailbox, from: number, to: number): StoredEvent[] {
  const found: StoredEvent[] = [];
  for (const event of mailbox.store.inOrder()) {
    if (!event.inCalendar) continue;
    if (event.series) found.push(...instancesBetween(event, from, to));
    else if (overlaps(event, from, to)) found.push(event);
  }
  return found.sort((a, b) => a.startAt - b.startAt);
}

/** The window of a view. Throws for none, for a malformed one, and for more than 1825 days (seen live, 2026-10). */
export function readWindow(query: URLSearchParams): { from: number; to: number } {
  const [start, end] = WINDOW.map((name) => query.get(name));
  if (start == null || end == null) {
    throw invalidParameter(
      'This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.',
    );
  }
  const [from, to] = [readInstant(start), readInstant(end)];
  if (from === undefined || to === undefined) throw invalidParameter('The time window is malformed.');
  if (to < from) throw invalidParameter('EndDateTime is earlier than StartDateTime.');
  if (to - from > LONGEST_VIEW_DAYS * DAY_MS) {
    throw invalidRequest(
      'The requested time duration specified for calendar view is too long. Maximum number of days: 1825.',
    );
  }
  return { from, to };
}

function page(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  events: readonly StoredEvent[],
): GraphAnswer {
  const { query, prefer } = request;
  const top =
    readNumber(query, '$top', 1, LONGEST_PAGE) ?? Math.min(prefer.maxPageSize ?? USUAL_PAGE, LONGEST_PAGE);
  const skip = readNumber(query, '$skip', 0, 1e8) ?? 0;
  const showing = readShowing(query);
  const ordered = inOrder(events, query.get('$orderby'));
  const value = ordered.slice(skip, skip + top).map((event) => {
    const master = event.slot === WHOLE ? undefined : mailbox.store.byStem(event.stem);
    const at = master && originalStartAt(master, event.slot);
    return viewEvent(event, prefer, { ...showing, originalStartAt: at });
  });
  const body: Record<string, unknown> = {
    '@odata.context': `${core.graphBaseUrl}/$metadata#users('${encodeURIComponent(mailbox.id)}')/events`,
  };
  if (query.get('$count') === 'true') body['@odata.count'] = ordered.length;
  body.value = value;
  if (skip + top < ordered.length) body['@odata.nextLink'] = nextLink(core, request, top, skip + top);
  return { status: 200, body };
}

function nextLink(core: TenantCore, request: GraphRequest, top: number, skip: number): string {
  const query = new URLSearchParams(request.query);
  query.set('$top', String(top));
  query.set('$skip', String(skip));
  return `${core.graphBaseUrl}${request.path}?${query.toString().replaceAll('%24', '$').replaceAll('+', '%20')}`;
}

const ORDERS: Readonly<Record<string, (event: StoredEvent) => string | number>> = {
  'start/datetime': (event) => event.startAt,
  'end/datetime': (event) => event.endAt,
  subject: (event) => event.subject.toLowerCase(),
  createddatetime: (event) => event.createdAt,
  lastmodifieddatetime: (event) => event.modifiedAt,
};

function inOrder(events: readonly StoredEvent[], orderBy: string | null): readonly StoredEvent[] {
  if (orderBy === null) return events;
  const [, member = '', direction = 'asc'] = /^([\w/]+)(?: (asc|desc))?$/i.exec(orderBy.trim()) ?? [];
  const read = ORDERS[member.toLowerCase()];
  if (!read) throw badRequest(`Invalid $orderby: '${orderBy}'.`);
  const sign = direction.toLowerCase() === 'asc' ? 1 : -1;
  return [...events].sort((a, b) => {
    const [one, other] = [read(a), read(b)];
    return one < other ? -sign : one > other ? sign : 0;
  });
}
