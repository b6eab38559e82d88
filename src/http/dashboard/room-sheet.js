/**
 * The sheet of one room: how it stands and why, its reservations, and what can be done with it.
 * @import { ExplainedMapping, Room, Stats } from './shapes.ts'
 */
import { get, patch, post } from './api.js';
import { pairs, sheet } from './dialogs.js';
import { actionButton, h } from './dom.js';
import { counted, distance, duration, fullTime, number, span } from './format.js';
import { nameOf, stateOf } from './room-state.js';
import { settingsOf } from './room-settings.js';
import { directions } from './rooms.js';
import { statuses } from './statuses.js';

const minute = 60_000;

/**
 * @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void, calendar: (resource: number) => void,
 *   sides: () => Stats | null }} options
 */
export function createRoomSheet({ act, calendar, explain, sides }) {
  const sheetOfRoom = sheet('room');
  /** @type {number | null} */
  let opened = null;

  /** @param {number} resource @param {boolean} [again] what is open is read once more; what was closed stays closed */
  async function openRoom(resource, again = false) {
    opened = resource;
    const answer = await sheetOfRoom.read(() =>
      Promise.all([get(`/rooms/${resource}`), get(`/mappings?resource_id=${resource}&limit=100`)]),
    );
    if (answer === null || opened !== resource) return;
    const [{ room }, found] = answer;
    // times that are told as distances are drawn anew once a minute
    const now = Math.floor(Date.now() / minute);
    sheetOfRoom.present([room, found, now], again, () => showRoom(room, bookingsOf(found)));
  }

  /** @param {{ total: number, count: number, mappings: readonly ExplainedMapping[] }} found */
  const bookingsOf = (found) =>
    h(
      'section',
      {},
      h('h3', {}, 'Reservations ', h('span', { class: 'count' }, number(found.total))),
      h(
        'ol',
        { class: 'plain-list' },
        ...found.mappings.map((/** @type {ExplainedMapping} */ mapping) =>
          h(
            'li',
            {},
            h(
              'button',
              { type: 'button', class: 'link', onclick: () => explain(mapping.id) },
              h('span', { class: 'dot', 'data-state': statuses[mapping.sync_status]?.[0] ?? 'away' }),
              h(
                'span',
                {},
                mapping.title ?? `${mapping.reservation_type} ${mapping.reservation_id}`,
                mapping.sync_status !== 'synced' &&
                  h(
                    'span',
                    { class: 'sub' },
                    ` – ${statuses[mapping.sync_status]?.[1] ?? mapping.sync_status}`,
                  ),
              ),
            ),
            h('span', {}, span(mapping.starts_at, mapping.ends_at)),
          ),
        ),
        found.total === 0 && h('li', {}, h('span', {}, 'None within the days that are kept equal.')),
        found.total > found.count &&
          h('li', {}, h('span', {}, `and ${number(found.total - found.count)} more`)),
      ),
    );

  /** @param {Room} room @param {HTMLElement} list */
  function showRoom(room, list) {
    const now = Date.now();
    const state = stateOf(room, sides());
    const at = (/** @type {string | null} */ time) =>
      time === null ? null : `${distance(time, now)} (${fullTime(time)})`;
    const subscribed = (/** @type {string | null} */ until) =>
      until === null ? 'no: Outlook is asked instead' : `until ${fullTime(until)}, renewed before`;
    const doing = (/** @type {string} */ what) => () =>
      act(() => post(`/rooms/${room.resource_id}/${what}`)).then(() => openRoom(room.resource_id, true));
    sheetOfRoom.show(
      nameOf(room),
      `${room.outlook_item_id} · resource ${room.resource_id}`,
      h(
        'section',
        {},
        h(
          'div',
          { class: 'box', 'data-state': state.state },
          h('p', {}, h('strong', {}, state.word)),
          room.error !== null && h('p', {}, room.error),
          room.hint !== null && h('p', { class: 'hint' }, room.hint),
        ),
        h('br'),
        pairs([
          ['Direction', directions[room.sync_direction] ?? room.sync_direction],
          [
            'Waiting',
            room.due === 0
              ? 'nothing'
              : `${counted(room.due, 'change')}, the oldest for ${duration(room.lag_ms)}`,
          ],
          ['Held', room.held === 0 ? null : counted(room.held, 'removal')],
          ['Claimed by', room.claimed_by],
          ['Failed', room.failed === 0 ? null : counted(room.failed, 'reservation')],
          ['Conflicts', room.conflicts === 0 ? null : number(room.conflicts)],
          ['Last sync', at(room.last_sync_at) ?? 'never'],
          ['Tried again', at(room.throttled_until ?? room.retry_at)],
          ['Next look', room.active === 1 ? at(room.pull_due_at) : null],
          ['Subscribed', room.active === 1 ? subscribed(room.subscription_expires_at) : null],
          ['Compared', at(room.baselined_at) ?? 'not yet'],
        ]),
        h('br'),
        h(
          'div',
          { class: 'actions' },
          h('button', { type: 'button', onclick: () => calendar(room.resource_id) }, 'Week'),
          room.active === 1
            ? actionButton('Pause', doing('pause'))
            : actionButton('Resume', doing('resume'), 'primary'),
          room.active === 1 && actionButton('Compare both sides again', doing('resync')),
          room.claimed_by !== null && actionButton('Take this room over', doing('claim')),
        ),
      ),
      settingsOf(room, (own) =>
        act(() => patch(`/rooms/${room.resource_id}`, own)).then(() => openRoom(room.resource_id, true)),
      ),
      list,
    );
  }

  return {
    openRoom: (/** @type {number} */ resource) => void openRoom(resource),
    /** Reads the room once more that is open, so that a sheet that stays open tells the truth. */
    async refresh() {
      if (opened !== null && sheetOfRoom.dialog.open) await openRoom(opened, true);
    },
  };
}
