/** What was observed in Outlook is written down: many events at once, and one by one where PostgreSQL refuses one of them. */
import type { Queryable } from '../../database.ts';
import type { Hint, LeasedRoom } from './work-list.ts';
import { isRefusedForGood, oneByOne } from './failing.ts';
import type { Baselined, Observed, UnmappedRow, Verified } from './pull-store.ts';

/**
 * Writes down one page of changes and where the next page or round begins, in one transaction. Where PostgreSQL refuses a row
 * for good, the rows are written down one by one before. Returns what it refuses even so.
 */
export async function storePage(
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  observed: Observed,
  links: readonly string[],
): Promise<readonly Error[]> {
  const store = (seen: Observed) =>
    db.query({
      name: 'store_page',
      text: 'SELECT bridge_pulled($1, $2, $3, $4, $5, $6)',
      values: [
        room.id,
        room.epoch,
        reportedAt,
        JSON.stringify(seen.mapped),
        JSON.stringify(seen.unmapped),
        links,
      ],
    });
  return await storeObserved(db, room, reportedAt, observed, store);
}

/** Stores what hinted events showed and forgets those hints, in one transaction. Returns what is refused; see `storePage`. */
export async function storeHinted(
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  observed: Observed,
  done: readonly Hint[],
): Promise<readonly Error[]> {
  const hints = JSON.stringify(done.map(({ eventId, hintedAt }) => ({ eventId, hintedAt })));
  const store = ({ mapped, unmapped }: Observed) =>
    db.query({
      name: 'store_hinted',
      text: 'SELECT bridge_hinted($1, $2, $3, $4, $5, $6)',
      values: [room.id, room.epoch, reportedAt, JSON.stringify(mapped), JSON.stringify(unmapped), hints],
    });
  return await storeObserved(db, room, reportedAt, observed, store);
}

/** Stores all at once; where PostgreSQL refuses a row for good, one by one, and then what belongs to none of them. */
async function storeObserved(
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  observed: Observed,
  store: (observed: Observed) => Promise<unknown>,
): Promise<readonly Error[]> {
  try {
    await store(observed);
    return [];
  } catch (error) {
    if (!isRefusedForGood(error)) throw error;
    const refused = await noteEach(db, room, reportedAt, observed);
    await store({ mapped: [], unmapped: [] });
    return refused;
  }
}

/**
 * Notes what was observed event by event. What is refused as it was seen is to be read by its id, and its reader says
 * what is wrong with it. Returns what is refused even so.
 */
async function noteEach(
  db: Queryable,
  room: LeasedRoom,
  reportedAt: Date,
  { mapped, unmapped }: Observed,
): Promise<Error[]> {
  const note = (seen: Partial<Observed>) =>
    db.query({
      name: 'notice',
      text: 'SELECT bridge_notice($1, $2, $3, $4, $5)',
      values: [
        room.id,
        room.epoch,
        reportedAt,
        JSON.stringify(seen.mapped ?? []),
        JSON.stringify(seen.unmapped ?? []),
      ],
    });
  const odd = await oneByOne(mapped, (one) => note({ mapped: [one] }));
  const oddUnmapped = await oneByOne(unmapped, (one) => note({ unmapped: [one] }));
  const refused = [
    ...(await oneByOne(odd, ({ item: { id } }) => note({ mapped: [{ id, news: 'look', dueInMs: null }] }))),
    ...(await oneByOne(oddUnmapped, ({ item }) => note({ unmapped: [unreadRow(item.eventId)] }))),
  ];
  return refused.map(({ error }) => error);
}

/** An event of which nothing is known but its id: it is read by that. */
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

/** Notes that a room was compared with Outlook, and all that was found. Returns what PostgreSQL refuses of it; see `storePage`. */
export async function finishBaseline(
  db: Queryable,
  room: LeasedRoom,
  found: Baselined,
): Promise<readonly Error[]> {
  const finish = ({
    attachments,
    mapped,
    unmapped,
  }: Pick<Baselined, 'attachments' | 'mapped' | 'unmapped'>) =>
    db.query({
      name: 'finish_baseline',
      text: 'SELECT bridge_baselined($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
      values: [
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
      ],
    });
  try {
    await finish(found);
    return [];
  } catch (error) {
    if (!isRefusedForGood(error)) throw error;
    const refused = await noteEach(db, room, found.reportedAt, found);
    const nothing = { mapped: [], unmapped: [] };
    const alone = await oneByOne(found.attachments, (one) => finish({ ...nothing, attachments: [one] }));
    if (alone.length === found.attachments.length) await finish({ ...nothing, attachments: [] });
    return [...refused, ...alone.map((one) => one.error)];
  }
}

/** Writes down what verification found. Returns what PostgreSQL refuses of it for good. */
export async function storeVerified(
  db: Queryable,
  room: LeasedRoom,
  found: readonly Verified[],
): Promise<readonly Error[]> {
  const store = (some: readonly Verified[]) =>
    db.query({
      name: 'store_verified',
      text: 'SELECT bridge_verified($1, $2, $3)',
      values: [room.id, room.epoch, JSON.stringify(some)],
    });
  try {
    await store(found);
    return [];
  } catch (error) {
    if (!isRefusedForGood(error)) throw error;
    return (await oneByOne(found, (one) => store([one]))).map((refused) => refused.error);
  }
}
