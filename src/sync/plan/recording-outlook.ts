/**
 * The Outlook of a plan: reads are answered from `PreparedReads`, writes are carried out on those in memory and answered as by
 * Graph. Nothing is sent.
 */
import type { BookedItem } from '../../appearance.ts';
import { Permanent } from '../../errors.ts';
import { itemOf, type Mailbox, type OutlookEvent, type Write, type WriteAnswer } from '../../event.ts';
import { sameItem, type Item } from '../../item.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { plannedPrefix } from './plan-words.ts';
import type { PreparedReads } from './prepared-reads.ts';

/** The link of delta rounds that a plan begins: nothing changes during it. */
const planLink = 'plan';

type Changes = Map<string, OutlookEvent | null>;

/** `refusals`: the errors of changes that Outlook refused earlier, by event; they are refused again. */
export function createRecordingOutlook(
  reads: PreparedReads,
  refusals: ReadonlyMap<string, string>,
): OutlookSide {
  /** By mailbox: its changed events; null: deleted. */
  const changed = new Map<string, Changes>();
  let created = 0;

  function changesOf({ mailbox }: Mailbox): Changes {
    const known = changed.get(mailbox) ?? new Map<string, OutlookEvent | null>();
    changed.set(mailbox, known);
    return known;
  }

  function readNow(room: Mailbox, eventId: string): OutlookEvent | null {
    const now = changesOf(room).get(eventId);
    return now === undefined ? reads.event(room, eventId) : now;
  }

  /** These events in their current state, including new ones, filtered by `wanted`. */
  function asOfNow(
    room: Mailbox,
    events: readonly OutlookEvent[],
    wanted: (event: OutlookEvent) => boolean,
  ): OutlookEvent[] {
    const changes = changesOf(room);
    const untouched = events.filter(({ id }) => !changes.has(id));
    return [...untouched, ...[...changes.values()].filter((event) => event !== null)].filter(wanted);
  }

  function madeBy(room: Mailbox, transactionId: string): OutlookEvent | null {
    const made = reads.madeBy(room, transactionId);
    return made === null ? null : readNow(room, made.id);
  }

  function carryOut(room: Mailbox, write: Write): WriteAnswer {
    const answered = { acceptedAt: performance.now(), callMs: 0 };
    const changes = changesOf(room);
    if (write.do === 'create') {
      const earlier = madeBy(room, write.transactionId);
      if (earlier !== null) return { ...answered, ...repeated(earlier, write.item) };
      const event = createdEvent(`${plannedPrefix}${(created += 1)}`, write);
      changes.set(event.id, event);
      return { ...answered, outcome: 'written', event };
    }
    const refusal = refusals.get(write.eventId);
    if (refusal !== undefined)
      return { ...answered, outcome: 'failed', error: new Permanent(refusal, { reach: 'item' }) };
    if (write.do === 'remove') {
      changes.set(write.eventId, null);
      return { ...answered, outcome: 'written', event: null };
    }
    const before = readNow(room, write.eventId);
    if (before === null) return { ...answered, outcome: 'gone' };
    const event = changedEvent(before, write);
    changes.set(event.id, event);
    return { ...answered, outcome: 'written', event };
  }

  return {
    show: reads.show,
    resolveMailbox: async (address) => reads.resolved(address),
    readClaim: async (room) => reads.claim(room),
    writeClaim: async () => null,
    write: async (room, writes) => writes.map((write) => carryOut(room, write)),
    read: async (room, eventId) => readNow(room, eventId),
    find: async (room, { type, id }) =>
      asOfNow(
        room,
        reads.found(room, { type, id }),
        ({ properties }) => properties?.type === type && properties.id === id,
      ),
    async *list(room, from, to) {
      yield asOfNow(room, reads.list(room, from, to), overlapping(from, to));
    },
    async series(room, masterId, from, to) {
      const instances = reads.series(room, masterId, from, to);
      const isInstance = ({ seriesMasterId }: OutlookEvent) => seriesMasterId === masterId;
      return instances === null ? null : asOfNow(room, instances, isInstance);
    },
    pattern: async (room, masterId) => reads.pattern(room, masterId),
    async respond(room, eventId, answer) {
      if (readNow(room, eventId) === null) return 'gone';
      if (answer === 'decline') changesOf(room).set(eventId, null);
      return 'answered';
    },
    async *delta(room, start) {
      if ('link' in start && start.link !== planLink) yield reads.delta(room, start.link);
      else yield { answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: planLink };
    },
  };
}

/** Outlook answers a repeated create with the event, and refuses a different one with the same key. */
function repeated(
  event: OutlookEvent,
  sent: Item,
):
  | { readonly outcome: 'written'; readonly event: OutlookEvent }
  | { readonly outcome: 'taken'; readonly existingId: string } {
  const shown = itemOf(event.shows);
  return shown === null || sameItem(shown, sent)
    ? { outcome: 'written', event }
    : { outcome: 'taken', existingId: event.id };
}

const overlapping =
  (from: string, to: string) =>
  ({ shows }: OutlookEvent): boolean => {
    const item = itemOf(shows);
    const meets = (begins: string, ends: string) =>
      Date.parse(begins) < Date.parse(to) && Date.parse(ends) > Date.parse(from);
    return item === null || meets(item.startsAt, item.endsAt);
  };

const isTentative = ({ as }: BookedItem): boolean => as?.tentative === true;

const occupied = (item: Item, tentative: boolean): OutlookEvent['shows'] => ({
  is: 'occupied',
  item,
  ...(tentative ? { tentative } : {}),
});

const createdEvent = (
  id: string,
  { item, properties, transactionId }: Extract<Write, { do: 'create' }>,
): OutlookEvent => ({
  id,
  iCalUId: '',
  shows: occupied(item, isTentative(item)),
  properties,
  transactionId,
  createdAt: null,
  isOrganizer: true,
  type: 'singleInstance',
  seriesMasterId: null,
  originalStart: null,
  organizer: null,
  lastModifiedAt: null,
  etag: null,
});

function changedEvent(
  before: OutlookEvent,
  { change, whole, showAs }: Extract<Write, { do: 'change' }>,
): OutlookEvent {
  const { shows } = before;
  const item = { ...(itemOf(shows) ?? whole), ...change };
  if (shows.is === 'undecided' || (shows.is === 'free' && showAs !== true))
    return { ...before, shows: { is: shows.is, item } };
  const wasTentative = shows.is === 'occupied' && shows.tentative === true;
  return { ...before, shows: occupied(item, showAs === true ? isTentative(whole) : wasTentative) };
}
