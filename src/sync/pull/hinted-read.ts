/**
 * Reads the events that notifications named, each by its id: one call, however late delta is (Graph's notification is earlier
 * than the row of delta that belongs to it). A hint only says where to read; what is read is observed as a row of delta
 * is, and a deletion is verified like any other. A delta round makes sure of the rest a few seconds later.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { DeltaRow, OutlookEvent } from '../../event.ts';
import type { Tell } from '../../facts.ts';
import type { FreshReads } from '../fresh-reads.ts';
import { hintsMost, type Hint, type LeasedRoom, type Window } from '../store/work-list.ts';
import { storeHinted } from '../store/observed.ts';
import { knownEvents, listWindow, pullAgain, type Observed } from '../store/pull-store.ts';
import { together } from '../together.ts';
import { createObserve } from './observe.ts';

/** Waits before a new event that is not there yet is read again: Graph's notification may be earlier than the event. */
const earlyMs = [150, 400];
/** A round of changes in the place of hints that could not be read. */
const insteadMs = 1_000;

export interface HintedReadOptions {
  readonly db: Queryable;
  readonly outlook: FreshReads;
  readonly window: Window;
  readonly tell: Tell;
}

/** What came of hints: how many events were read or reported, and whether there were so many that delta is to be asked. */
export interface Hinted {
  readonly rows: number;
  readonly tooMany: boolean;
}

export function createHintedRead({ db, outlook, window, tell }: HintedReadOptions) {
  const observe = createObserve(db, outlook);

  async function readEvent(
    room: LeasedRoom,
    eventId: string,
    waitsMs: readonly number[],
    signal: AbortSignal,
  ): Promise<OutlookEvent | 'unreadable' | null> {
    try {
      let event = await outlook.readAnew(room, eventId, signal);
      for (const ms of waitsMs) {
        if (event !== null) break;
        await pause(ms, undefined, { signal });
        event = await outlook.readAnew(room, eventId, signal);
      }
      return event;
    } catch (error) {
      if ((error instanceof Retryable || error instanceof Permanent) && error.reach === 'item')
        return 'unreadable';
      throw error;
    }
  }

  return async function readHinted(
    room: LeasedRoom,
    hints: readonly Hint[],
    signal: AbortSignal,
  ): Promise<Hinted> {
    const reportedAt = new Date(Math.min(...hints.map(({ hintedAt }) => Date.parse(hintedAt))));
    if (hints.length > hintsMost) {
      // requested before the hints go: a round that somebody asked for is made again soon, should delta lag behind it
      await pullAgain(db, room, 0, 0);
      await storeHinted(db, room, reportedAt, { mapped: [], unmapped: [] }, hints);
      return { rows: 0, tooMany: true };
    }
    const ids = hints.map(({ eventId }) => eventId);
    const mappings = await knownEvents(db, room, ids, ids);
    const byEvent = new Map(mappings.map((mapping) => [mapping.eventId, mapping]));
    const masters = new Set(mappings.flatMap(({ seriesMasterId }) => seriesMasterId ?? []));
    const rows: DeltaRow[] = [];
    const removed: string[] = [];

    async function readOne({ eventId, deleted, etag }: Hint): Promise<void> {
      const mapping = byEvent.get(eventId);
      if (
        mapping !== undefined &&
        !deleted &&
        mapping.news === null &&
        etag !== null &&
        mapping.etag === etag
      )
        return; // our own write came back
      if (deleted) return void removed.push(eventId);
      // of a series all instances are read, once
      if (masters.has(eventId)) return void rows.push(rowById(eventId, 'seriesMaster', null));
      if (mapping?.seriesMasterId != null)
        return void rows.push(rowById(eventId, 'occurrence', mapping.seriesMasterId));
      const event = await readEvent(room, eventId, mapping === undefined ? earlyMs : [], signal);
      // what cannot be read now is noted, and read in its own time
      if (event === 'unreadable') return void rows.push(rowById(eventId, 'singleInstance', null));
      // one that nobody knows and that is not there shows in the round that makes sure
      if (event === null) return void (mapping !== undefined && removed.push(eventId));
      rows.push(rowOf(event));
      if (event.type !== 'seriesMaster') outlook.keep(room, event);
    }

    const nothing: Observed = { mapped: [], unmapped: [] };
    let observed = nothing;
    try {
      await together(hints.map(readOne));
      if (rows.length + removed.length > 0)
        observed = await observe(room, { rows, removed }, await listWindow(db, window), signal);
    } catch (error) {
      if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
      // hints that stay would be read again at once, and in an outage, which may be this mailbox alone, before all other rooms
      await pullAgain(db, room, insteadMs, 0);
      await storeHinted(db, room, reportedAt, nothing, hints);
      throw error;
    }
    const refused = await storeHinted(db, room, reportedAt, observed, hints);
    for (const error of refused) tell({ fact: 'bug', error, where: `the hints of ${room.name}` });
    return { rows: observed.mapped.length + observed.unmapped.length, tooMany: false };
  };
}

/** A row that names the event and shows nothing of it. */
const rowById = (id: string, type: DeltaRow['type'], seriesMasterId: string | null): DeltaRow => ({
  id,
  type,
  seriesMasterId,
  event: null,
});

const rowOf = (event: OutlookEvent): DeltaRow => ({
  id: event.id,
  type: event.type,
  seriesMasterId: event.seriesMasterId,
  event,
});
