/**
 * Reads the events that notifications named, each by its id. It takes one call and does not depend on delta, which may lag behind the
 * notification. A hint only says what to read: the result is observed like a row of delta, and a deletion is verified like any other.
 * A delta round a few seconds later finds the rest. A hint is deleted only when it is answered: by such a read, or by a delta round that
 * shows its version. Reads and delta may both be answered by a replica of the mailbox that does not have the change yet: then the event
 * is read again with increasing pauses, a limited number of times.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { unlessItemFails } from '../../errors.ts';
import type { DeltaRow, OutlookEvent } from '../../event.ts';
import { fewHints, hintsReadMost } from '../hint-limits.ts';
import type { Hint, LeasedRoom } from '../store/work-list.ts';
import { storeHinted, type ReadHint } from '../store/observed.ts';
import { hintsLater } from '../store/hints.ts';
import { knownEvents } from '../store/mappings.ts';
import type { Observed } from '../store/observed.ts';
import { listWindow } from '../store/span.ts';
import { together } from '../together.ts';
import { observe, type PullContext } from './observe.ts';
import { reportRefused } from './refused-rows.ts';

/**
 * Delays before a new event that is not there is read again, in the same drain and in later ones: Graph may notify before the event
 * can be read. Fewer while many hints wait: most of them may name events that are gone.
 */
const few = { earlyMs: [150, 400], againMs: [1_000, 2_000, 4_000, 8_000, 15_000, 30_000] };
const many = { earlyMs: [400], againMs: [4_000, 30_000] };
/** The same for an event that still shows the version before the reported one, or is still there although it was deleted. */
const staleAgainMs = [5_000, 30_000];
/** The pause after `hintsReadMost` hints if some are left. */
const pauseMs = 1_000;

const nothing: Observed = { mapped: [], unmapped: [] };

/** Reads hinted events, as many as may be read at a time. Returns the number of observed events. */
export async function readHinted(
  context: PullContext,
  room: LeasedRoom,
  hints: readonly Hint[],
  signal: AbortSignal,
): Promise<number> {
  const { db, window } = context;
  const now = hints.slice(0, hintsReadMost);
  const reportedAt = new Date(Math.min(...now.map(({ hintedAt }) => Date.parse(hintedAt))));
  const delays = hints.length > fewHints ? many : few;
  const { page, done } = await readEach(context, room, now, delays, signal);
  const observed =
    page.rows.length + page.removed.length === 0
      ? nothing
      : await observe(context, room, page, await listWindow(db, window), signal);
  const notStored = await storeHinted(db, room, reportedAt, observed, done);
  if (hints.length > now.length) await hintsLater(db, room, pauseMs);
  await reportRefused(context, room, notStored, `the hints of ${room.name}`, 'other');
  return observed.mapped.length + observed.unmapped.length;
}

const versionsOf = ({ etag }: Hint) => etag?.split(' ') ?? [];

/**
 * Answers the hints of own writes, however many: they need no read, and do not delay the others. Returns the others.
 */
export async function answerOwnWrites(
  { db, ownWrites }: PullContext,
  room: LeasedRoom,
  hints: readonly Hint[],
): Promise<readonly Hint[]> {
  const own = hints.filter(
    (hint) =>
      !hint.deleted &&
      hint.etag !== null &&
      versionsOf(hint).every((version) => ownWrites.has(hint.eventId, version)),
  );
  if (own.length === 0) return hints;
  const ids = own.map(({ eventId }) => eventId);
  const mappings = await knownEvents(db, room, ids, []);
  const settled = new Set(mappings.filter(({ news }) => news === null).map(({ eventId }) => eventId));
  const answered = new Set(own.filter(({ eventId }) => settled.has(eventId)));
  if (answered.size === 0) return hints;
  const done = [...answered].map((hint) => ({ hint, againMs: null }));
  await storeHinted(db, room, new Date(), nothing, done);
  return hints.filter((hint) => !answered.has(hint));
}

/** The hinted events as a page of delta would show them, and what becomes of the hints. */
async function readEach(
  { db, outlook, ownWrites }: PullContext,
  room: LeasedRoom,
  hints: readonly Hint[],
  delays: typeof few,
  signal: AbortSignal,
): Promise<{
  readonly page: { readonly rows: readonly DeltaRow[]; readonly removed: readonly string[] };
  readonly done: readonly ReadHint[];
}> {
  const ids = hints.map(({ eventId }) => eventId);
  const mappings = await knownEvents(db, room, ids, ids);
  const byEvent = new Map(mappings.map((mapping) => [mapping.eventId, mapping]));
  const masters = new Set(mappings.flatMap(({ seriesMasterId }) => seriesMasterId ?? []));
  const rows: DeltaRow[] = [];
  const removed: string[] = [];

  async function readEvent(eventId: string, waitsMs: readonly number[]): Promise<OutlookEvent | null> {
    let event = await outlook.readUndated(room, eventId, signal);
    for (const ms of waitsMs) {
      if (event !== null) break;
      await pause(ms, undefined, { signal });
      event = await outlook.readUndated(room, eventId, signal);
    }
    return event;
  }

  /** Returns the delays of further reads; empty: the hint is answered. */
  async function readOne(hint: Hint): Promise<readonly number[]> {
    const { eventId, deleted, etag, hintedAt, misses } = hint;
    const mapping = byEvent.get(eventId);
    if (deleted) {
      const isDone = mapping === undefined || mapping.status === 'cancelled' || mapping.news === 'gone';
      if (!isDone || misses === 0) removed.push(eventId);
      return isDone ? [] : staleAgainMs;
    }
    const isKnown = (version: string) => version === mapping?.etag || ownWrites.has(eventId, version);
    const areKnown = etag !== null && versionsOf(hint).every(isKnown);
    if (mapping?.news === null && areKnown) return [];
    // a series is read as a whole by `observe`
    if (masters.has(eventId)) rows.push(rowById(eventId, 'seriesMaster', null));
    else if (mapping?.seriesMasterId != null)
      rows.push(rowById(eventId, 'occurrence', mapping.seriesMasterId));
    else {
      const waitsMs = mapping === undefined && misses === 0 ? delays.earlyMs : [];
      const event = await unlessItemFails(() => readEvent(eventId, waitsMs), 'unreadable');
      if (event === 'unreadable') rows.push(rowById(eventId, 'singleInstance', null));
      else if (event === null) {
        if (mapping === undefined) return delays.againMs;
        removed.push(eventId);
      } else {
        rows.push(rowOf(event));
        if (event.type !== 'seriesMaster') outlook.keep(room, event);
        const isStale = event.etag !== null && event.etag === mapping?.etag && etag !== null && !areKnown;
        // a version that was written after the notification is newer than the reported one
        if (isStale && !(Date.parse(event.lastModifiedAt ?? '') > Date.parse(hintedAt))) return staleAgainMs;
      }
    }
    return [];
  }

  const done = await together(
    hints.map(async (hint) => ({ hint, againMs: (await readOne(hint))[hint.misses] ?? null })),
  );
  return { page: { rows, removed }, done };
}

/** A row without content: the event is read later. */
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
