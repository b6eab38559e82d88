/**
 * A conflict in words: what happened. Pure.
 * @import { Conflict } from './shapes.ts'
 */
import { ended, listed } from './format.js';
import { heard } from './heard.js';
import { named, say } from './language.js';

/** Fields as people call them, each name once. @param {readonly string[]} fields */
export const fieldNames = (fields) => [...new Set(fields.map((field) => named('field', field)))];

/** @param {Conflict} conflict */
export function conflictWords({ kind, fields, message }) {
  const names = fieldNames(fields);
  if (kind === 'fields' && names.length > 0) return say('conflict.fields', { fields: listed(names) });
  if (kind === 'overlap') return say('conflict.overlap');
  return ended(message === null ? say('conflict.other') : heard(message));
}

/** To whom mail goes. @param {string | null} to */
export const mailWords = (to) => (to === null ? say('mail.none') : say('mail.to', { names: heard(to) }));

/** What is done when one side of all these is kept, each deed with how often. @param {readonly Conflict[]} conflicts @param {'booking' | 'outlook'} side */
export function sumOf(conflicts, side) {
  /** @type {Map<string, number>} */
  const deeds = new Map();
  for (const { effects } of conflicts) deeds.set(effects[side], (deeds.get(effects[side]) ?? 0) + 1);
  const told = [...deeds].map(([deed, count]) => `${count} × ${heard(deed)}`).join(' ');
  const mails = new Set(conflicts.map(({ effects }) => effects.mail[side]).filter((to) => to !== null));
  return `${told} ${mailWords(mails.size === 0 ? null : listed([...mails].map(heard)))}`;
}
