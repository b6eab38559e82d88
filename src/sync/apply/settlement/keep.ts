/** What is written down of a work item: it stays as it was, unless said otherwise. */
import { invitedBy, type OutlookEvent } from '../../../event.ts';
import type { Settlement } from '../../store/settle.ts';
import { never } from '../../store/agreement.ts';
import type { Unmapped } from '../../store/work-item.ts';
import { bookedOf, eventOf, type Decision } from '../decision.ts';

/** What is known of an event from reading it. */
export const factsOf = (
  event: OutlookEvent,
): Pick<
  Settlement,
  | 'isOrganizer'
  | 'iCalUId'
  | 'originalStart'
  | 'seriesMasterId'
  | 'outlookOrganizer'
  | 'etag'
  | 'outlookChangedAt'
> => ({
  isOrganizer: event.isOrganizer,
  iCalUId: event.iCalUId,
  originalStart: event.originalStart,
  seriesMasterId: event.seriesMasterId,
  outlookOrganizer: invitedBy(event),
  etag: event.etag,
  outlookChangedAt: event.lastModifiedAt,
});

const nothingSaid = {
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

/** ... of a mapping. */
export function keep(
  decision: Omit<Decision, 'wanted' | 'followsBooking'>,
  action: Settlement['action'],
  change: Partial<Settlement>,
): Settlement {
  const { mapped, adopted, seen } = decision;
  const event = adopted ?? seen;
  return {
    ...nothingSaid,
    id: mapped.id,
    revision: mapped.revision,
    status: 'pending',
    // the id that a cancelled mapping keeps is of no more use once it gets a fresh event
    // (nor does a replacement lose the event that it takes the place of)
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
    // of what cannot be understood nothing else is believed
    ...(event === null || event === 'absent' || event.shows.is === 'unreadable' ? {} : factsOf(event)),
    ...change,
  };
}

/** ... of an event without a reservation. */
export const keepUnmapped = (
  unmapped: Unmapped,
  action: Settlement['action'],
  change: Partial<Settlement>,
): Settlement => ({
  ...nothingSaid,
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
  ...change,
});

/** Still open, and the choice of a person still to be carried out. */
export const stillOpen = ({ conflict }: Decision['mapped']): Partial<Settlement> =>
  conflict === null ? {} : { status: 'conflict', conflict };
