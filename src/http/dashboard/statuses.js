/**
 * The states of one reservation in one room, in their colours and in words.
 * @import { State } from './shapes.ts'
 */

/** @type {Record<string, [State, string]>} */
export const statuses = {
  synced: ['good', 'equal on both sides'],
  pending: ['busy', 'on its way'],
  error: ['bad', 'could not be brought over'],
  conflict: ['warn', 'a person has to choose'],
  cancelled: ['away', 'cancelled'],
  imported: ['busy', 'waits to become a reservation'],
  shadowed: ['away', 'not shown: something more important takes its time'],
};
