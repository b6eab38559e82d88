/**
 * A conflict in words: what happened, and what becomes of each side when it is chosen. Pure.
 * @import { Conflict } from './shapes.ts'
 */
import { ended, listed } from './format.js';

/** @type {Record<string, string>} */
const fieldNames = {
  starts_at: 'time',
  ends_at: 'time',
  all_day: 'time',
  title: 'title',
  description: 'text',
  is_private: 'privacy',
};

/** @param {Conflict} conflict */
export function conflictWords({ kind, fields, message }) {
  const names = [...new Set(fields.map((field) => fieldNames[field] ?? field))];
  if (kind === 'fields' && names.length > 0) return `Both sides changed the ${listed(names)}.`;
  if (kind === 'overlap') return 'The event in Outlook lies on a time that is reserved already.';
  return ended(message ?? 'The two sides disagree');
}

/**
 * What is done when a side is kept; `loses`: something is taken away by it.
 * @typedef {{ booking: string, outlook: string, loses: 'booking' | 'outlook' | null }} Effects
 * @type {Record<string, Effects>}
 */
const effects = {
  fields: {
    booking: 'The event in Outlook is changed to this.',
    outlook: 'The reservation is changed to this.',
    loses: null,
  },
  deleted: {
    booking: 'A new event is made in Outlook.',
    outlook: 'The reservation is cancelled.',
    loses: 'outlook',
  },
  overlap: {
    booking: 'The event is deleted from the room in Outlook; if somebody else invited the room, it declines.',
    outlook: 'It becomes a reservation beside this one, although the time is taken.',
    loses: 'booking',
  },
  moved: {
    booking: 'The room declines the meeting, so its organiser hears of it.',
    outlook: 'The reservation moves back to the time of the meeting.',
    loses: 'booking',
  },
  refused: {
    booking: 'Outlook is made to show this again.',
    outlook: 'The booking system is asked once more to take it.',
    loses: null,
  },
  free: {
    booking: 'The meeting is shown as busy again in the room.',
    outlook: 'The reservation is cancelled.',
    loses: 'outlook',
  },
  orphan: {
    booking: 'The event is deleted in Outlook.',
    outlook: 'It becomes a new reservation.',
    loses: 'booking',
  },
};

/** @param {Conflict} conflict @returns {Effects} */
export const effectsOf = ({ kind }) =>
  effects[kind] ?? {
    booking: 'Outlook is made to show what the booking system has.',
    outlook: 'The booking system is made to have what Outlook shows.',
    loses: null,
  };
