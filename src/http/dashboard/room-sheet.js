/**
 * The sheet of one room: its state with the reason, its reservations, settings and actions.
 * @import { ExplainedMapping, Room, Stats } from './shapes.ts'
 */
import { get, patch, post } from './api.js';
import { pairs, sheet } from './dialogs.js';
import { actionButton, h } from './dom.js';
import { counted, distance, duration, fullTime, number, span, titleOf } from './format.js';
import { translated } from './translate.js';
import { named, say } from './language.js';
import { nameOf, oneWayText, stateOf } from './room-state.js';
import { createRoomHistory } from './room-history.js';
import { settingsOf } from './room-settings.js';
import { colourOf, statusWords } from './statuses.js';

const minute = 60_000;

/** @typedef {{ total: number, count: number, mappings: readonly ExplainedMapping[] }} Mappings */

/**
 * @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void, calendar: (resource: number) => void,
 *   sides: () => Stats | null }} options
 */
export function createRoomSheet({ act, calendar, explain, sides }) {
  const sheetOfRoom = sheet('room');
  const history = createRoomHistory({ explain });
  /** @type {number | null} */
  let opened = null;

  /** @param {number} resource @param {boolean} [again] refreshes an open sheet; a closed sheet stays closed */
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
    // relative times are drawn again once a minute
    const now = Math.floor(Date.now() / minute);
    sheetOfRoom.present([room, found, now], again, () => showRoom(room, found));
  }

  /** @param {Room} room @param {Mappings} found */
  function showRoom(room, found) {
    const { resource_id: resource } = room;
    const reopen = () => openRoom(resource, true);
    /** @param {'pause' | 'resume' | 'resync' | 'claim'} command */
    const run = (command) => act(() => post(`/rooms/${resource}/${command}`)).then(reopen);
    sheetOfRoom.show(
      nameOf(room),
      `${room.outlook_item_id} · ${say('resource', { id: String(room.resource_key ?? resource) })}`,
      h(
        'section',
        {},
        stateBox(room, sides()),
        h('br'),
        facts(room),
        h('br'),
        actions(room, { run, calendar: () => calendar(resource) }),
      ),
      settingsOf(room, (own) => act(() => patch(`/rooms/${resource}`, own)).then(reopen)),
      reservations(found, explain),
      history.section,
    );
  }

  return {
    openRoom: (/** @type {number} */ resource) => void openRoom(resource),
    /** Reads the open room again, so that an open sheet stays current. */
    async refresh() {
      if (opened !== null && sheetOfRoom.dialog.open) await openRoom(opened, true);
    },
  };
}

/** @param {Room} room @param {Stats | null} stats */
function stateBox(room, stats) {
  const { state, word } = stateOf(room, stats);
  const oneWay = oneWayText(room.sync_direction);
  return h(
    'div',
    { class: 'box', 'data-state': state },
    h('p', {}, h('strong', {}, word)),
    oneWay !== null && h('p', {}, oneWay),
    room.error !== null && h('p', {}, translated(room.error)),
    room.hint !== null && h('p', { class: 'hint' }, translated(room.hint)),
  );
}

/** @param {Room} room */
function facts(room) {
  const now = Date.now();
  const active = room.active === 1;
  const at = (/** @type {string | null} */ time) =>
    time === null ? null : `${distance(time, now)} (${fullTime(time)})`;
  const due = () =>
    `${counted(room.due, 'change')}, ${say('figure.oldest', { length: duration(room.lag_ms) })}`;
  return pairs([
    [say('rooms.direction'), named('direction', room.sync_direction)],
    [say('rooms.due'), room.due === 0 ? say('nothing') : due()],
    [say('room.Held'), room.held === 0 ? null : counted(room.held, 'removal')],
    [say('room.claimedBy'), room.claimed_by],
    [say('room.Failed'), room.failed === 0 ? null : counted(room.failed, 'reservation')],
    [say('room.Conflicts'), room.conflicts === 0 ? null : number(room.conflicts)],
    [say('lastSync'), at(room.last_sync_at) ?? say('never')],
    [say('room.retry'), at(room.throttled_until ?? room.retry_at)],
    [say('rooms.poll'), active ? at(room.pull_due_at) : null],
    [say('rooms.ends'), active ? subscription(room.subscription_expires_at) : null],
    [say('room.compared'), at(room.baselined_at) ?? say('room.notYet')],
  ]);
}

/** @param {string | null} until */
const subscription = (until) =>
  until === null ? say('room.polled') : say('room.subscribed', { time: fullTime(until) });

/**
 * @param {Room} room
 * @param {{ run: (command: 'pause' | 'resume' | 'resync' | 'claim') => Promise<void>, calendar: () => void }} actions
 */
function actions({ active, claimed_by: claimedBy }, { run, calendar }) {
  const isActive = active === 1;
  return h(
    'div',
    { class: 'actions' },
    h('button', { type: 'button', onclick: calendar }, say('calendar.week')),
    isActive
      ? actionButton(say('room.pause'), () => run('pause'))
      : actionButton(say('room.resume'), () => run('resume'), 'primary'),
    isActive && actionButton(say('room.resync'), () => run('resync')),
    claimedBy !== null && actionButton(say('room.claim'), () => run('claim')),
  );
}

/** @param {Mappings} found @param {(mapping: number) => void} explain */
const reservations = ({ total, count, mappings }, explain) =>
  h(
    'section',
    {},
    h('h3', {}, `${say('Reservations')} `, h('span', { class: 'count' }, number(total))),
    h(
      'ol',
      { class: 'plain-list' },
      ...mappings.map((mapping) => reservationRow(mapping, explain)),
      total === 0 && h('li', {}, h('span', {}, say('room.noReservation'))),
      total > count && h('li', {}, h('span', {}, say('list.rest', { n: total - count }))),
    ),
  );

/** @param {ExplainedMapping} mapping @param {(mapping: number) => void} explain */
function reservationRow(mapping, explain) {
  const { id, sync_status: status } = mapping;
  return h(
    'li',
    {},
    h(
      'button',
      { type: 'button', class: 'link', onclick: () => explain(id) },
      h('span', { class: 'dot', 'data-state': colourOf(status) }),
      h(
        'span',
        {},
        titleOf(mapping),
        status !== 'synced' && h('span', { class: 'sub' }, ` – ${statusWords(status)}`),
      ),
    ),
    h('span', {}, span(mapping.starts_at, mapping.ends_at)),
  );
}
