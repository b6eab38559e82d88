import type { GraphAnswer, GraphRequest, MailboxHandler, TenantCore } from './core.ts';
import { readCalendar, updateCalendar } from './calendar.ts';
import { calendarDelta } from './delta.ts';
import { createEvent, deleteEvent, readEvent, updateEvent } from './events.ts';
import { badRequest, notAllowed, otherMailbox } from './graph-error.ts';
import { readId } from './ids.ts';
import { calendarView, listEvents, listInstances } from './listing.ts';
import type { Mailbox } from './mailbox.ts';
import { listPlaces } from './places.ts';
import { cancelEvent, respondToEvent } from './responses.ts';
import { getSchedule } from './schedule.ts';
import * as subscriptions from './subscription-calls.ts';
import { readUser, supportedTimeZones, translateIds } from './users.ts';

/** The handler of a request, and its mailbox. */
export interface Route {
  readonly mailbox: Mailbox | undefined;
  /** How the request names the mailbox. */
  readonly named: string | undefined;
  answer(core: TenantCore, request: GraphRequest): GraphAnswer | Promise<GraphAnswer>;
}

type Methods = Readonly<Record<string, MailboxHandler>>;

/** Below /users/{id}/, `*` standing for an event id. */
const mailboxPaths: Readonly<Record<string, Methods>> = {
  '': { GET: readUser },
  events: { GET: listEvents, POST: createEvent },
  'events/*': { GET: readEvent, PATCH: updateEvent, DELETE: deleteEvent },
  'events/*/instances': { GET: listInstances },
  'events/*/cancel': { POST: cancelEvent },
  'events/*/permanentdelete': { POST: deleteEvent },
  'events/*/accept': { POST: respondToEvent('accepted') },
  'events/*/decline': { POST: respondToEvent('declined') },
  'events/*/tentativelyaccept': { POST: respondToEvent('tentativelyAccepted') },
  // Adding properties to an event this way is no operation (davidmoten/odata-client#426).
  'events/*/singlevalueextendedproperties': {},
  calendarview: { GET: calendarView },
  'calendarview/delta': { GET: calendarDelta },
  calendar: { GET: readCalendar, PATCH: updateCalendar },
  'calendar/getschedule': { POST: getSchedule },
  translateexchangeids: { POST: translateIds },
};

/** Finds the handler of a request. Throws 400 for an unknown path, 405 for another method, 404 for an unknown mailbox. */
export function findRoute(core: TenantCore, request: GraphRequest): Route {
  const { segments } = request;
  const first = segments[0]?.toLowerCase() ?? '';
  if (first === 'users' && segments[1]) return mailboxRoute(core, request, segments[1]);
  if (first === 'subscriptions') return subscriptionRoute(request);
  if (first === 'places' && segments[1]) {
    if (request.method !== 'GET') throw notAllowed();
    return { mailbox: undefined, named: undefined, answer: listPlaces };
  }
  throw badRequest(`Resource not found for the segment '${segments[0] ?? ''}'.`);
}

function mailboxRoute(core: TenantCore, request: GraphRequest, named: string): Route {
  const rest = request.segments.slice(2);
  const zones = /^supportedtimezones(?:\((.*)\))?$/i.exec(
    rest[0]?.toLowerCase() === 'outlook' ? (rest[1] ?? '') : '',
  );
  if (zones) {
    if (request.method !== 'GET') throw notAllowed();
    const mailbox = core.directory.get(named);
    return { mailbox, named, answer: () => supportedTimeZones(core, request, zones[1]) };
  }
  // /calendar/events and /calendar/calendarView are the default calendar's, as are those without /calendar.
  const plain =
    rest[0]?.toLowerCase() === 'calendar' && /^(events|calendarview)$/i.test(rest[1] ?? '')
      ? rest.slice(1)
      : rest;
  const [collection = '', id = '', ...more] = plain;
  const isEvent = collection.toLowerCase() === 'events' && id !== '';
  const pattern = (isEvent ? ['events', '*', ...more] : plain).join('/').toLowerCase();
  const methods = mailboxPaths[pattern.replace(/microsoft\.graph\.(?=\w+$)/, '')];
  if (!methods) throw badRequest(`Resource not found for the segment '${plain.at(-1) ?? ''}'.`);
  const handler = methods[request.method];
  if (!handler) throw notAllowed();
  const mailbox = pattern === '' ? core.directory.getUser(named) : core.directory.get(named);
  const answer = () => {
    if (isEvent) refuseForeignId(core, mailbox, id);
    return handler(core, mailbox, request, id);
  };
  return { mailbox, named, answer };
}

/** Without this an id of another mailbox names nothing here, which is a 404. */
function refuseForeignId(core: TenantCore, mailbox: Mailbox, text: string): void {
  const id = readId(text);
  if (!id || id.mailboxKey === mailbox.key) return;
  if (core.faults.switchesFor(mailbox.id).foreignIdStatus === 400) throw otherMailbox();
}

function subscriptionRoute(request: GraphRequest): Route {
  const [, id, action] = request.segments;
  const about = { mailbox: undefined, named: undefined };
  const pick = (): Route['answer'] | undefined => {
    switch (`${request.method} ${id ? '*' : ''}${action ? `/${action.toLowerCase()}` : ''}`) {
      case 'GET ':
        return subscriptions.listSubscriptions;
      case 'POST ':
        return subscriptions.createSubscription;
      case 'GET *':
        return (core, asked) => subscriptions.readSubscription(core, asked, id ?? '');
      case 'PATCH *':
        return (core, asked) => subscriptions.renewSubscription(core, asked, id ?? '');
      case 'DELETE *':
        return (core, asked) => subscriptions.deleteSubscription(core, asked, id ?? '');
      case 'POST */reauthorize':
        return (core, asked) => subscriptions.reauthorizeSubscription(core, asked, id ?? '');
      default:
        return undefined;
    }
  };
  const answer = pick();
  if (!answer) throw notAllowed();
  return { ...about, answer };
}
