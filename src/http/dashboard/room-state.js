/**
 * How a room stands, in one word and one colour. A room with one reservation that is not equal is not equal. Pure.
 * @import { Room, State, Stats } from './shapes.ts'
 */

/** @type {Record<string, [State, string]>} */
const states = {
  held: ['bad', 'held'],
  refused: ['bad', 'refused'],
  failed: ['bad', 'failed'],
  waiting: ['warn', 'waiting'],
  conflict: ['warn', 'conflict'],
  backfill: ['busy', 'backfill'],
  working: ['busy', 'working'],
  new: ['busy', 'starting'],
  planned: ['busy', 'planned'],
  ok: ['good', 'equal'],
  off: ['away', 'paused'],
};
/** The worst first. */
const order = Object.keys(states);

/** @param {Room} room */
export const nameOf = (room) => room.outlook_item_name ?? room.outlook_item_id;

/**
 * @param {Room} room
 * @param {Stats | null} stats what is known of both sides: while Outlook is away nothing works, while nothing may be
 *   written all is planned only
 */
export function stateOf(room, stats) {
  const name = nameOfState(room, stats);
  const [state, word] = states[name] ?? ['warn', name];
  return { name, state, word, rank: order.indexOf(name) };
}

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
