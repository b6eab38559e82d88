/** Observed events, and their storage: all at once; one by one if PostgreSQL refuses one of them. */
import type { Queryable } from '../../database.ts';
import { callFunction } from '../../query.ts';
import type { DeltaRow } from '../../event.ts';
import type { Item } from '../../item.ts';
import type { Hint, LeasedRoom } from './work-list.ts';
import type { ScanRequest } from './rounds.ts';
import type { Span } from './span.ts';
import type { WaitsFor } from './waits.ts';
import type { News } from './work-item.ts';
import { isRefusedForGood, oneByOne } from './failing.ts';

/** A mapping whose event is to be read; `dueInMs` null: at once. */
export interface ObservedEvent {
  readonly id: number;
  /** Null: no edit, only a new version. */
  readonly news: Exclude<News, 'gone' | 'vacated'> | null;
  readonly dueInMs: number | null;
  readonly etag?: string | null;
}

/** An event without a mapping. */
export interface UnmappedRow {
  readonly eventId: string;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  readonly item: Item | null;
  /** Null: it need not be read. */
  readonly dueInMs: number | null;
  readonly waitsFor: WaitsFor | null;
  readonly hint: string | null;
  readonly outlookOrganizer?: string | null;
  readonly isOrganizer: boolean;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
}

export interface Observed {
  readonly mapped: readonly ObservedEvent[];
  readonly unmapped: readonly UnmappedRow[];
}

/** The result of a full scan. */
export interface FullScan extends Observed {
  /** See `bridge_attach`. */
  readonly attachments: readonly object[];
  readonly reportedAt: Date;
  readonly links: readonly string[] | null;
  readonly window: Span;
  /** Until the next poll; null: this room is not polled. */
  readonly pollMs: number | null;
  /** The last request for a full scan when this one began; see `scanRequestOf`. */
  readonly request: ScanRequest;
}

/** The result of verifying an event that was reported as removed. */
export interface Verified {
  readonly id: number;
  readonly revision: number;
  readonly news: 'look' | 'vacated' | 'gone';
  /** Gone because the pattern of its series no longer has its date. */
  readonly offPattern?: boolean;
}

/**
 * Stores one page of a delta round and the link of the next page or round, in one transaction. If PostgreSQL refuses a row for
 * good, the rows are stored one by one before. Returns the refusals of rows that could not be stored by their id either.
 */
export async function storePage(
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  observed: Observed,
  links: readonly string[],
): Promise<readonly Error[]> {
  const store = (seen: Observed) =>
    callFunction(
      db,
      'bridge_pulled',
      room.id,
      room.epoch,
      reportedAt,
      JSON.stringify(seen.mapped),
      JSON.stringify(seen.unmapped),
      links,
    );
  return await storeObserved(db, room, reportedAt, observed, store);
}

/** A hint that was read. `againMs` null: it is answered; else it is read again then. */
export interface ReadHint {
  readonly hint: Hint;
  readonly againMs: number | null;
}

/** Stores hinted events and deletes the answered hints, in one transaction. Returns the refusals; see `storePage`. */
export async function storeHinted(
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  observed: Observed,
  done: readonly ReadHint[],
): Promise<readonly Error[]> {
  const hints = JSON.stringify(
    done.map(({ hint: { eventId, hintedAt }, againMs }) => ({ eventId, hintedAt, againMs })),
  );
  const store = ({ mapped, unmapped }: Observed) =>
    callFunction(
      db,
      'bridge_hinted',
      room.id,
      room.epoch,
      reportedAt,
      JSON.stringify(mapped),
      JSON.stringify(unmapped),
      hints,
    );
  return await storeObserved(db, room, reportedAt, observed, store);
}

/** Rows of a calendar: their ids and versions, and the ids of removed ones. */
interface Shown {
  readonly rows: readonly Pick<DeltaRow, 'id' | 'event'>[];
  readonly removed: readonly string[];
}

/** Deletes the hints that a stored page answers. */
export async function answerHints(db: Queryable, room: LeasedRoom, { rows, removed }: Shown): Promise<void> {
  if (rows.length + removed.length === 0) return;
  await callFunction(
    db,
    'bridge_answer_hints',
    room.id,
    JSON.stringify(rows.map(({ id, event }) => ({ id, etag: event?.etag ?? null }))),
    removed,
  );
}

/** Stores all at once; if PostgreSQL refuses a row for good, one by one, and then the rest. */
const storeObserved = (
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  observed: Observed,
  store: (observed: Observed) => Promise<unknown>,
): Promise<readonly Error[]> =>
  allOrEach(
    () => store(observed),
    async () => {
      const refused = await noteEach(db, room, reportedAt, observed);
      await store({ mapped: [], unmapped: [] });
      return refused;
    },
  );

/** Runs `all`; if PostgreSQL refuses a row for good, `each` instead. Returns the refusals. */
async function allOrEach(
  all: () => Promise<unknown>,
  each: () => Promise<readonly Error[]>,
): Promise<readonly Error[]> {
  try {
    await all();
    return [];
  } catch (error) {
    if (!isRefusedForGood(error)) throw error;
    return await each();
  }
}

/** Stores observed events one by one. One whose content is refused is stored by its id alone, to be read. Returns those refused again. */
async function noteEach(
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  { mapped, unmapped }: Observed,
): Promise<Error[]> {
  const note = (seen: Partial<Observed>) =>
    callFunction(
      db,
      'bridge_notice',
      room.id,
      room.epoch,
      reportedAt,
      JSON.stringify(seen.mapped ?? []),
      JSON.stringify(seen.unmapped ?? []),
    );
  const odd = await oneByOne(mapped, (one) => note({ mapped: [one] }));
  const oddUnmapped = await oneByOne(unmapped, (one) => note({ unmapped: [one] }));
  const refused = [
    ...(await oneByOne(odd, ({ item: { id } }) => note({ mapped: [{ id, news: 'look', dueInMs: null }] }))),
    ...(await oneByOne(oddUnmapped, ({ item }) => note({ unmapped: [unreadRow(item.eventId)] }))),
  ];
  return refused.map(({ error }) => error);
}

/** An event by its id alone, to be read. */
export const unreadRow = (eventId: string): UnmappedRow => ({
  eventId,
  startsAt: null,
  endsAt: null,
  item: null,
  dueInMs: 0,
  waitsFor: null,
  hint: null,
  isOrganizer: true,
  iCalUId: null,
  originalStart: null,
  seriesMasterId: null,
});

/**
 * Stores the result of a full scan. Returns the refusals (see `storePage`), and whether it was the last one to be requested: after a
 * later request another one is due.
 */
export async function storeFullScan(
  db: Queryable,
  room: LeasedRoom,
  found: FullScan,
): Promise<{ readonly refused: readonly Error[]; readonly isLast: boolean }> {
  let isLast = false;
  const finish = async ({
    attachments,
    mapped,
    unmapped,
  }: Pick<FullScan, 'attachments' | 'mapped' | 'unmapped'>) => {
    isLast = await callFunction<boolean>(
      db,
      'bridge_baselined',
      room.id,
      room.epoch,
      JSON.stringify(attachments),
      found.reportedAt,
      JSON.stringify(mapped),
      JSON.stringify(unmapped),
      found.links,
      found.window.from,
      found.window.to,
      found.pollMs,
      found.request,
    );
  };
  const refused = await allOrEach(
    () => finish(found),
    async () => {
      const each = await noteEach(db, room, found.reportedAt, found);
      const nothing = { mapped: [], unmapped: [] };
      const alone = await oneByOne(found.attachments, (one) => finish({ ...nothing, attachments: [one] }));
      if (alone.length === found.attachments.length) await finish({ ...nothing, attachments: [] });
      return [...each, ...alone.map((one) => one.error)];
    },
  );
  return { refused, isLast };
}

/** Stores the results of verification. Returns the refusals. */
export async function storeVerified(
  db: Queryable,
  room: LeasedRoom,
  found: readonly Verified[],
): Promise<readonly Error[]> {
  const store = (some: readonly Verified[]) =>
    callFunction(db, 'bridge_verified', room.id, room.epoch, JSON.stringify(some));
  return await allOrEach(
    () => store(found),
    async () => (await oneByOne(found, (one) => store([one]))).map(({ error }) => error),
  );
}
