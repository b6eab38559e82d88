/** Outlook's side: room calendars through Microsoft Graph. */
import type { Dispatcher } from 'undici';
import type { GraphConfig } from '../config.ts';
import { Permanent, Retryable } from '../errors.ts';
import type { BookedItem } from '../appearance.ts';
import type { Id } from '../id.ts';
import type { ReservationKey } from '../item.ts';
import { createTokens } from './auth.ts';
import { mostPerBatch } from './batch.ts';
import { createCalendarClaim } from './calendar-claim.ts';
import { createDelta } from './delta.ts';
import { createDirectory } from './directory.ts';
import { itemOf, type Mailbox, type OutlookEvent, type SeriesPattern } from '../event.ts';
import { GatewayTimeout, isGone } from './failure.ts';
import { createFormat, idProperty, membersOf, textOf, typeProperty, type Format } from './format.ts';
import {
  createDispatcher,
  createGraphHttp,
  encode,
  preferEvents,
  type Call,
  type CallMade,
  type GraphHttp,
} from './http.ts';
import { pagesOf, widerWindow } from './pages.ts';
import { createReach, type NarrowReach } from './reach.ts';
import { patternOf } from './recurrence.ts';
import { createSubscriptions } from './subscriptions.ts';
import { cleanDescription } from './text.ts';
import { createThrottle } from './throttle.ts';
import { createWrite } from './write.ts';

export interface OutlookOptions {
  readonly graph: GraphConfig;
  /** BOOKING_TIMEZONE. */
  readonly timezone: string;
  /** Connections to use instead of our own; the caller closes it. */
  readonly dispatcher?: Dispatcher;
  /** FREE_EVENTS; see `FormatOptions`. */
  readonly freeEvents?: 'ignore' | 'all_day' | 'import';
  /** See `FormatOptions`. */
  readonly keyId?: (type: string, key: string) => Id;
  /** Writes per `$batch`, at most 20. */
  readonly batchSize?: number;
  /** Calls in flight over all mailboxes. */
  readonly inFlight?: number;
  /** Called for every request. */
  readonly onCall?: (made: CallMade) => void;
  /** Called right before a request that concerns a mailbox is sent; what it throws is thrown instead. */
  readonly beforeSend?: () => void;
}

/** A window is not halved below this. */
const narrowestMs = 14 * 86_400_000;
/** Rows per page of a list; Graph's own default is 10. */
const pageSize = 200;

/** Opens no connection before the first call. Close it with `await using`. */
export function createOutlook(options: OutlookOptions) {
  const { graph, inFlight = 64, batchSize = mostPerBatch } = options;
  const own = options.dispatcher === undefined ? createDispatcher(graph.proxy, inFlight) : null;
  const dispatcher = options.dispatcher ?? own!;
  const format = createFormat(options);
  const throttle = createThrottle(inFlight);
  const tokens = createTokens({ graph, dispatcher });
  const { onCall, beforeSend } = options;
  const http = createGraphHttp({ graph, dispatcher, tokens, throttle, onCall, beforeSend });
  const narrow = createReach(http);

  return {
    /** The form of an item in Outlook: privacy, default titles, lengths. Deterministic. */
    show: (item: BookedItem): BookedItem => format.show(item),
    /**
     * Executes independent writes to one mailbox and returns their results in order; never throws for a single one. Up to
     * four are sent singly, more in `$batch`es. An aborted `signal` rejects as a whole.
     */
    write: createWrite({ http, format, narrow, batchSize }),
    ...createReads(http, format, narrow),
    list: createList(http, format),
    ...createCalendarClaim(http),
    ...createDirectory(http),
    delta: createDelta(http, format),
    subscriptions: createSubscriptions(http),
    /** Running and waiting calls. */
    load: () => ({ inFlight: throttle.inFlight, waiting: throttle.waiting }),
    [Symbol.asyncDispose]: async () => own?.destroy(),
  };
}

const callTo = (room: Mailbox, what: string, path: string): Call => ({
  what,
  mailbox: room.mailbox,
  method: 'GET',
  path: `/users/${encode(room.mailbox)}${path}`,
  prefer: preferEvents,
});

/** The events of a page. A row without an id is skipped. */
const readRows = (format: Format, rows: readonly unknown[]): OutlookEvent[] =>
  rows.filter((row) => textOf(membersOf(row).id) !== null).map((row) => format.toEvent(row));

/** Reads of single events, of a series, and of events by their properties; answers to invitations. */
function createReads(http: GraphHttp, format: Format, narrow: NarrowReach) {
  /** One event with its extended properties, or null if the mailbox answers that it does not exist (404, malformed id). */
  async function read(room: Mailbox, eventId: string, signal: AbortSignal): Promise<OutlookEvent | null> {
    const reading = callTo(room, 'read an event', `/events/${encode(eventId)}?${expandProperties}`);
    const answer = await http.send(reading, signal);
    if (isGone(answer)) return null;
    if (answer.status !== 200) throw await narrow(http.refused(answer, reading), room, signal);
    return format.toEvent(answer.body);
  }

  /** All events of the mailbox that are not cancelled and carry the extended properties of this reservation. */
  async function find(
    room: Mailbox,
    properties: ReservationKey,
    signal: AbortSignal,
  ): Promise<OutlookEvent[]> {
    // the comparison ignores case and an id may stand under several types, so the properties themselves decide
    const value = String(properties.key ?? properties.id).replaceAll("'", "''");
    const found = await filtered(http, format, room, `ep/value eq '${value}'`, signal);
    return found.filter(
      (event) => event.properties?.id === properties.id && event.properties.type === properties.type,
    );
  }

  /** The instances of a series in the window, or null if the series no longer exists. Extended properties are not read. */
  async function series(
    room: Mailbox,
    masterId: string,
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<OutlookEvent[] | null> {
    const path = `/events/${encode(masterId)}/instances?${widerWindow(from, to)}&$top=${pageSize}`;
    const events: OutlookEvent[] = [];
    try {
      for await (const rows of pagesOf(http, callTo(room, 'read a series', path), signal))
        events.push(...readRows(format, rows));
    } catch (error) {
      // an event whose recurrence was removed has its id, and no instances
      if (error instanceof Permanent && (await read(room, masterId, signal))?.type !== 'seriesMaster')
        return null;
      throw error instanceof Error ? await narrow(error, room, signal) : error;
    }
    return events;
  }

  /** The pattern of a series; null: the series does not exist, or its pattern is unknown. */
  async function pattern(
    room: Mailbox,
    masterId: string,
    signal: AbortSignal,
  ): Promise<SeriesPattern | null> {
    const reading = callTo(room, 'read the pattern of a series', `/events/${encode(masterId)}`);
    const answer = await http.send(reading, signal);
    if (isGone(answer)) return null;
    if (answer.status !== 200) throw await narrow(http.refused(answer, reading), room, signal);
    return patternOf(answer.body);
  }

  /**
   * Answers an invitation in the room's name; the organiser gets a mail. A declined meeting leaves the calendar.
   * 'gone': it did not exist. Throws Permanent if the room itself is the organiser.
   */
  async function respond(
    room: Mailbox,
    eventId: string,
    answer: 'accept' | 'decline',
    comment: string,
    signal: AbortSignal,
  ): Promise<'answered' | 'gone'> {
    const responding: Call = {
      ...callTo(room, `${answer} a meeting`, `/events/${encode(eventId)}/${answer}`),
      method: 'POST',
      body: JSON.stringify({ comment: cleanDescription(comment), sendResponse: true }),
    };
    const said = await http.send(responding, signal);
    if (isGone(said)) return 'gone';
    if (said.status >= 200 && said.status < 300) return 'answered';
    // independent of the refusal: a missing event needs no answer
    if (said.status < 500 && said.status !== 429 && (await read(room, eventId, signal)) === null)
      return 'gone';
    throw await narrow(http.refused(said, responding), room, signal);
  }

  return { read, find, series, pattern, respond };
}

/** Events of which a property satisfies the condition, with their properties (Microsoft: singlevaluelegacyextendedproperty-get). */
async function filtered(
  http: GraphHttp,
  format: Format,
  room: Mailbox,
  condition: string,
  signal: AbortSignal,
): Promise<OutlookEvent[]> {
  const filter = `singleValueExtendedProperties/Any(ep: ep/id eq '${idProperty}' and ${condition})`;
  const path = `/events?$top=${pageSize}&$filter=${encode(filter)}&${expandProperties}`;
  const events: OutlookEvent[] = [];
  for await (const rows of pagesOf(http, callTo(room, 'search our events', path), signal)) {
    const active = rows.filter((row) => membersOf(row).isCancelled !== true);
    events.push(...readRows(format, active));
  }
  return events;
}

/** The list of a calendar. */
function createList(http: GraphHttp, format: Format) {
  /**
   * The events that overlap the window (ISO instants), page by page, with their properties. If
   * Graph fails on a large window, it is read in halves.
   */
  async function* list(
    room: Mailbox,
    from: string,
    to: string,
    signal: AbortSignal,
  ): AsyncGenerator<OutlookEvent[]> {
    const seen = new Set<string>();
    const parts = [{ from, to }];
    for (let part = parts.shift(); part !== undefined; part = parts.shift())
      try {
        // an event on the boundary of two parts is in both, and events read before a part was halved repeat
        for await (const page of listPart(room, part.from, part.to, signal)) {
          const fresh = page.filter((event) => !seen.has(event.id));
          for (const event of fresh) seen.add(event.id);
          yield fresh;
        }
      } catch (error) {
        const [start, end] = [Date.parse(part.from), Date.parse(part.to)];
        if (!(error instanceof GatewayTimeout) || end - start < narrowestMs) throw error;
        const middle = new Date(start + (end - start) / 2).toISOString();
        parts.unshift({ from: part.from, to: middle }, { from: middle, to: part.to });
      }
  }

  async function* listPart(
    room: Mailbox,
    from: string,
    to: string,
    signal: AbortSignal,
  ): AsyncGenerator<OutlookEvent[]> {
    const path = `/calendarView?${widerWindow(from, to)}&$top=${pageSize}`;
    const inWindow = ({ shows }: OutlookEvent) => {
      const item = itemOf(shows);
      return item === null || (item.startsAt < to && item.endsAt > from) || item.startsAt === from;
    };
    const plain: Call = { ...callTo(room, 'list a calendar', path), lane: 'bulk' };
    const expanded = pagesOf(http, { ...plain, path: `${plain.path}&${expandProperties}` }, signal);
    let rows: IteratorResult<readonly unknown[]>;
    try {
      rows = await expanded.next();
    } catch (error) {
      if (!isRefusedQuery(error)) throw error;
      yield* listUnexpanded(room, plain, inWindow, signal);
      return;
    }
    for (; rows.done !== true; rows = await expanded.next())
      yield readRows(format, rows.value).filter(inWindow);
  }

  /** The same if Graph refuses `$expand` on a calendar view: the properties come from a search. */
  async function* listUnexpanded(
    room: Mailbox,
    plain: Call,
    inWindow: (event: OutlookEvent) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<OutlookEvent[]> {
    let properties: Map<string, ReservationKey | null> | null = null;
    for await (const rows of pagesOf(http, plain, signal)) {
      if (properties === null) {
        const ours = await filtered(http, format, room, "ep/value ne ''", signal);
        properties = new Map(ours.map((event) => [event.id, event.properties]));
      }
      const events = readRows(format, rows).filter(inWindow);
      yield events.map((event) => ({ ...event, properties: properties!.get(event.id) ?? null }));
    }
  }

  return list;
}

/** Each property has to be requested by its id. */
const expandProperties = `$expand=${encode(
  `singleValueExtendedProperties($filter=id eq '${typeProperty}' or id eq '${idProperty}')`,
)}`;

/** A refusal that may be the query's fault: 400 and 501, and the 500 that a refused `$expand` was seen to give. */
function isRefusedQuery(error: unknown): boolean {
  if (error instanceof Permanent) return error.reach === 'item';
  return error instanceof Retryable && error.reach === 'item' && error.cause === undefined;
}
