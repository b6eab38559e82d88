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
