/**
 * The claim on a room's default calendar, a single-value extended property (Microsoft:
 * singlevaluelegacyextendedproperty-post and -get, resource calendar). It cannot be removed, only overwritten
 * (msgraph-sdk-dotnet#719), and the answer of a PATCH does not contain it (msgraph-sdk-dotnet#2908).
 */
import { Conflict, Retryable } from '../errors.ts';
import type { Mailbox } from '../event.ts';
import { membersOf, textOf } from './format.ts';
import type { Answer } from './failure.ts';
import { encode, type Call, type GraphHttp } from './http.ts';

const claimId = 'String {66f5a359-4659-4830-9070-00047ec6ac6e} Name BookingBridgeClaim';
const expandClaim = `$expand=${encode(`singleValueExtendedProperties($filter=id eq '${claimId}')`)}`;

/** The query, the property or the path is refused. A mailbox that refuses everything is detected by the next call. */
const refusals: ReadonlySet<number> = new Set([400, 403, 404, 405, 409, 501]);

export function createCalendarClaim(http: GraphHttp) {
  const call = (room: Mailbox, method: 'GET' | 'PATCH', what: string): Call => ({
    what,
    mailbox: room.mailbox,
    method,
    path: `/users/${encode(room.mailbox)}/calendar`,
  });
  const whyOf = (answer: Answer, asked: Call) => http.refused(answer, asked).message;

  async function readClaim(room: Mailbox, signal: AbortSignal) {
    const plain = call(room, 'GET', 'read the claim of a calendar');
    const reading = { ...plain, path: `${plain.path}?${expandClaim}` };
    const answer = await http.send(reading, signal);
    if (refusals.has(answer.status)) return { is: 'refused', why: whyOf(answer, reading) } as const;
    if (answer.status !== 200) throw http.refused(answer, reading);
    const properties = membersOf(answer.body)['singleValueExtendedProperties'];
    for (const property of Array.isArray(properties) ? (properties as readonly unknown[]) : []) {
      const { id, value } = membersOf(property);
      // Graph prints the id with a GUID in its own letter case
      if (textOf(id)?.toLowerCase() === claimId.toLowerCase() && typeof value === 'string')
        return { is: 'claim', text: value } as const;
    }
    return { is: 'none' } as const;
  }

  async function writeClaim(room: Mailbox, text: string, signal: AbortSignal): Promise<string | null> {
    const writing: Call = {
      ...call(room, 'PATCH', 'write the claim of a calendar'),
      body: JSON.stringify({ singleValueExtendedProperties: [{ id: claimId, value: text }] }),
    };
    const answer = await http.send(writing, signal);
    if (refusals.has(answer.status)) return whyOf(answer, writing);
    if (answer.status >= 200 && answer.status < 300) return null;
    const failure = http.refused(answer, writing);
    // nothing can be decided again: the same claim is written later
    throw failure instanceof Conflict
      ? new Retryable(failure.message, { reach: 'item', cause: failure })
      : failure;
  }

  return { readClaim, writeClaim };
}
