/** The mapping of an unmapped event among those that may have it (see `match`). */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import { ownCreateOf } from '../match/idempotency-key.ts';
import type { Candidates } from '../match/candidates.ts';
import { match, meetingKey, type Match } from '../match/match.ts';
import { openMappingOf, type UnmatchedEvent } from '../match/open-mapping.ts';
import { storeVerified } from '../store/observed.ts';
import type { StoredMapping } from '../store/mappings.ts';
import { listWindow } from '../store/span.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { verify, type ReadContext } from './read.ts';

/** What the work on unmapped events needs. */
export interface UnmappedContext {
  readonly db: Queryable;
  readonly outlook: ReadContext['outlook'];
  readonly window: Window;
}

export interface FoundMapping {
  readonly found: Match<OutlookEvent> | null;
  /** A mapping has another event of the same meeting, which is in the room. */
  readonly hasTwin: boolean;
}

/** Reads another event of the same meeting first, if a mapping has one: it may be gone. Throws as the calls do. */
export async function findMapping(
  { db, outlook, window }: UnmappedContext,
  room: LeasedRoom,
  event: OutlookEvent & Pick<UnmatchedEvent, 'remembered'>,
  mappings: Candidates['mappings'],
  signal: AbortSignal,
): Promise<FoundMapping> {
  const matchIn = (those: readonly StoredMapping[]) => {
    const open = those.map((one) => openMappingOf(one, outlook.show)).filter((one) => one !== null);
    return match(open, [event])[0] ?? null;
  };
  const twin = twinOf(event, mappings);
  if (twin === undefined) return { found: matchIn(mappings), hasTwin: false };
  const missing = { id: twin.id, revision: twin.revision, eventId: twin.eventId! };
  const read = await verify([missing], { room, outlook, span: () => listWindow(db, window) }, signal);
  if (read[0]!.news !== 'gone') return { found: matchIn(mappings), hasTwin: true };
  await storeVerified(db, room, read);
  return {
    found: matchIn(mappings.map((one) => (one === twin ? { ...one, news: 'gone' } : one))),
    hasTwin: false,
  };
}

function twinOf(event: OutlookEvent, mappings: Candidates['mappings']): StoredMapping | undefined {
  const meeting = meetingKey(event);
  return mappings.find(
    (one) =>
      one.eventId !== null &&
      one.news !== 'gone' &&
      one.news !== 'vacated' &&
      one.status !== 'cancelled' &&
      meeting !== null &&
      meetingKey(one) === meeting,
  );
}

/** The generation of the unrecorded create that made it, for the reservation that its properties name; null: none. */
export function unrecordedCreateOf(
  { resourceId }: LeasedRoom,
  event: OutlookEvent,
  { mapping, logged }: Candidates['properties'],
  installationId: string,
): number | null {
  if (event.properties === null || mapping === null || mapping.lost || logged) return null;
  const { creates: generations, since } = mapping;
  return ownCreateOf(
    event,
    { reservation: event.properties, resourceId, generations, since },
    installationId,
  );
}
