/** What is written down of a decision that a person has to take. */
import { changedFields, fieldsInWords, type Item } from '../../../item.ts';
import type { Settlement } from '../../store/settle.ts';
import type { ConflictNote } from '../../store/work-item.ts';
import { agreedBut, eventOf, pick, shownOf, type Decision } from '../decision.ts';
import { keep } from './keep.ts';

/** What a person reads who has to choose. */
export const choose = 'Choose what to keep: the dashboard, or POST /conflicts/{id}/resolve.';

/** Outlook refuses for good to change or give up the event: a person decides. */
export function rejected(decision: Decision, message: string, hint: string | null): Settlement {
  const { action, mapped } = decision;
  const isReplacement = action.do === 'create';
  const fields = action.do === 'change' ? Object.keys(action.change) : [];
  const outlook = shownOf(decision);
  const isSame = mapped.conflict?.kind === 'rejected' && mapped.error === message;
  return keep(decision, isSame ? 'unchanged' : 'parked', {
    status: 'conflict',
    eventId: eventOf(decision),
    news: 'look',
    outlookSeen: outlook,
    error: message,
    hint: hint ?? choose,
    conflict: {
      kind: 'rejected',
      fields: isReplacement ? (mapped.conflict?.fields ?? []) : fields,
      outlook,
    },
  });
}

/** A person keeps the booking, and Outlook refused it once more: the next round makes a new event instead. */
export const replaceNext = (decision: Decision, message: string): Settlement =>
  keep(decision, 'waiting', {
    status: 'conflict',
    conflict: { ...decision.mapped.conflict!, replace: true },
    generation: decision.mapped.generation + 1,
    error: message,
    dueInMs: 0,
    reason: 'Outlook refused the change once more: a new event takes its place',
  });

/** Both sides changed the same to different things: that much of a settled mapping. */
export const fieldsConflict = (open: readonly string[], outlook: Item | null) =>
  ({
    error: `Both sides changed ${fieldsInWords(open)}.`,
    hint: choose,
    conflict: { kind: 'fields', fields: open, outlook },
  }) as const;

export function openFields(decision: Decision): Settlement {
  const { action, mapped } = decision;
  if (action.do !== 'change') throw new Error('only a change has open fields');
  const shown = shownOf(decision);
  const isSame = mapped.conflict?.kind === 'fields' && mapped.conflict.fields?.join() === action.open.join();
  return keep(decision, isSame ? 'unchanged' : 'parked', {
    status: 'conflict',
    news: 'look',
    intent: null,
    outlookSeen: shown,
    // all but these fields is agreed on
    agreement: agreedBut(mapped, action.open),
    outlookBase:
      shown === null || mapped.outlookBase === null
        ? mapped.outlookBase
        : { ...shown, ...pick(mapped.outlookBase, action.open) },
    ...fieldsConflict(action.open, shown),
    // of what has ended nothing else is open
    ...(mapped.ended ? { error: 'It has ended, and its event was moved into the future.' } : {}),
  });
}

export function asked(decision: Decision, about: 'deleted' | 'free'): Settlement {
  const isSame = decision.mapped.conflict?.kind === about;
  if (about === 'free')
    return keep(decision, isSame ? 'unchanged' : 'parked', {
      status: 'conflict',
      news: 'look',
      outlookSeen: shownOf(decision),
      error: 'Its meeting is shown as free in Outlook, which the booking system cannot store.',
      hint: choose,
      conflict: { kind: 'free', outlook: shownOf(decision) },
    });
  return keep(decision, isSame ? 'unchanged' : 'parked', {
    status: 'conflict',
    ...lostNews(decision),
    error: 'Its event was deleted in Outlook while the booking system changed the reservation.',
    hint: choose,
    conflict: { kind: 'deleted', outlook: null },
  });
}

/** How the event was lost, to be remembered. */
export const lostNews = ({ seen, mapped }: Decision): Pick<Settlement, 'news'> => ({
  news: seen === 'absent' ? 'gone' : seen === null ? mapped.news : 'vacated',
});

/** Why such a removal waits, as the log says it. */
export const heldReason = 'held by the brake';

/** A removal that waits for a person, because so much else is gone, too. */
export function heldBack(decision: Decision): Settlement {
  const cancels = decision.action.do === 'cancel-booking';
  const conflict: ConflictNote = { kind: 'gone', outlook: null };
  return keep(decision, 'parked', {
    status: 'conflict',
    ...(cancels ? { ...lostNews(decision), conflict } : {}),
    error: cancels
      ? 'Its event is gone from Outlook, and so are many others: the reservation is kept until a person decides.'
      : 'The rows of this reservation are gone, and so are many others: its event is kept until a person decides.',
    hint: 'Release or refuse the room: POST /rooms/{resource}/brake/release or …/refuse.',
    reason: heldReason,
  });
}

/** The booking system cannot take what Outlook says: a person decides. */
export function refusedHere(decision: Decision, message: string): Settlement {
  const { action, mapped } = decision;
  const fields =
    action.do === 'change' ? Object.keys(changedFields(mapped.outlookBase, shownOf(decision)!)) : [];
  return keep(decision, mapped.conflict?.kind === 'refused' ? 'unchanged' : 'parked', {
    status: 'conflict',
    ...(action.do === 'cancel-booking' ? lostNews(decision) : { news: 'look' as const }),
    outlookSeen: action.do === 'cancel-booking' ? null : shownOf(decision),
    error: message,
    hint: `${choose} Outlook’s version can be kept once the booking system accepts it.`,
    conflict: { kind: 'refused', fields, outlook: action.do === 'cancel-booking' ? null : shownOf(decision) },
  });
}
