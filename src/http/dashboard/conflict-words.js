/**
 * Conflicts as text. Pure.
 * @import { Conflict } from './shapes.ts'
 */
import { ended, listed } from './format.js';
import { translated } from './translate.js';
import { named, say } from './language.js';

/** Display names of the fields, each once. @param {readonly string[]} fields */
export const fieldNames = (fields) => [...new Set(fields.map((field) => named('field', field)))];

/** @param {Conflict} conflict */
export function conflictWords({ kind, fields, message }) {
  const names = fieldNames(fields);
  if (kind === 'fields' && names.length > 0) return say('conflict.fields', { fields: listed(names) });
  if (kind === 'overlap') return say('conflict.overlap');
  return ended(message === null ? say('conflict.other') : translated(message));
}

/** The recipients of mail. @param {string | null} to */
export const mailWords = (to) => (to === null ? say('mail.none') : say('mail.to', { names: translated(to) }));

/** The effects of keeping one side of all these conflicts, each with its number. @param {readonly Conflict[]} conflicts @param {'booking' | 'outlook'} side */
export function sumOf(conflicts, side) {
  /** @type {Map<string, number>} */
  const effectCounts = new Map();
  for (const { effects } of conflicts)
    effectCounts.set(effects[side], (effectCounts.get(effects[side]) ?? 0) + 1);
  const text = [...effectCounts].map(([effect, count]) => `${count} × ${translated(effect)}`).join(' ');
  const mails = new Set(conflicts.map(({ effects }) => effects.mail[side]).filter((to) => to !== null));
  return `${text} ${mailWords(mails.size === 0 ? null : listed([...mails].map(translated)))}`;
}
