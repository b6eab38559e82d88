/** Settlements of decisions that a person has to make. */
import { changedFields, fieldsInWords, type Item } from '../../../item.ts';
import type { Settlement } from '../../store/settle.ts';
import type { ConflictNote } from '../../store/work-item.ts';
import { agreedBut, eventOf, pick, shownOf, type Decision } from '../decision.ts';
import { keep } from './keep.ts';

/** The hint of a conflict. */
export const choose = 'Choose what to keep: the dashboard, or POST /conflicts/{id}/resolve.';

/** Until a taken time is tried once more: the other reservation may have left it before the refusal was stored. */
export const takenAgainMs = 1_000;

/** `isSame`: the conflict is already open. */
const conflict = (decision: Decision, isSame: boolean, change: Partial<Settlement>): Settlement =>
  keep(decision, isSame ? 'unchanged' : 'parked', { status: 'conflict', hint: choose, ...change });

/** Outlook permanently refuses to change or delete the event. */
export function rejected(decision: Decision, message: string, hint: string | null): Settlement {
  const { action, mapped } = decision;
  const isReplacement = action.do === 'create';
  const fields = action.do === 'change' ? Object.keys(action.change) : [];
  const outlook = shownOf(decision);
  return conflict(decision, mapped.conflict?.kind === 'rejected' && mapped.error === message, {
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

/** A person chose the booking system, and Outlook refused the change again: the next round creates a new event. */
export const replaceNext = (decision: Decision, message: string): Settlement =>
  keep(decision, 'waiting', {
    status: 'conflict',
    conflict: { ...decision.mapped.conflict!, replace: true },
    generation: decision.mapped.generation + 1,
    error: message,
    dueInMs: 0,
    reason: 'Outlook refused the change once more: a new event takes its place',
  });

/** The part of a settlement about fields that both sides changed to different values. */
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
  return conflict(decision, isSame, {
    news: 'look',
    intent: null,
    outlookSeen: shown,
    // the bases below consider what was sent
    ...(decision.seen === null && decision.adopted === null ? {} : { keepsSent: false }),
    agreement: agreedBut(mapped, action.open),
    outlookBase:
      shown === null || mapped.outlookBase === null
        ? mapped.outlookBase
        : { ...shown, ...pick(mapped.outlookBase, action.open) },
    ...fieldsConflict(action.open, shown),
    ...(mapped.ended ? { error: 'It has ended, and its event was moved into the future.' } : {}),
  });
}

export function asked(decision: Decision, about: 'deleted' | 'free'): Settlement {
  const isSame = decision.mapped.conflict?.kind === about;
  if (about === 'free')
    return conflict(decision, isSame, {
      news: 'look',
      outlookSeen: shownOf(decision),
      error: 'Its meeting is shown as free in Outlook, which the booking system cannot store.',
      conflict: { kind: 'free', outlook: shownOf(decision) },
    });
  return conflict(decision, isSame, {
    ...lostNews(decision),
    error: 'Its event was deleted in Outlook while the booking system changed the reservation.',
    conflict: { kind: 'deleted', outlook: null },
  });
}

/** The kind of loss of the event. */
export const lostNews = ({ seen, mapped }: Decision): Pick<Settlement, 'news'> => ({
  news: seen === 'absent' ? 'gone' : seen === null ? mapped.news : 'vacated',
});

/** The reason in the log. */
export const heldReason = 'held by the brake';

/** A removal that the brake holds. */
export function heldBack(decision: Decision): Settlement {
  const cancels = decision.action.do === 'cancel-booking';
  const note: ConflictNote = { kind: 'gone', outlook: null };
  return conflict(decision, false, {
    ...(cancels ? { ...lostNews(decision), conflict: note } : {}),
    error: cancels
      ? 'Its event is gone from Outlook, and so are many others: the reservation is kept until a person decides.'
      : 'The rows of this reservation are gone, and so are many others: its event is kept until a person decides.',
    hint: 'Release or refuse the room: POST /rooms/{resource}/brake/release or …/refuse.',
    reason: heldReason,
  });
}

/** A rule of the booking system refuses the change or cancellation of Outlook. */
export function refusedHere(decision: Decision, message: string): Settlement {
  const { action, mapped } = decision;
  const cancels = action.do === 'cancel-booking';
  const shown = cancels ? null : shownOf(decision);
  const fields =
    action.do === 'change' ? Object.keys(changedFields(mapped.outlookBase, shownOf(decision)!)) : [];
  return conflict(decision, mapped.conflict?.kind === 'refused', {
    ...(cancels ? lostNews(decision) : { news: 'look' }),
    outlookSeen: shown,
    error: message,
    hint: `${choose} Outlook’s version can be kept once the booking system accepts it.`,
    conflict: { kind: 'refused', fields, outlook: shown },
  });
}
