/**
 * The reach of a refusal. A call about one event says nothing about other events; only a plain read of the calendar shows whether
 * the mailbox refuses everything (creates alone, and deletes alone, were seen
 * to be refused: msgraph docs#6546, msgraph-sdk-dotnet#3047).
 */
import { Permanent, Retryable } from '../errors.ts';
import type { Mailbox } from '../event.ts';
import { encode, preferEvents, type Call, type GraphHttp } from './http.ts';

const hourMs = 3_600_000;

/** The error to throw for a refused call about one event. Rejects only with the signal's reason. */
export type NarrowReach = (error: Error, room: Mailbox, signal: AbortSignal) => Promise<Error>;

export function createReach(http: GraphHttp): NarrowReach {
  /** Several calls refused together need one read. */
  const reading = new Map<string, Promise<boolean>>();

  /** Whether the mailbox's calendar can be read. */
  async function isReadable({ mailbox }: Mailbox, signal: AbortSignal): Promise<boolean> {
    const at = (ms: number) => new Date(Date.now() + ms).toISOString().slice(0, 19);
    const call: Call = {
      what: 'read the calendar',
      mailbox,
      method: 'GET',
      path: `/users/${encode(mailbox)}/calendarView?startDateTime=${at(0)}Z&endDateTime=${at(hourMs)}Z&$top=1&$select=id`,
      prefer: preferEvents,
    };
    try {
      await http.get(call, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      // a refusal of the query is an answer, too
      return error instanceof Permanent && error.reach === 'item';
    }
  }

  return async function narrow(error, room, signal) {
    if (!mayBeOfOneEvent(error)) return error;
    let read = reading.get(room.mailbox);
    if (read === undefined) {
      read = isReadable(room, signal).finally(() => reading.delete(room.mailbox));
      reading.set(room.mailbox, read);
    }
    return (await read) ? ofOneEvent(error) : error;
  };
}

/** Graph answered with a status that may concern the mailbox, without throttling. */
const mayBeOfOneEvent = (error: Error): error is Retryable | Permanent =>
  (error instanceof Retryable || error instanceof Permanent) &&
  error.reach !== 'item' &&
  error.refusedFor !== 'token' &&
  error.cause === undefined &&
  !(error instanceof Retryable && error.afterMs !== undefined);

function ofOneEvent(error: Retryable | Permanent): Retryable | Permanent {
  const details = {
    reach: 'item' as const,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.requestId === undefined ? {} : { requestId: error.requestId }),
    ...(error.refusedFor === undefined ? {} : { refusedFor: error.refusedFor }),
  };
  return error instanceof Retryable
    ? new Retryable(error.message, { ...details, ambiguous: error.ambiguous })
    : new Permanent(error.message, details);
}
