/**
 * How far the refusal of one call reaches. A call about one event says nothing about the others, whatever its status; only
 * a plain read of the calendar tells whether the mailbox refuses everything (creates alone, and deletes alone, were seen
 * to be refused: msgraph docs#6546, msgraph-sdk-dotnet#3047).
 */
import { Permanent, Retryable } from '../errors.ts';
import type { Mailbox } from '../event.ts';
import { encode, preferEvents, type Call, type GraphHttp } from './http.ts';

const hourMs = 3_600_000;

/** The error to throw for that of a call about one event. Rejects only with the signal's reason. */
export type NarrowReach = (error: Error, room: Mailbox, signal: AbortSignal) => Promise<Error>;

export function createReach(http: GraphHttp): NarrowReach {
  /** Several calls are refused together: one read tells for all of them. */
  const reading = new Map<string, Promise<boolean>>();

  /** Whether the mailbox lets its calendar be read. */
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
      // that it does not like the question is an answer, too
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

/** Graph answered it, with a status that may be about the mailbox, and asked for no rest. */
const mayBeOfOneEvent = (error: Error): error is Retryable | Permanent =>
  (error instanceof Retryable || error instanceof Permanent) &&
  error.reach !== 'item' &&
  error.refusedFor !== 'token' &&
  error.cause === undefined &&
  !(error instanceof Retryable && error.afterMs !== undefined);

function ofOneEvent(error: Retryable | Permanent): Retryable | Permanent {
  const told = {
    reach: 'item' as const,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.requestId === undefined ? {} : { requestId: error.requestId }),
    ...(error.refusedFor === undefined ? {} : { refusedFor: error.refusedFor }),
  };
  return error instanceof Retryable
    ? new Retryable(error.message, { ...told, ambiguous: error.ambiguous })
    : new Permanent(error.message, told);
}
