/** What is written down of steps that send nothing: both sides are as they should be, or a person is waited for. */
import { isGivenBack, occupying } from '../../event.ts';
import type { Item } from '../../item.ts';
import { unreadableHint, waitHints, type ConflictNote, type Settled } from '../store/mappings.ts';
import { agreedBut, eventOf, isAwaiting, isWhole, keep, marksOf, pick, shownOf, type Step } from './step.ts';

export function withoutCall(step: Step): Settled {
  const { action } = step;
  if (action.do === 'wait')
    return { ...settled(step, 'synced'), action: 'waiting', reason: 'its cover is not in Outlook yet' };
  if (action.do === 'change') return openFields(step);
  if (action.do === 'ask') return asked(step, action.about);
  if (action.do === 'leave-event') return leaveEvent(step);
  return settled(step, action.do === 'settle' ? action.as : 'synced');
}

function settled(step: Step, as: 'synced' | 'cancelled' | 'shadowed' | 'forget'): Settled {
  const { due } = step;
  const lost = isLost(step) || due.news === 'gone' || due.news === 'vacated';
  const common = { status: as, news: null, removing: false, waitsFor: null, outlookSeen: null };
  switch (as) {
    case 'synced':
      return keep(step, step.adopted === null || step.adopted.id === due.eventId ? 'unchanged' : 'adopted', {
        ...common,
        outlookBase: shownOf(step),
        // what the room does not follow is not agreed on, nor seen, should its direction ever change
        ...(step.followsBooking
          ? { bookingBase: due.booking ?? due.bookingBase }
          : isAwaiting(due)
            ? { hint: awaitingHint }
            : { bookingSeen: null }),
        ...notUnderstood(step),
      });
    case 'cancelled': {
      const was = due.status === 'cancelled';
      return keep(step, was || due.eventId === null ? 'unchanged' : 'deleted', {
        ...common,
        // only what a person refused keeps its content (`held.ts`)
        outlookBase: was ? due.outlookBase : null,
        bookingBase: sureOf(step),
        generation: was ? due.generation : due.generation + 1,
        reason: was ? null : 'its event was gone already',
        ...reborn(step),
      });
    }
    case 'shadowed':
      return keep(step, due.status === 'shadowed' ? 'unchanged' : 'shadowed', {
        ...common,
        // the id a cancelled mapping keeps is of an event that is gone: nothing may take it for alive
        eventId: null,
        bookingBase: sureOf(step),
        generation: lost ? due.generation + 1 : due.generation,
        reason: due.status === 'shadowed' ? null : 'items of higher priority take its whole time',
      });
    case 'forget':
      return keep(step, 'forgotten', {
        ...common,
        ...(lost ? { eventId: null, generation: due.generation + 1 } : {}),
        bookingBase: sureOf(step),
      });
  }
}

/** Both sides stay as they are while Outlook shows nothing that could be followed. */
function notUnderstood({ seen }: Step): Partial<Settled> {
  if (seen === null || seen === 'absent') return {};
  const { shows } = seen;
  if (shows.is === 'undecided')
    return { status: 'pending', waitsFor: 'answer', hint: waitHints.answer, outlookSeen: shows.item };
  return shows.is === 'unreadable' ? { status: 'error', error: shows.why, hint: unreadableHint } : {};
}

/** Outlook was looked at, so no doubt is left. */
const sureOf = ({ due }: Step) =>
  due.bookingBase !== null && isWhole(due.bookingBase) ? due.bookingBase : null;

/** The event of a cancelled reservation that somebody brought back in Outlook begins anew. */
function reborn({ due, seen }: Step): Partial<Settled> {
  const back = due.status === 'cancelled' && due.outlookBase === null && seen !== null && seen !== 'absent';
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

/** What a person reads who has to choose. */
export const choose = 'Choose what to keep: the dashboard, or POST /conflicts/{id}/resolve.';

/** Outlook does not let go of the event of a cancelled reservation, and a person chose to keep it: it is imported. */
function leaveEvent(step: Step): Settled {
  const { due } = step;
  return keep(step, 'waiting', {
    status: 'cancelled',
    eventId: null,
    bookingBase: null,
    outlookBase: null,
    outlookSeen: null,
    news: null,
    removing: false,
    generation: due.generation + 1,
    counterpart: {
      eventId: eventOf(step)!,
      status: 'imported',
      news: 'look',
      resolution: 'outlook',
      item: shownOf(step),
      isOrganizer: due.isOrganizer,
      conflict: null,
    },
    reason: 'its event stays in Outlook and begins anew',
  });
}

/** Outlook refuses for good to change or give up the event: a person decides. */
export function rejected(step: Step, message: string, hint: string | null): Settled {
  const { action, due } = step;
  const isReplacement = action.do === 'create';
  const fields = action.do === 'change' ? Object.keys(action.change) : [];
  const outlook = shownOf(step);
  const known = due.conflict?.kind === 'rejected' && due.error === message;
  return keep(step, known ? 'unchanged' : 'parked', {
    status: 'conflict',
    eventId: eventOf(step),
    news: 'look',
    outlookSeen: outlook,
    error: message,
    hint: hint ?? choose,
    conflict: {
      kind: 'rejected',
      fields: isReplacement ? (due.conflict?.fields ?? []) : fields,
      outlook,
    },
  });
}

/** A person keeps the booking, and Outlook refused it once more: the next round makes a new event instead. */
export const replaceNext = (step: Step, message: string): Settled =>
  keep(step, 'waiting', {
    status: 'conflict',
    conflict: { ...step.due.conflict!, replace: true },
    generation: step.due.generation + 1,
    error: message,
    dueInMs: 0,
    reason: 'Outlook refused the change once more: a new event takes its place',
  });

/** The event that a new one has taken the place of: it is deleted once the new one is there. */
export const replaced = (step: Step): Partial<Settled> =>
  step.due.conflict?.replace === true && step.due.eventId !== null
    ? {
        counterpart: {
          ...movedAway(step, shownOf(step)),
          eventId: step.due.eventId,
          isOrganizer: step.due.isOrganizer,
          news: 'look',
          resolution: 'booking',
        },
      }
    : {};

/** Still open, and the choice of a person still to be carried out. */
export const stillOpen = ({ conflict }: Step['due']): Partial<Settled> =>
  conflict === null ? {} : { status: 'conflict', conflict };

/** Both sides changed the same to different things: that much of a settled mapping. */
export const fieldsConflict = (open: readonly string[], outlook: Item | null) =>
  ({
    error: `Both sides changed ${open.join(', ')}.`,
    hint: choose,
    conflict: { kind: 'fields', fields: open, outlook },
  }) as const;

function openFields(step: Step): Settled {
  const { action, due } = step;
  if (action.do !== 'change') throw new Error('only a change has open fields');
  const shown = shownOf(step);
  const known = due.conflict?.kind === 'fields' && due.conflict.fields?.join() === action.open.join();
  return keep(step, known ? 'unchanged' : 'parked', {
    status: 'conflict',
    news: 'look',
    removing: false,
    outlookSeen: shown,
    // all but these fields is agreed on
    bookingBase: agreedBut(due, action.open),
    outlookBase:
      shown === null || due.outlookBase === null
        ? due.outlookBase
        : { ...shown, ...pick(due.outlookBase, action.open) },
    ...fieldsConflict(action.open, shown),
    // of what has ended nothing else is open
    ...(due.ended ? { error: 'It has ended, and somebody moved its event into the future.' } : {}),
  });
}

function asked(step: Step, about: 'deleted' | 'free'): Settled {
  const known = step.due.conflict?.kind === about;
  if (about === 'free')
    return keep(step, known ? 'unchanged' : 'parked', {
      status: 'conflict',
      news: 'look',
      outlookSeen: shownOf(step),
      error: 'Its meeting is shown as free in Outlook, which the booking system cannot store.',
      hint: choose,
      conflict: { kind: 'free', outlook: shownOf(step) },
    });
  return keep(step, known ? 'unchanged' : 'parked', {
    status: 'conflict',
    ...lostNews(step),
    error: 'Its event was deleted in Outlook while the booking system changed the reservation.',
    hint: choose,
    conflict: { kind: 'deleted', outlook: null },
  });
}

const isLost = ({ seen }: Pick<Step, 'seen'>) =>
  seen === 'absent' || (seen !== null && isGivenBack(seen.shows));

/** How the event was lost, to be remembered. */
export const lostNews = ({ seen, due }: Step): Pick<Settled, 'news'> => ({
  news: seen === 'absent' ? 'gone' : seen === null ? due.news : 'vacated',
});

/** Why such a removal waits, as the log says it. */
export const heldReason = 'held by the brake';

/** A removal that waits for a person, because so much else is gone, too. */
export function holdBack(step: Step): Settled {
  const cancels = step.action.do === 'cancel-booking';
  const conflict: ConflictNote = { kind: 'gone', outlook: null };
  return keep(step, 'parked', {
    status: 'conflict',
    ...(cancels ? { ...lostNews(step), conflict } : {}),
    error: cancels
      ? 'Its event is gone from Outlook, and so are many others: the reservation is kept until a person has looked.'
      : 'The rows of this reservation are gone, and so are many others: its event is kept until a person has looked.',
    hint: 'Release or refuse the room: POST /rooms/{resource}/brake/release or …/refuse.',
    reason: heldReason,
  });
}

/** An event whose reservation shows another one now. */
const movedAway = ({ due }: Step, shown: Item | null) =>
  ({
    status: 'conflict',
    item: shown,
    conflict: {
      kind: 'moved',
      mapping: due.id,
      reservation: marksOf(due),
      fields: ['startsAt', 'endsAt'],
      outlook: shown,
    },
  }) as const;

/** Somebody else's meeting that the booking system moved away from: it waits for a person, and we show our own. */
export function detach(step: Step): Settled {
  const { due } = step;
  const shown = shownOf(step);
  return keep(step, 'waiting', {
    eventId: null,
    isOrganizer: true,
    iCalUId: '',
    originalStart: null,
    bookingBase: null,
    outlookBase: null,
    outlookSeen: null,
    news: null,
    removing: false,
    generation: due.generation + 1,
    dueInMs: 0,
    counterpart: {
      ...movedAway(step, shown),
      eventId: eventOf(step)!,
      // a person has chosen already: the meeting is declined
      news: due.resolution === 'booking' ? 'look' : null,
      resolution: due.resolution === 'booking' ? 'booking' : null,
      isOrganizer: false,
    },
    reason: 'the meeting belongs to its organiser; an event of our own shows the new time',
  });
}
