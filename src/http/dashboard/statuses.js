/**
 * The sync states of one reservation in one room as colour and text.
 * @import { State } from './shapes.ts'
 */
import { named } from './language.js';

/** @type {Record<string, State>} */
const states = {
  synced: 'good',
  pending: 'busy',
  error: 'bad',
  conflict: 'warn',
  cancelled: 'away',
  imported: 'busy',
  shadowed: 'away',
};

/** @param {string} status */
export const colourOf = (status) => states[status] ?? 'away';

/** @param {string} status */
export const statusWords = (status) => named('status', status);
