/**
 * The reads of a plan, made while no transaction is open. A read that turns out to be needed in the transaction is recorded and
 * throws Unread: the transaction is rolled back, the recorded reads are made, and it begins again.
 */
import { isExpected, type Permanent, type Retryable } from '../../errors.ts';
import type { DeltaAnswer, Mailbox, OutlookEvent, SeriesPattern } from '../../event.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { ClaimRead } from '../decide/claim.ts';
import type { OutlookSide } from '../outlook-side.ts';

/** A requested read has not been made yet. */
export class Unread extends Error {}

type Read<T> = (signal: AbortSignal) => Promise<T>;
type Answer = { readonly value: unknown } | { readonly error: Retryable | Permanent };

export type PreparedReads = ReturnType<typeof createPreparedReads>;

/** Concurrent reads. */
const atATime = 4;

/** Each read returns or throws as `outlook` did, or throws Unread. */
export function createPreparedReads(outlook: OutlookSide) {
  const answers = new Map<string, Answer>();
  const unread = new Map<string, Read<unknown>>();
  /** By mailbox: the listed events. */
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
      if (signal.aborted || !isExpected(error)) throw error;
      answers.set(key, { error });
    }
  }

  /** Makes all recorded reads. Failures are stored and thrown where the answer is needed. */
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

  /** The listed event of an earlier create with this key. */
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
    /** Makes these reads, unless they were made before. */
    async prepare(asks: readonly (() => unknown)[], signal: AbortSignal): Promise<void> {
      for (const ask of asks)
        try {
          ask();
        } catch {
          // not read yet, or failed: thrown where the answer is needed
        }
      await readUnread(signal);
    },
  };
}

async function firstOf(answers: AsyncIterable<DeltaAnswer>): Promise<DeltaAnswer> {
  for await (const answer of answers) return answer;
  return { answer: 'endless', reason: 'there was no answer' };
}
