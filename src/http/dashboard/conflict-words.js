/**
 * A conflict in words: what happened. Pure.
 * @import { Conflict } from './shapes.ts'
 */
import { ended, listed } from './format.js';

/** @type {Record<string, string>} */
export const fieldNames = {
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

/** To whom mail goes. @param {string | null} to */
export const mailWords = (to) => (to === null ? 'No mail is sent.' : `Mail goes to ${to}.`);

/** What is done when one side of all these is kept, each deed with how often. @param {readonly Conflict[]} conflicts @param {'booking' | 'outlook'} side */
export function sumOf(conflicts, side) {
  /** @type {Map<string, number>} */
  const deeds = new Map();
  for (const { effects } of conflicts) deeds.set(effects[side], (deeds.get(effects[side]) ?? 0) + 1);
  const told = [...deeds].map(([deed, count]) => `${count} × ${deed}`).join(' ');
  const mails = new Set(conflicts.map(({ effects }) => effects.mail[side]).filter((to) => to !== null));
  return `${told} ${mails.size === 0 ? 'No mail is sent.' : `Mail goes to ${listed([...mails])}.`}`;
}
