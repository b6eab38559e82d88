/** Writes into room calendars, singly or in batches, with the result of each. */
import { messageOf, Retryable } from '../errors.ts';
import { sendBatched, sendOne, type BatchAnswer } from './batch.ts';
import {
  createdWithinMs,
  itemOf,
  sinceCreationMs,
  type Mailbox,
  type OutlookEvent,
  type Write,
  type WriteAnswer,
} from '../event.ts';
import { isGone, isTaken, type Answer } from './failure.ts';
import { touchesTimes, type ItemChange } from '../item.ts';
import { meetingOf, membersOf, propertiesOf, textOf, type Format, type GraphEventBody } from './format.ts';
import { withJoinBlock } from './join-block.ts';
import { encode, preferEvents, unreadable, type Call, type GraphHttp } from './http.ts';
import type { NarrowReach } from './reach.ts';
import { placesPerMailbox } from './throttle.ts';

export interface WriteOptions {
  readonly http: GraphHttp;
  readonly format: Format;
  readonly narrow: NarrowReach;
  /** Calls per `$batch`, at most 20. */
  readonly batchSize: number;
}

/** Zone rules differ by quarters of an hour, between these limits; any other difference is an edit. */
const quarterMs = 900_000;
const shiftMs = { least: quarterMs, most: 7_200_000 };

/** Graph's time of a request is known to a second, and its servers' clocks may differ by as much. */
const timeKnownToMs = 2_000;

export function createWrite({ http, format, narrow, batchSize }: WriteOptions) {
  const send = (calls: readonly Call[], signal: AbortSignal): Promise<BatchAnswer[]> =>
    calls.length > placesPerMailbox
      ? sendBatched(http, calls, batchSize, signal)
      : Promise.all(calls.map((call) => sendOne(http, call, signal)));

  /** The call of a write, or the reason why there is none, for example invalid times. */
  function prepare(room: Mailbox, write: Write, there: BatchAnswer | undefined): Call | Error {
    try {
      if (there === undefined || write.do !== 'change') return callOf(room, write, format);
      if (there instanceof Error) return there;
      // the write itself will report that the event does not exist
      if (there.status !== 200 && !isGone(there)) return http.refused(there, bodyOf(room, write.eventId));
      return callOf(room, write, format, there.body);
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  /**
   * Exchange's rules of a zone may be older than ours; then a time written as wall clock lands an hour off. The answer
   * shows it: such an event gets its times in UTC. `requestedAt`: Graph's time before the request, in milliseconds.
   */
  async function inUtcIfMoved(
    room: Mailbox,
    write: Write,
    written: WriteAnswer,
    requestedAt: number,
    signal: AbortSignal,
  ): Promise<WriteAnswer> {
    if (write.do === 'remove' || written.outcome !== 'written' || written.event === null) return written;
    const { event } = written;
    if (!isMoved(write, event, format)) return written;
    // the event of an earlier create: a person may have moved it
    if (write.do === 'create' && !isMadeSince(event, requestedAt)) return written;
    const whole = write.do === 'create' ? write.item : write.whole;
    const call = patchOf(room, event.id, JSON.stringify(format.timesInUtc(whole)));
    const answer = await sendOne(http, call, signal);
    const again = writtenOf(
      { do: 'change', eventId: event.id, change: {}, whole },
      call,
      answer,
      http,
      format,
    );
    if (again.outcome === 'failed') return { ...again, error: executed(again.error) };
    if (again.outcome !== 'written' || again.event === null) return again;
    return { ...again, event: { ...again.event, properties: event.properties } };
  }

  return async function write(
    room: Mailbox,
    writes: readonly Write[],
    signal: AbortSignal,
  ): Promise<WriteAnswer[]> {
    signal.throwIfAborted();
    // a body may contain a join block: read, edit, write
    const texts = writes.filter((one) => one.do === 'change' && touchesBody(one.change));
    const bodies =
      texts.length === 0
        ? []
        : await send(
            texts.map((one) => bodyOf(room, one.do === 'change' ? one.eventId : '')),
            signal,
          );
    const prepared = writes.map((one) => prepare(room, one, bodies[texts.indexOf(one)]));
    const calls = prepared.flatMap((one, at): Call[] => {
      if (one instanceof Error) return [];
      return [writes[at]!.isBackfill === true ? { ...one, lane: 'bulk' } : one];
    });
    const startedAt = performance.now();
    const answers = await send(calls, signal);
    const requestedAt = http.now() - (performance.now() - startedAt);
    let next = 0;
    return Promise.all(
      writes.map(async (one, index) => {
        const call = prepared[index]!;
        if (call instanceof Error)
          return { acceptedAt: performance.now(), callMs: 0, outcome: 'failed', error: call } as const;
        const answer = answers[next++]!;
        const answered = writtenOf(one, call, answer, http, format);
        const written = await inUtcIfMoved(room, one, answered, requestedAt, signal);
        return written.outcome === 'failed'
          ? { ...written, error: await narrow(written.error, room, signal) }
          : written;
      }),
    );
  };
}

/** The failure of a second call: the first one was executed. */
const executed = (error: Error): Error =>
  error instanceof Retryable && !error.ambiguous
    ? new Retryable(error.message, {
        reach: error.reach,
        afterMs: error.afterMs,
        ambiguous: true,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        ...(error.requestId === undefined ? {} : { requestId: error.requestId }),
      })
    : error;

const touchesBody = (change: ItemChange) =>
  change.description !== undefined || change.isPrivate !== undefined;

const bodyOf = (room: Mailbox, eventId: string): Call => ({
  what: 'read the body of an event',
  mailbox: room.mailbox,
  method: 'GET',
  path: `${eventPath(room, eventId)}?$select=body,isOnlineMeeting,onlineMeeting,onlineMeetingUrl`,
  prefer: 'outlook.body-content-type="html"',
});

/** With the join block of the existing event. */
function patchBody(write: Extract<Write, { do: 'change' }>, format: Format, there: unknown): GraphEventBody {
  const patch = {
    ...format.toPatch(write.change, write.whole, write.showAs),
    ...(write.properties === undefined ? {} : propertiesOf(write.properties)),
  };
  const event = membersOf(there);
  const html = textOf(membersOf(event.body).content);
  const content =
    html === null || patch.body === undefined
      ? null
      : withJoinBlock(html, patch.body.content, meetingOf(event));
  return content === null ? patch : { ...patch, body: { contentType: 'html', content } };
}

function callOf(room: Mailbox, write: Write, format: Format, there?: unknown): Call {
  switch (write.do) {
    case 'create':
      return {
        what: 'create an event',
        mailbox: room.mailbox,
        method: 'POST',
        path: `/users/${encode(room.mailbox)}/events`,
        body: JSON.stringify(format.toGraph(write.item, write.properties, write.transactionId)),
        prefer: preferEvents,
      };
    case 'change':
      return {
        ...patchOf(room, write.eventId, JSON.stringify(patchBody(write, format, there))),
        ...(write.etag == null ? {} : { ifMatch: write.etag }),
      };
    case 'remove':
      return {
        what: 'delete an event',
        mailbox: room.mailbox,
        method: 'DELETE',
        path: eventPath(room, write.eventId),
      };
  }
}

const eventPath = (room: Mailbox, eventId: string) =>
  `/users/${encode(room.mailbox)}/events/${encode(eventId)}`;

const patchOf = (room: Mailbox, eventId: string, body: string): Call => ({
  what: 'change an event',
  mailbox: room.mailbox,
  method: 'PATCH',
  path: eventPath(room, eventId),
  body,
  prefer: preferEvents,
});

function writtenOf(
  write: Write,
  call: Call,
  answer: BatchAnswer,
  http: GraphHttp,
  format: Format,
): WriteAnswer {
  if (answer instanceof Error)
    return { acceptedAt: performance.now(), callMs: 0, outcome: 'failed', error: answer };
  const { at, ms, requestId, status } = answer;
  const details = { acceptedAt: at, callMs: ms, ...(requestId === undefined ? {} : { requestId }) };
  if (status >= 200 && status < 300) {
    if (write.do === 'remove') return { ...details, outcome: 'written', event: null };
    const event = eventOf(answer, format);
    if (event === null) return { ...details, outcome: 'failed', error: unreadable(call.what, answer, true) };
    // Graph does not echo extended properties (Microsoft: singlevaluelegacyextendedproperty-post)
    return {
      ...details,
      outcome: 'written',
      event: write.do === 'create' ? { ...event, properties: write.properties } : event,
    };
  }
  if (write.do !== 'create' && isGone(answer)) return { ...details, outcome: 'gone' };
  if (write.do === 'create' && isTaken(answer))
    return { ...details, outcome: 'taken', existingId: existingIdOf(answer) };
  return { ...details, outcome: 'failed', error: http.refused(answer, call) };
}

function eventOf(answer: Answer, format: Format): OutlookEvent | null {
  try {
    return format.toEvent(answer.body);
  } catch {
    // the write was executed, but its result is unknown: treated like a lost answer
    return null;
  }
}

/** Seen in one author's code only, so it may be missing. */
function existingIdOf(answer: Answer): string | null {
  const body = membersOf(answer.body);
  return textOf(membersOf(body.error)['@event.existingEventId']) ?? textOf(body['@event.existingEventId']);
}

/** Whether this create made the event, and it was not changed since. */
const isMadeSince = (event: OutlookEvent, requestedAt: number): boolean =>
  event.createdAt === null ||
  (Date.parse(event.createdAt) > requestedAt - timeKnownToMs && !(sinceCreationMs(event) > createdWithinMs));

function isMoved(write: Exclude<Write, { do: 'remove' }>, event: OutlookEvent, format: Format): boolean {
  const item = itemOf(event.shows);
  if (item === null || item.allDay) return false;
  if (write.do === 'change' && !touchesTimes(write.change)) return false;
  const wanted = format.show(write.do === 'create' ? write.item : write.whole);
  if (wanted.allDay) return false;
  const shifts = (['startsAt', 'endsAt'] as const).map(
    (end) => Date.parse(item[end]) - Date.parse(wanted[end]),
  );
  const isOfRules = (shift: number) =>
    shift % quarterMs === 0 && Math.abs(shift) >= shiftMs.least && Math.abs(shift) <= shiftMs.most;
  // only an item that lasts past midnight may start and end under different rules
  return wanted.startsAt.slice(0, 10) === wanted.endsAt.slice(0, 10)
    ? shifts[0] === shifts[1] && shifts.every(isOfRules)
    : shifts.some(isOfRules) && shifts.every((shift) => shift === 0 || isOfRules(shift));
}
