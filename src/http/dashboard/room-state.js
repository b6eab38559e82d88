/**
 * The state of a room as a word and a colour. One reservation that is not equal decides the state of the room. Pure.
 * @import { Room, State, Stats } from './shapes.ts'
 */
import { named } from './language.js';

/** @type {Record<string, State>} */
const states = {
  held: 'bad',
  refused: 'bad',
  failed: 'bad',
  waiting: 'warn',
  conflict: 'warn',
  backfill: 'busy',
  working: 'busy',
  new: 'busy',
  planned: 'busy',
  ok: 'good',
  off: 'away',
};
/** The worst first. */
const order = Object.keys(states);

/** @param {Room} room */
export const nameOf = (room) => room.outlook_item_name ?? room.outlook_item_id;

/**
 * @param {Room} room
 * @param {Stats | null} stats during an outage of Outlook due rooms are waiting; before the first write rooms are planned only
 */
export function stateOf(room, stats) {
  const name = nameOfState(room, stats);
  return { name, state: states[name] ?? 'warn', word: named('room', name), rank: order.indexOf(name) };
}

/** The text about a room that is kept equal in one direction only; null: both ways. @param {string} direction */
export const oneWayText = (direction) => (direction === 'both' ? null : named('direction.why', direction));

/** @param {Room} room @param {Stats | null} stats */
function nameOfState(room, stats) {
  if (room.health !== 'ok') return room.health;
  if (room.failed > 0) return 'failed';
  if (room.conflicts > 0) return 'conflict';
  if (stats?.start.writes === false) return 'planned';
  if (room.due > 0 && (stats?.outages.outlook ?? null) !== null) return 'waiting';
  if (room.backfill.done < room.backfill.total) return 'backfill';
  if (room.due > 0) return 'working';
  return room.baselined_at === null ? 'new' : 'ok';
}
