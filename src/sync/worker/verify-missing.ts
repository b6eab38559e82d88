/** Events that were reported as removed are read, each by its id, before anything is decided about them. */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { Tell } from '../../facts.ts';
import { verify, type Sight } from '../apply/read.ts';
import { reunite } from '../match/reunite.ts';
import { createObserve } from '../pull/observe.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { storeHinted, storeVerified } from '../store/observed.ts';
import { listWindow, missingOf, type Missing } from '../store/pull-store.ts';
import { createPatternLosses } from './pattern-losses.ts';

/** Events verified at a time. */
const verifiedAtATime = 40;

export interface VerifyMissingOptions {
  readonly db: Queryable;
  readonly outlook: Sight['outlook'];
  readonly window: Window;
  readonly tell: Tell;
}

export function createVerifyMissing({ db, outlook, window, tell }: VerifyMissingOptions) {
  const observe = createObserve(db, outlook);

  /** Stores the events that verification met in the calendar, and that nobody knows yet. */
  async function meet(room: LeasedRoom, events: readonly OutlookEvent[], signal: AbortSignal) {
    const rows = events.map((event) => ({ ...event, event }));
    const { unmapped } = await observe(room, { rows, removed: [] }, await listWindow(db, window), signal);
    return await storeHinted(db, room, new Date(), { mapped: [], unmapped }, []);
  }

  /**
   * Reads each event that was reported as removed: the brake must see all that is gone, and what is there again under another
   * id is not gone. That other id may be told of only later (a notification of its own, a delta that lags), so the meeting is
   * looked for in the calendar that verification reads anyway.
   */
  return async function verifyMissing(room: LeasedRoom, signal: AbortSignal): Promise<void> {
    const explained = createPatternLosses(outlook, room, signal);
    for (;;) {
      const missing = await missingOf(db, room, verifiedAtATime);
      if (missing.length === 0) return await reunite(db, outlook, room, signal);
      signal.throwIfAborted();
      const again: OutlookEvent[] = [];
      const isAgain = sameMeeting(missing);
      const sight = {
        outlook,
        span: () => listWindow(db, window),
        listed: (page: readonly OutlookEvent[]) => again.push(...page.filter(isAgain)),
      };
      const found = await explained(missing, await verify(missing, room, sight, signal));
      const refused = again.length === 0 ? [] : [...(await meet(room, again, signal))];
      refused.push(...(await storeVerified(db, room, found)));
      for (const error of refused) tell({ fact: 'bug', error, where: `verifying events of ${room.name}` });
      if (refused.length > 0) return;
    }
  };
}

/** Of a series the instances share the id in some mailboxes; those are found by the series. */
function sameMeeting(missing: readonly Missing[]): (event: OutlookEvent) => boolean {
  const ids = new Set(missing.map(({ eventId }) => eventId));
  const meetings = new Set(missing.flatMap(({ iCalUId }) => iCalUId ?? []));
  meetings.delete('');
  return (event) => event.seriesMasterId === null && meetings.has(event.iCalUId) && !ids.has(event.id);
}
