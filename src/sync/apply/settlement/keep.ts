/** A settlement that leaves a work item as it was, except for `change`. */
import { identityOf, invitedBy, type OutlookEvent } from '../../../event.ts';
import type { Settlement } from '../../store/settle.ts';
import { never } from '../../store/agreement.ts';
import type { Unmapped } from '../../store/work-item.ts';
import { bookedOf, eventOf, type Decision } from '../decision.ts';

/** What the tables keep of an event that was read, except its item. */
export const readFields = (event: OutlookEvent) => ({
  ...identityOf(event),
  outlookOrganizer: invitedBy(event),
  etag: event.etag,
  outlookChangedAt: event.lastModifiedAt,
});

/** Everything that Outlook reported of the event is decided about, and nothing of ours is under way. */
export const nothingOpen = {
  news: null,
  intent: null,
  waitsFor: null,
  outlookSeen: null,
  keepsSent: false,
} as const;

const noOutcome = {
  error: null,
  hint: null,
  dueInMs: null,
  attempt: 0,
  reason: null,
  sinceAcceptedMs: null,
  callMs: null,
  requestId: null,
  conflict: null,
} as const;

export function keep(
  decision: Omit<Decision, 'wanted' | 'followsBooking'>,
  action: Settlement['action'],
  change: Partial<Settlement>,
): Settlement {
  const { mapped, adopted, seen } = decision;
  const event = adopted ?? seen;
  return {
    ...noOutcome,
    id: mapped.id,
    revision: mapped.revision,
    status: 'pending',
    // the id that a cancelled mapping keeps ends with its new event; a replacement keeps the id of the event that it replaces
    eventId: decision.action.do === 'create' && mapped.conflict?.replace !== true ? null : eventOf(decision),
    generation: mapped.generation,
    agreement: mapped.agreement,
    outlookBase: mapped.outlookBase,
    bookingSeen: bookedOf(mapped),
    outlookSeen: mapped.outlookSeen,
    action,
    news: mapped.news,
    intent: mapped.intent,
    waitsFor: mapped.waitsFor,
    keepsSent: true,
    // nothing of an unreadable event is stored
    ...(event === null || event === 'absent' || event.shows.is === 'unreadable' ? {} : readFields(event)),
    ...change,
  };
}

export const keepUnmapped = (
  unmapped: Unmapped,
  action: Settlement['action'],
  change: Partial<Settlement>,
): Settlement => ({
  ...noOutcome,
  id: unmapped.id,
  revision: unmapped.revision,
  status: 'pending',
  eventId: unmapped.eventId,
  generation: unmapped.generation,
  agreement: never,
  outlookBase: unmapped.outlookBase,
  bookingSeen: null,
  outlookSeen: unmapped.outlookSeen,
  action,
  news: unmapped.news,
  intent: null,
  waitsFor: unmapped.waitsFor,
  keepsSent: false,
  ...change,
});

/** An open conflict stays open, and a choice that was made about it is still to be carried out. */
export const keepConflict = ({ conflict }: Decision['mapped']): Partial<Settlement> =>
  conflict === null ? {} : { status: 'conflict', conflict };
