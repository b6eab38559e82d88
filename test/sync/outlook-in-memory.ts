/** A room calendar in memory, for tests of what the sync does with it. It remembers idempotency keys as Graph does. */
import { Permanent, type Retryable } from '../../src/errors.ts';
import {
  itemOf,
  type DeltaAnswer,
  type Mailbox,
  type OutlookEvent,
  type Write,
  type WriteAnswer,
} from '../../src/event.ts';
import { sameItem, type Item, type ReservationKey } from '../../src/item.ts';
import type { OutlookSide } from '../../src/sync/outlook-side.ts';

interface Kept extends OutlookEvent {
  readonly mailbox: string;
  /** What it shows, whether it occupies the room or not. */
  readonly item: Item | null;
}

/** What a test says of an event; `item` alone: it occupies the room. */
type Said = Partial<OutlookEvent> & { readonly item?: Item };

const shown = ({ item, ...rest }: Said): Partial<Kept> => {
  const shows: OutlookEvent['shows'] | undefined =
    rest.shows ?? (item === undefined ? undefined : { is: 'occupied', item });
  return shows === undefined ? rest : { ...rest, shows, item: itemOf(shows) };
};

const as = (is: OutlookEvent['shows']['is'], item: Item): Pick<Kept, 'shows' | 'item'> => ({
  item,
  shows: is === 'released' ? { is } : is === 'unreadable' ? { is, why: 'no times' } : { is, item },
});

export function createOutlookInMemory() {
  const events = new Map<string, Kept>();
  /** What idempotency keys made, by mailbox and key. */
  const keys = new Map<string, { readonly id: string; readonly item: Item }>();
  /** The ids of what changed, in order: a delta link is how many of them were read. */
  const changed: string[] = [];
  /** Those that rounds of changes report as removed although they are there. */
  const vanished = new Set<string>();
  const answers: { readonly id: string; readonly answer: string; readonly comment: string }[] = [];
  const reads: string[] = [];
  /** What each calendar says of whose it is. */
  const claims = new Map<string, string>();
  const objectIds = new Map<string, string>();
  let refusesClaims = false;
  let claimCalls = 0;
  const writes: { readonly mailbox: string; readonly write: Write }[] = [];
  /** Those that the mailbox says it does not have, though its calendar shows them. */
  const denied = new Set<string>();
  let next = 1;
  let refusesAnswers = false;
  let missesAnswers = false;
  let blind: Error | null = null;
  let listing: Error | null = null;
  let rewrite = (item: Item) => item;
  let show = (item: Item) => item;
  let troubled:
    | ((
        start: { readonly from: string; readonly to: string } | { readonly link: string },
      ) => DeltaAnswer | null)
    | null = null;
  let once: (() => Promise<void>) | null = null;
  let namesTaken = true;
  let unreadableSeries: Error | null = null;
  let onceRead: (() => Promise<void>) | null = null;
  let onceListed: (() => Promise<void>) | null = null;
  let failing: ((write: Write, apply: () => OutlookEvent | null) => WriteAnswer | null) | null = null;

  /** What mailboxes are called by, beside their addresses; null: not any more. */
  const named = new Map<string, string | null>();
  const unknownMailbox = () =>
    new Permanent('Graph says 404 ErrorInvalidUser', { reach: 'room', refusedFor: 'mailbox' });
  const boxOf = ({ mailbox }: Mailbox): string => {
    const address = named.get(mailbox);
    if (address === null) throw unknownMailbox();
    return address ?? mailbox;
  };

  /** An event by its id: only its own mailbox has it. */
  const held = (room: Mailbox, id: string): Kept | undefined => {
    const event = events.get(id);
    return event?.mailbox === boxOf(room) ? event : undefined;
  };

  const done = { acceptedAt: 0, callMs: 1 };
  const put = (mailbox: string, item: Item, properties: ReservationKey | null): Kept => {
    const id = `event-${next++}`;
    const event: Kept = {
      mailbox,
      id,
      iCalUId: `ical-${id}`,
      item,
      shows: { is: 'occupied', item },
      properties,
      isOrganizer: true,
      originalStart: null,
      organizer: null,
      type: 'singleInstance',
      seriesMasterId: null,
      transactionId: null,
      createdAt: new Date().toISOString(),
      lastModifiedAt: null,
      etag: null,
    };
    events.set(id, event);
    changed.push(id);
    return event;
  };

  function edit(event: Kept): void {
    events.set(event.id, event);
    changed.push(event.id);
  }

  function carryOut(room: Mailbox, write: Write): WriteAnswer {
    const mailbox = boxOf(room);
    const stamp = { ...done, acceptedAt: performance.now() };
    if (write.do === 'create') {
      const key = `${mailbox} ${write.transactionId}`;
      const earlier = keys.get(key);
      const made = earlier === undefined ? undefined : events.get(earlier.id);
      if (made !== undefined && sameItem(earlier!.item, write.item))
        return { ...stamp, outcome: 'written', event: made };
      if (earlier !== undefined)
        return { ...stamp, outcome: 'taken', existingId: namesTaken ? earlier.id : null };
      const event = {
        ...put(mailbox, rewrite(write.item), write.properties),
        transactionId: write.transactionId,
      };
      events.set(event.id, event);
      keys.set(key, { id: event.id, item: write.item });
      return { ...stamp, outcome: 'written', event };
    }
    const event = held(room, write.eventId);
    if (write.do === 'remove') {
      if (event !== undefined) events.delete(write.eventId);
      changed.push(write.eventId);
      return { ...stamp, outcome: 'written', event: null };
    }
    if (event === undefined) return { ...stamp, outcome: 'gone' };
    const written = rewrite({ ...event.item!, ...write.change });
    const carried = Object.keys(write.change) as (keyof Item)[];
    const after = {
      ...event,
      ...as(write.showAs === true ? 'occupied' : event.shows.is, {
        ...event.item!,
        ...Object.fromEntries(carried.map((field) => [field, written[field]])),
      }),
    };
    edit(after);
    return { ...stamp, outcome: 'written', event: after };
  }

  const side: OutlookSide = {
    show: (item) => show(item),
    resolveMailbox: async (address) =>
      objectIds.get(address) ?? [...named].find(([, of]) => of === address)?.[0] ?? null,
    async readClaim(room) {
      claimCalls += 1;
      if (refusesClaims) return { is: 'refused', why: 'Graph says 501' };
      const text = claims.get(room.mailbox);
      return text === undefined ? { is: 'none' } : { is: 'claim', text };
    },
    async writeClaim(room, text) {
      claimCalls += 1;
      if (refusesClaims) return 'Graph says 501';
      claims.set(room.mailbox, text);
      return null;
    },
    async write(room, asked) {
      const first = once;
      once = null;
      await first?.();
      return asked.map((write) => {
        writes.push({ mailbox: room.mailbox, write });
        if (named.get(room.mailbox) === null)
          return { ...done, acceptedAt: performance.now(), outcome: 'failed', error: unknownMailbox() };
        let applied: WriteAnswer | null = null;
        const apply = () => {
          applied = carryOut(room, write);
          return applied.outcome === 'written' ? applied.event : null;
        };
        return failing?.(write, apply) ?? applied ?? carryOut(room, write);
      });
    },
    read: async (room, id) => {
      boxOf(room);
      reads.push(id);
      const first = onceRead;
      onceRead = null;
      await first?.();
      return denied.has(id) ? null : (held(room, id) ?? null);
    },
    find: async (room, properties) => {
      const trouble = blind;
      blind = null;
      if (trouble !== null) throw trouble;
      return [...events.values()].filter(
        (e) =>
          e.mailbox === boxOf(room) &&
          e.properties?.id === properties.id &&
          e.properties.type === properties.type,
      );
    },
    async *list(room, from, to) {
      boxOf(room);
      if (listing !== null) throw listing;
      // a calendar view shows the dates of a series, never its master
      yield [...events.values()].filter(
        ({ mailbox, item, type }) =>
          mailbox === boxOf(room) &&
          type !== 'seriesMaster' &&
          (item === null || (item.startsAt < to && item.endsAt > from)),
      );
      const first = onceListed;
      onceListed = null;
      await first?.();
    },
    series: async (room, masterId) => {
      if (unreadableSeries !== null) throw unreadableSeries;
      const found = [...events.values()].filter(
        (e) => e.mailbox === boxOf(room) && e.seriesMasterId === masterId,
      );
      return found.length === 0 ? null : found;
    },
    pattern: async () => null,
    async respond(room, eventId, answer, comment) {
      if (refusesAnswers)
        throw new Permanent('The room may not answer.', { reach: 'item', hint: 'Ask the organiser.' });
      if (missesAnswers || held(room, eventId) === undefined) return 'gone';
      events.delete(eventId);
      changed.push(eventId);
      answers.push({ id: eventId, answer, comment });
      return 'answered';
    },
    async *delta(room, start) {
      if (named.get(room.mailbox) === null) {
        yield { answer: 'refused', error: unknownMailbox() };
        return;
      }
      const trouble = troubled?.(start) ?? null;
      if (trouble !== null) {
        yield trouble;
        return;
      }
      const since = 'link' in start ? Number(start.link) : changed.length;
      const ids = [...new Set(changed.slice(since))];
      const rows = ids.flatMap((id) => {
        const event = events.get(id);
        const isShown = event !== undefined && event.mailbox === boxOf(room) && !vanished.has(id);
        return isShown ? [event] : [];
      });
      yield {
        answer: 'page',
        rows: rows.map((event) => ({
          id: event.id,
          type: event.type,
          seriesMasterId: event.seriesMasterId,
          event: { ...event, properties: null },
        })),
        removed: ids.filter((id) => !events.has(id) || vanished.has(id)),
        nextLink: null,
        deltaLink: String(changed.length),
      };
    },
  };

  return {
    side,
    writes,
    /** The ids of the events that were read one by one. */
    reads,
    put,
    remove: (id: string) => {
      changed.push(id);
      return events.delete(id);
    },
    /** It is gone, and no round of changes says so. */
    vanish: (id: string) => events.delete(id),
    /** The mailbox at this address is called by this id, too, and by no other one that it had. */
    identify: (address: string, id: string) => {
      for (const [before, of] of named) if (of === address) named.set(before, null);
      named.set(id, address);
    },
    /** The mailbox at this address is made anew: nothing is in it, and no round of changes goes on. */
    makeAnew: (address: string) => {
      for (const mailbox of claims.keys())
        if (mailbox === address || named.get(mailbox) === address) claims.delete(mailbox);
      for (const [id, event] of events) if (event.mailbox === address) events.delete(id);
      const before = changed.length;
      changed.push('made anew');
      troubled = (start) =>
        'link' in start && Number(start.link) <= before
          ? { answer: 'lost', reason: 'SyncStateNotFound' }
          : null;
    },
    /** A person takes a deleted event out of the bin. */
    restore: (event: OutlookEvent) => edit(event as Kept),
    /** A person edits an event. */
    edit: (id: string, change: Partial<Item>) => {
      const event = events.get(id)!;
      const item = { ...event.item!, ...change };
      edit({ ...event, ...as(event.shows.is, item), lastModifiedAt: new Date().toISOString() });
    },
    /** A person changes what else there is to an event: who organises it, that it is free. */
    alter: (id: string, change: Said) => edit({ ...events.get(id)!, ...shown(change) }),
    answers,
    claims,
    /** How often a claim was read or written. */
    claimCalls: () => claimCalls,
    /** Object ids of addresses, as the directory knows them. */
    objectIds,
    refuseClaims: (refuses: boolean) => {
      refusesClaims = refuses;
    },
    refuseAnswers: (refuses: boolean) => {
      refusesAnswers = refuses;
    },
    /** Who answers a meeting hears that it is not there. */
    missAnswers: (misses: boolean) => {
      missesAnswers = misses;
    },
    /** What a room shows, by start. */
    in: (mailbox: string) =>
      [...events.values()]
        .filter((event) => event.mailbox === mailbox)
        .sort((a, b) => ((a.item?.startsAt ?? '') < (b.item?.startsAt ?? '') ? -1 : 1)),
    titles(mailbox: string) {
      return this.in(mailbox).map((event) => event.item?.title ?? null);
    },
    /** A read of the event is answered by a replica that does not have it yet; false: no more. */
    hide: (id: string, hides = true) => void (hides ? denied.add(id) : denied.delete(id)),
    /** Sets the version of an event. */
    version: (id: string, etag: string) => void events.set(id, { ...events.get(id)!, etag }),
    /** A person invites a room, which accepts at once. */
    invite: (mailbox: string, item: Item, more: Said = {}) => {
      const event = put(mailbox, item, null);
      const organizer = { name: 'Ola Nordmann', email: 'ola@example.org' };
      edit({ ...event, isOrganizer: false, organizer, ...shown(more) });
      return event;
    },
    /** What Outlook shall show of items from now on. */
    shows: (how: typeof show) => {
      show = how;
    },
    /** What Exchange makes of the texts that are written from now on. */
    rewrites: (how: typeof rewrite) => {
      rewrite = how;
    },
    /** Rounds of changes meet this instead; null lets them through. */
    trouble: (how: typeof troubled) => {
      troubled = how;
    },
    /** An event disappears from the list and the rounds, but not from the mailbox, as one that left the window does. */
    reportRemoved: (id: string) => {
      vanished.add(id);
      changed.push(id);
    },
    /** It is said to be removed, and not to be there when it is read by its id; its calendar shows it. False: no more. */
    deny: (id: string, denies = true) => {
      if (denies) {
        vanished.add(id);
        denied.add(id);
      } else {
        vanished.delete(id);
        denied.delete(id);
      }
      changed.push(id);
    },
    /** A listing of the calendar meets this; null lets it through. */
    failList: (error: Error | null) => {
      listing = error;
    },
    /** A read of a series meets this; null lets it through. */
    failSeries: (error: Error | null) => {
      unreadableSeries = error;
    },
    /** Happens while the next batch is on its way. */
    meanwhile: (what: () => Promise<void>) => {
      once = what;
    },
    /** Happens while the next event is being read; what it throws is what the read meets. */
    meanwhileRead: (what: () => Promise<void>) => {
      onceRead = what;
    },
    /** Happens when the calendar has been listed the next time. */
    whenListed: (what: () => Promise<void>) => {
      onceListed = what;
    },
    /** The next search by properties fails so. */
    /** A refusal of an idempotency key that was used before names no event. */
    hideTaken: () => {
      namesTaken = false;
    },
    blindOnce: (error: Error) => {
      blind = error;
    },
    /** The next writes meet this instead; null lets them through. */
    fail: (how: typeof failing) => {
      failing = how;
    },
  };
}

export const failed = (error: Retryable | Permanent): WriteAnswer => ({
  acceptedAt: performance.now(),
  callMs: 1,
  outcome: 'failed',
  error,
});
