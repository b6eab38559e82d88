/**
 * What a plan needs of Outlook is read while no transaction is open. What turns out to be needed only in it is noted and thrown
 * as Unread: the transaction is rolled back, all that was noted is read, and it begins again with the answers at hand.
 */
import { Permanent, Retryable } from '../../errors.ts';
import type { DeltaAnswer, Mailbox, OutlookEvent, SeriesPattern } from '../../event.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { ClaimRead } from '../decide/claim.ts';
import type { OutlookSide } from '../outlook-side.ts';

/** Something was asked for that has not been read yet. */
export class Unread extends Error {}

type Read<T> = (signal: AbortSignal) => Promise<T>;
type Answer = { readonly value: unknown } | { readonly error: Retryable | Permanent };

export type PreparedReads = ReturnType<typeof createPreparedReads>;

/** How many reads are under way to one mailbox. */
const atATime = 4;

/** Reads of `outlook` by their answers: each throws what the read threw, or Unread. */
export function createPreparedReads(outlook: OutlookSide) {
  const answers = new Map<string, Answer>();
  const unread = new Map<string, Read<unknown>>();
  /** By mailbox: what its lists showed. */
  const listed = new Map<string, Map<string, OutlookEvent>>();

  function answer<T>(key: string, read: Read<T>): T {
    const known = answers.get(key);
    if (known === undefined) {
      unread.set(key, read);
      throw new Unread(`${key} has not been read`);
    }
    if ('error' in known) throw known.error;
    return known.value as T;
  }

  async function readOne(key: string, read: Read<unknown>, signal: AbortSignal): Promise<void> {
    try {
      answers.set(key, { value: await read(signal) });
    } catch (error) {
      if (signal.aborted || !(error instanceof Retryable || error instanceof Permanent)) throw error;
      answers.set(key, { error });
    }
  }

  /** Reads all that was asked for and is not there. What fails then is met again where it is needed. */
  async function readUnread(signal: AbortSignal): Promise<void> {
    const asked = [...unread];
    unread.clear();
    for (let at = 0; at < asked.length; at += atATime)
      await Promise.all(asked.slice(at, at + atATime).map(([key, read]) => readOne(key, read, signal)));
  }

  async function listAll(
    room: Mailbox,
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<OutlookEvent[]> {
    const events: OutlookEvent[] = [];
    for await (const page of outlook.list(room, from, to, signal)) events.push(...page);
    listed.set(room.mailbox, new Map(events.map((event) => [event.id, event])));
    return events;
  }

  const resolved = (address: string): string | null =>
    answer(`resolve ${address}`, (signal) => outlook.resolveMailbox(address, signal));
  const claim = (room: Mailbox): ClaimRead =>
    answer(`claim ${room.mailbox}`, (signal) => outlook.readClaim(room, signal));
  const list = (room: Mailbox, from: string, to: string): OutlookEvent[] =>
    answer(`list ${room.mailbox} ${from} ${to}`, (signal) => listAll(room, from, to, signal));
  const event = (room: Mailbox, id: string): OutlookEvent | null =>
    listed.get(room.mailbox)?.get(id) ??
    answer(`read ${room.mailbox} ${id}`, (signal) => outlook.read(room, id, signal));

  /** The event that an earlier create with this key made, as far as it was listed. */
  const madeBy = (room: Mailbox, transactionId: string): OutlookEvent | null =>
    listed
      .get(room.mailbox)
      ?.values()
      .find((one) => one.transactionId === transactionId) ?? null;

  return {
    madeBy,
    show: (item: Item) => outlook.show(item),
    resolved,
    claim,
    list,
    event,
    found: (room: Mailbox, properties: ReservationKey): OutlookEvent[] =>
      answer(`find ${room.mailbox} ${properties.type} ${properties.id}`, (signal) =>
        outlook.find(room, properties, signal),
      ),
    series: (room: Mailbox, masterId: string, from: string, to: string): OutlookEvent[] | null =>
      answer(`series ${room.mailbox} ${masterId} ${from} ${to}`, (signal) =>
        outlook.series(room, masterId, from, to, signal),
      ),
    pattern: (room: Mailbox, masterId: string): SeriesPattern | null =>
      answer(`pattern ${room.mailbox} ${masterId}`, (signal) => outlook.pattern(room, masterId, signal)),
    delta: (room: Mailbox, link: string): DeltaAnswer =>
      answer(`delta ${room.mailbox} ${link}`, (signal) => firstOf(outlook.delta(room, { link }, signal))),
    readUnread,
    /** Asks for these, and reads what was not read yet. */
    async prepare(asks: readonly (() => unknown)[], signal: AbortSignal): Promise<void> {
      for (const ask of asks)
        try {
          ask();
        } catch {
          // not read yet, or failed: that is met again where it is needed
        }
      await readUnread(signal);
    },
  };
}

async function firstOf(answers: AsyncIterable<DeltaAnswer>): Promise<DeltaAnswer> {
  for await (const answer of answers) return answer;
  return { answer: 'endless', reason: 'there was no answer' };
}
