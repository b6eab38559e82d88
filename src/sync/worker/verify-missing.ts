/** Events reported as removed are read, each by its id, before the decision about them. */
import { unlessItemFails } from '../../errors.ts';
import type { OutlookEvent, SeriesPattern } from '../../event.ts';
import { verify } from '../apply/read.ts';
import { reunite } from '../match/reunite.ts';
import { reportRefused } from '../pull/refused-rows.ts';
import { observe, type PullContext } from '../pull/observe.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { storeHinted, storeVerified } from '../store/observed.ts';
import { missingOf, type Missing } from '../store/mappings.ts';
import type { Verified } from '../store/observed.ts';
import { listWindow } from '../store/span.ts';

/** Maximum number of events verified at a time. */
const verifiedAtATime = 40;
/** With fewer lost dates the pattern of a series is not read: a single removal counts as one in any case. */
const datesLeast = 2;

/**
 * Verifies all before any is applied: the brake must count them all, and an event that exists under another id is not removed. That
 * id may be reported later, so the meeting is also searched in the listing that the verification reads.
 */
export async function verifyMissing(
  context: PullContext,
  room: LeasedRoom,
  signal: AbortSignal,
): Promise<void> {
  const { db, outlook, window, tell } = context;
  const patterns = createPatternReader(context, room, signal);
  const span = () => listWindow(db, window);
  for (;;) {
    const missing = await missingOf(db, room, verifiedAtATime);
    if (missing.length === 0) return await reunite(db, outlook, room, span, signal);
    signal.throwIfAborted();
    const listed: OutlookEvent[] = [];
    const isSame = sameMeeting(missing);
    const reads = {
      room,
      outlook,
      span,
      listed: (page: readonly OutlookEvent[]) => listed.push(...page.filter(isSame)),
    };
    const found = await markOffPattern(missing, await verify(missing, reads, signal), patterns);
    const where = `verifying events of ${room.name}`;
    const notStored = listed.length === 0 ? [] : await storeListed(context, room, listed, signal);
    await reportRefused(context, room, notStored, where, 'other');
    // their mappings stay missing and are verified again
    const notVerified = await storeVerified(db, room, found);
    for (const error of notVerified) tell({ fact: 'bug', error, where });
    if (notStored.length + notVerified.length > 0) return;
  }
}

/** Stores events without a mapping that the verification found. */
async function storeListed(
  context: PullContext,
  room: LeasedRoom,
  events: readonly OutlookEvent[],
  signal: AbortSignal,
): Promise<readonly Error[]> {
  const { db, window } = context;
  const rows = events.map((event) => ({ ...event, event }));
  const { unmapped } = await observe(
    context,
    room,
    { rows, removed: [] },
    await listWindow(db, window),
    signal,
  );
  return await storeHinted(db, room, new Date(), { mapped: [], unmapped }, []);
}

/** In some mailboxes the instances of a series share its iCalUId; those are found by their series. */
function sameMeeting(missing: readonly Missing[]): (event: OutlookEvent) => boolean {
  const ids = new Set(missing.map(({ eventId }) => eventId));
  const meetings = new Set(missing.flatMap(({ iCalUId }) => iCalUId ?? []));
  meetings.delete('');
  // the master is listed if its recurrence was removed
  const masters = new Set(missing.map(({ seriesMasterId }) => seriesMasterId));
  return ({ id, iCalUId, seriesMasterId }) =>
    seriesMasterId === null && (meetings.has(iCalUId) || masters.has(id)) && !ids.has(id);
}

type PatternReader = ReturnType<typeof createPatternReader>;

/** Reads each pattern once. Null: it cannot be read. */
function createPatternReader({ outlook }: PullContext, room: LeasedRoom, signal: AbortSignal) {
  const patterns = new Map<string, SeriesPattern | null>();
  return {
    isKnown: (master: string) => patterns.has(master),
    async read(master: string): Promise<SeriesPattern | null> {
      if (!patterns.has(master))
        patterns.set(master, await unlessItemFails(() => outlook.pattern(room, master, signal), null));
      return patterns.get(master)!;
    },
  };
}

/**
 * Marks events that are gone because the pattern of their series no longer has their dates: a change of a series (an earlier end, a
 * later start, every second week) is one removal, however many dates it loses. Dates deleted one by one are still in the pattern.
 */
async function markOffPattern(
  missing: readonly Missing[],
  found: readonly Verified[],
  patterns: PatternReader,
): Promise<Verified[]> {
  const gone = new Set(found.flatMap(({ id, news }) => (news === 'gone' ? [id] : [])));
  const lost = missing.filter(({ id, slot }) => gone.has(id) && slot !== null);
  const off = new Set<number>();
  for (const [master, dates] of Map.groupBy(lost, ({ seriesMasterId }) => seriesMasterId)) {
    if (master === null || (dates.length < datesLeast && !patterns.isKnown(master))) continue;
    const without = (await patterns.read(master))?.without(dates.map(({ slot }) => slot!));
    for (const { id, slot } of dates) if (without?.has(slot!) === true) off.add(id);
  }
  return found.map((one) => (off.has(one.id) ? { ...one, offPattern: true } : one));
}
