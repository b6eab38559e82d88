/** What is written down of a decision that sends nothing: both sides are as they should be, or a person is waited for. */
import { isGivenBack, occupying } from '../../../event.ts';
import type { Item } from '../../../item.ts';
import { never } from '../../store/agreement.ts';
import type { Settlement } from '../../store/settle.ts';
import { unreadableHint, waitHints } from '../../store/work-item.ts';
import { agreedNow, eventOf, isAwaiting, shownOf, type Decision } from '../decision.ts';
import { asked, openFields } from './conflict.ts';
import { keep } from './keep.ts';

export function withoutCall(decision: Decision): Settlement {
  const { action } = decision;
  if (action.do === 'wait')
    return { ...settled(decision, 'synced'), action: 'waiting', reason: 'its cover is not in Outlook yet' };
  if (action.do === 'change') return openFields(decision);
  if (action.do === 'ask') return asked(decision, action.about);
  if (action.do === 'leave-event') return leaveEvent(decision);
  return settled(decision, action.do === 'settle' ? action.as : 'synced');
}

function settled(decision: Decision, as: 'synced' | 'cancelled' | 'shadowed' | 'forget'): Settlement {
  const { mapped } = decision;
  const lost = isLost(decision) || mapped.news === 'gone' || mapped.news === 'vacated';
  const common = { status: as, news: null, intent: null, waitsFor: null, outlookSeen: null };
  switch (as) {
    case 'synced':
      return keep(
        decision,
        decision.adopted === null || decision.adopted.id === mapped.eventId ? 'unchanged' : 'adopted',
        {
          ...common,
          outlookBase: shownOf(decision),
          // what the room does not follow is not agreed on, nor seen, should its direction ever change
          ...(decision.followsBooking
            ? { agreement: agreedNow(mapped) }
            : isAwaiting(mapped)
              ? { hint: awaitingHint }
              : { bookingSeen: null }),
          ...notUnderstood(decision),
        },
      );
    case 'cancelled': {
      const was = mapped.status === 'cancelled';
      return keep(decision, was || mapped.eventId === null ? 'unchanged' : 'deleted', {
        ...common,
        ...(was && mapped.intent === 'keep' ? { intent: 'keep' } : { outlookBase: null }),
        agreement: sureOf(decision),
        generation: was ? mapped.generation : mapped.generation + 1,
        reason: was ? null : 'its event was gone already',
        ...reborn(decision),
      });
    }
    case 'shadowed':
      return keep(decision, mapped.status === 'shadowed' ? 'unchanged' : 'shadowed', {
        ...common,
        // the id a cancelled mapping keeps is of an event that is gone: nothing may take it for alive
        eventId: null,
        agreement: sureOf(decision),
        generation: lost ? mapped.generation + 1 : mapped.generation,
        reason: mapped.status === 'shadowed' ? null : 'items of higher priority take its whole time',
      });
    case 'forget':
      return keep(decision, 'forgotten', {
        ...common,
        ...(lost ? { eventId: null, generation: mapped.generation + 1 } : {}),
        agreement: sureOf(decision),
      });
  }
}

/** Both sides stay as they are while Outlook shows nothing that could be followed. */
function notUnderstood({ seen }: Decision): Partial<Settlement> {
  if (seen === null || seen === 'absent') return {};
  const { shows } = seen;
  if (shows.is === 'undecided')
    return { status: 'pending', waitsFor: 'answer', hint: waitHints.answer, outlookSeen: shows.item };
  return shows.is === 'unreadable' ? { status: 'error', error: shows.why, hint: unreadableHint } : {};
}

/** Outlook was read, so no doubt is left. */
const sureOf = ({ mapped: { agreement } }: Decision) => (agreement.is === 'agreed' ? agreement : never);

/** The event of a cancelled reservation that somebody brought back in Outlook begins anew. */
function reborn({ mapped, seen }: Decision): Partial<Settlement> {
  const back =
    mapped.status === 'cancelled' && mapped.intent !== 'keep' && seen !== null && seen !== 'absent';
  const item = back ? occupying(seen.shows) : null;
  if (!back || item === null) return {};
  const { isOrganizer } = seen;
  return {
    eventId: null,
    counterpart: {
      eventId: seen.id,
      status: 'imported',
      news: 'look',
      resolution: null,
      item,
      isOrganizer,
      conflict: null,
    },
    reason: 'its event was brought back and begins anew',
  };
}

const awaitingHint =
  'It waits for approval in the booking system: until then its meeting is neither declined nor written.';

/** Outlook does not let go of the event of a cancelled reservation, and a person chose to keep it: it is imported. */
function leaveEvent(decision: Decision): Settlement {
  const { mapped } = decision;
  return keep(decision, 'waiting', {
    status: 'cancelled',
    eventId: null,
    agreement: never,
    outlookBase: null,
    outlookSeen: null,
    news: null,
    intent: null,
    generation: mapped.generation + 1,
    counterpart: {
      eventId: eventOf(decision)!,
      status: 'imported',
      news: 'look',
      resolution: 'outlook',
      item: shownOf(decision),
      isOrganizer: mapped.isOrganizer,
      conflict: null,
    },
    reason: 'its event stays in Outlook and begins anew',
  });
}

/** An event whose reservation shows another one now. */
const movedAway = ({ mapped }: Decision, shown: Item | null) =>
  ({
    status: 'conflict',
    item: shown,
    conflict: {
      kind: 'moved',
      mapping: mapped.id,
      reservation: mapped.reservation,
      fields: ['startsAt', 'endsAt'],
      outlook: shown,
    },
  }) as const;

/** Somebody else's meeting that the booking system moved away from: it waits for a person, and we show our own. */
export function detached(decision: Decision): Settlement {
  const { mapped } = decision;
  const shown = shownOf(decision);
  return keep(decision, 'waiting', {
    eventId: null,
    isOrganizer: true,
    iCalUId: '',
    originalStart: null,
    agreement: never,
    outlookBase: null,
    outlookSeen: null,
    news: null,
    intent: null,
    generation: mapped.generation + 1,
    dueInMs: 0,
    counterpart: {
      ...movedAway(decision, shown),
      eventId: eventOf(decision)!,
      // a person has chosen already: the meeting is declined
      news: mapped.resolution === 'booking' ? 'look' : null,
      resolution: mapped.resolution === 'booking' ? 'booking' : null,
      isOrganizer: false,
    },
    reason: 'the meeting belongs to its organiser; an event of our own shows the new time',
  });
}
/** The event that a new one has taken the place of: it is deleted once the new one is there. */
export const replaced = (decision: Decision): Partial<Settlement> =>
  decision.mapped.conflict?.replace === true && decision.mapped.eventId !== null
    ? {
        counterpart: {
          ...movedAway(decision, shownOf(decision)),
          eventId: decision.mapped.eventId,
          isOrganizer: decision.mapped.isOrganizer,
          news: 'look',
          resolution: 'booking',
        },
      }
    : {};

const isLost = ({ seen }: Pick<Decision, 'seen'>) =>
  seen === 'absent' || (seen !== null && isGivenBack(seen.shows));
