/** Settlements of decisions that send nothing: both sides are as they should be, or a person decides. */
import { isGivenBack, occupying } from '../../../event.ts';
import type { Item } from '../../../item.ts';
import { never } from '../../store/agreement.ts';
import { goneAlready, type Settlement } from '../../store/settle.ts';
import { awaitingHint, unreadableEventHint, waitFields } from '../../store/waits.ts';
import { agreedNow, eventOf, isAwaiting, shownOf, type Decision } from '../decision.ts';
import { asked, openFields } from './conflict.ts';
import { keep, nothingOpen } from './keep.ts';

export function withoutCall(decision: Decision): Settlement {
  const { action } = decision;
  if (action.do === 'wait')
    return {
      ...synced(decision),
      action: 'waiting',
      reason: 'its cover is not in Outlook yet',
      // a removal without an answer may be carried out later
      intent: decision.mapped.intent,
    };
  if (action.do === 'change') return openFields(decision);
  if (action.do === 'ask') return asked(decision, action.about);
  if (action.do === 'leave-event') return leaveEvent(decision);
  if (action.do !== 'settle') return synced(decision);
  switch (action.as) {
    case 'synced':
      return synced(decision);
    case 'cancelled':
      return cancelled(decision);
    case 'shadowed':
      return shadowed(decision);
    case 'forget':
      return keep(decision, 'forgotten', {
        ...nothingOpen,
        status: 'forget',
        ...(isLost(decision) ? { eventId: null, generation: decision.mapped.generation + 1 } : {}),
        agreement: certainAgreement(decision),
      });
  }
}

function synced(decision: Decision): Settlement {
  const { mapped, adopted } = decision;
  return keep(decision, adopted === null || adopted.id === mapped.eventId ? 'unchanged' : 'adopted', {
    ...nothingOpen,
    status: 'synced',
    outlookBase: shownOf(decision),
    // a state that the room does not follow is neither agreed on nor stored as seen: its direction may change
    ...(decision.followsBooking
      ? { agreement: agreedNow(mapped) }
      : isAwaiting(mapped)
        ? { hint: awaitingHint }
        : { bookingSeen: null }),
    ...undecidedOrUnreadable(decision),
  });
}

/** Both sides stay as they are while Outlook shows nothing that can be followed. */
function undecidedOrUnreadable({ seen }: Decision): Partial<Settlement> {
  if (seen === null || seen === 'absent') return {};
  const { shows } = seen;
  if (shows.is === 'undecided')
    return { status: 'pending', ...waitFields('answer'), outlookSeen: shows.item };
  return shows.is === 'unreadable' ? { status: 'error', error: shows.why, hint: unreadableEventHint } : {};
}

function cancelled(decision: Decision): Settlement {
  const { mapped } = decision;
  const was = mapped.status === 'cancelled';
  return keep(decision, was || mapped.eventId === null ? 'unchanged' : 'deleted', {
    ...nothingOpen,
    status: 'cancelled',
    ...(was && mapped.intent === 'keep' ? { intent: 'keep' } : { outlookBase: null }),
    agreement: certainAgreement(decision),
    generation: was ? mapped.generation : mapped.generation + 1,
    reason: was ? null : goneAlready,
    ...broughtBack(decision),
  });
}

/** The event of a cancelled reservation was brought back in Outlook: it becomes an unmapped event. */
function broughtBack({ mapped, seen }: Decision): Partial<Settlement> {
  if (mapped.status !== 'cancelled' || mapped.intent === 'keep' || seen === null || seen === 'absent')
    return {};
  const item = occupying(seen.shows);
  if (item === null) return {};
  return {
    eventId: null,
    counterpart: {
      eventId: seen.id,
      status: 'imported',
      news: 'look',
      resolution: null,
      item,
      isOrganizer: seen.isOrganizer,
      conflict: null,
    },
    reason: 'its event was brought back and begins anew',
  };
}

function shadowed(decision: Decision): Settlement {
  const { mapped } = decision;
  const was = mapped.status === 'shadowed';
  return keep(decision, was ? 'unchanged' : 'shadowed', {
    ...nothingOpen,
    status: 'shadowed',
    // the id that a cancelled mapping keeps is of a deleted event, which must not be taken for an existing one
    eventId: null,
    agreement: certainAgreement(decision),
    generation: isLost(decision) ? mapped.generation + 1 : mapped.generation,
    reason: was ? null : 'items of higher priority take its whole time',
  });
}

/** Outlook was read, so nothing of the agreement is uncertain. */
const certainAgreement = ({ mapped: { agreement } }: Decision) =>
  agreement.is === 'agreed' ? agreement : never;

const isLost = ({ seen, mapped }: Decision) =>
  seen === 'absent' ||
  (seen !== null && isGivenBack(seen.shows)) ||
  mapped.news === 'gone' ||
  mapped.news === 'vacated';

/** The mapping gives its event up, which becomes an unmapped event (`counterpart`). */
const withoutItsEvent = ({ mapped }: Decision) => ({
  ...nothingOpen,
  eventId: null,
  agreement: never,
  outlookBase: null,
  generation: mapped.generation + 1,
});

/** Outlook refuses to delete the event of a cancelled reservation, and a person chose to keep it: it is imported. */
const leaveEvent = (decision: Decision): Settlement =>
  keep(decision, 'waiting', {
    ...withoutItsEvent(decision),
    status: 'cancelled',
    counterpart: {
      eventId: eventOf(decision)!,
      status: 'imported',
      news: 'look',
      resolution: 'outlook',
      item: shownOf(decision),
      isOrganizer: decision.mapped.isOrganizer,
      conflict: null,
    },
    reason: 'its event stays in Outlook and begins anew',
  });

/** An event whose reservation gets another one. */
const formerEvent = ({ mapped }: Decision, shown: Item | null) =>
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

/**
 * The booking system moved the reservation away from another organiser's meeting: the meeting waits for a person, and the
 * reservation gets an event of our own.
 */
export function detached(decision: Decision): Settlement {
  // a person has chosen already: the meeting is declined
  const isChosen = decision.mapped.resolution === 'booking';
  return keep(decision, 'waiting', {
    ...withoutItsEvent(decision),
    isOrganizer: true,
    iCalUId: '',
    originalStart: null,
    dueInMs: 0,
    counterpart: {
      ...formerEvent(decision, shownOf(decision)),
      eventId: eventOf(decision)!,
      news: isChosen ? 'look' : null,
      resolution: isChosen ? 'booking' : null,
      isOrganizer: false,
    },
    reason: 'the meeting belongs to its organiser; an event of our own shows the new time',
  });
}

/** The event that was replaced by a new one: deleted once the new one exists. */
export const replaced = (decision: Decision): Partial<Settlement> =>
  decision.mapped.conflict?.replace === true && decision.mapped.eventId !== null
    ? {
        counterpart: {
          ...formerEvent(decision, shownOf(decision)),
          eventId: decision.mapped.eventId,
          isOrganizer: decision.mapped.isOrganizer,
          news: 'look',
          resolution: 'booking',
        },
      }
    : {};
