/**
 * The sheet of one room: how it stands and why, its reservations, and what can be done with it.
 * @import { ExplainedMapping, Room, Stats } from './shapes.ts'
 */
import { get, patch, post } from './api.js';
import { pairs, sheet } from './dialogs.js';
import { actionButton, h } from './dom.js';
import { counted, distance, duration, fullTime, number, span } from './format.js';
import { heard } from './heard.js';
import { named, say } from './language.js';
import { nameOf, stateOf } from './room-state.js';
import { createRoomHistory } from './room-history.js';
import { settingsOf } from './room-settings.js';
import { colourOf, statusWords } from './statuses.js';

const minute = 60_000;

/**
 * @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void, calendar: (resource: number) => void,
 *   sides: () => Stats | null }} options
 */
export function createRoomSheet({ act, calendar, explain, sides }) {
  const sheetOfRoom = sheet('room');
  const history = createRoomHistory({ explain });
  /** @type {number | null} */
  let opened = null;

  /** @param {number} resource @param {boolean} [again] what is open is read once more; what was closed stays closed */
  async function openRoom(resource, again = false) {
    opened = resource;
    const answer = await sheetOfRoom.read(() =>
      Promise.all([
        get(`/rooms/${resource}`),
        get(`/mappings?resource_id=${resource}&limit=100`),
        history.read(resource),
      ]),
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
      h('h3', {}, `${say('Reservations')} `, h('span', { class: 'count' }, number(found.total))),
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
              h('span', { class: 'dot', 'data-state': colourOf(mapping.sync_status) }),
              h(
                'span',
                {},
                mapping.title ??
                  `${mapping.reservation_type} ${mapping.reservation_key ?? mapping.reservation_id}`,
                mapping.sync_status !== 'synced' &&
                  h('span', { class: 'sub' }, ` – ${statusWords(mapping.sync_status)}`),
              ),
            ),
            h('span', {}, span(mapping.starts_at, mapping.ends_at)),
          ),
        ),
        found.total === 0 && h('li', {}, h('span', {}, say('room.noReservation'))),
        found.total > found.count &&
          h('li', {}, h('span', {}, say('list.rest', { n: found.total - found.count }))),
      ),
    );

  /** @param {Room} room @param {HTMLElement} list */
  function showRoom(room, list) {
    const now = Date.now();
    const state = stateOf(room, sides());
    const at = (/** @type {string | null} */ time) =>
      time === null ? null : `${distance(time, now)} (${fullTime(time)})`;
    const subscribed = (/** @type {string | null} */ until) =>
      until === null ? say('room.polled') : say('room.subscribed', { time: fullTime(until) });
    const doing = (/** @type {string} */ what) => () =>
      act(() => post(`/rooms/${room.resource_id}/${what}`)).then(() => openRoom(room.resource_id, true));
    sheetOfRoom.show(
      nameOf(room),
      `${room.outlook_item_id} · ${say('resource', { id: String(room.resource_key ?? room.resource_id) })}`,
      h(
        'section',
        {},
        h(
          'div',
          { class: 'box', 'data-state': state.state },
          h('p', {}, h('strong', {}, state.word)),
          room.error !== null && h('p', {}, heard(room.error)),
          room.hint !== null && h('p', { class: 'hint' }, heard(room.hint)),
        ),
        h('br'),
        pairs([
          [say('rooms.direction'), named('direction', room.sync_direction)],
          [
            say('rooms.due'),
            room.due === 0
              ? say('nothing')
              : `${counted(room.due, 'change')}, ${say('figure.oldest', { length: duration(room.lag_ms) })}`,
          ],
          [say('room.Held'), room.held === 0 ? null : counted(room.held, 'removal')],
          [say('room.claimedBy'), room.claimed_by],
          [say('room.Failed'), room.failed === 0 ? null : counted(room.failed, 'reservation')],
          [say('room.Conflicts'), room.conflicts === 0 ? null : number(room.conflicts)],
          [say('lastSync'), at(room.last_sync_at) ?? say('never')],
          [say('room.retry'), at(room.throttled_until ?? room.retry_at)],
          [say('rooms.poll'), room.active === 1 ? at(room.pull_due_at) : null],
          [say('rooms.ends'), room.active === 1 ? subscribed(room.subscription_expires_at) : null],
          [say('room.compared'), at(room.baselined_at) ?? say('room.notYet')],
        ]),
        h('br'),
        h(
          'div',
          { class: 'actions' },
          h('button', { type: 'button', onclick: () => calendar(room.resource_id) }, say('calendar.week')),
          room.active === 1
            ? actionButton(say('room.pause'), doing('pause'))
            : actionButton(say('room.resume'), doing('resume'), 'primary'),
          room.active === 1 && actionButton(say('room.resync'), doing('resync')),
          room.claimed_by !== null && actionButton(say('room.claim'), doing('claim')),
        ),
      ),
      settingsOf(room, (own) =>
        act(() => patch(`/rooms/${room.resource_id}`, own)).then(() => openRoom(room.resource_id, true)),
      ),
      list,
      history.section,
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
