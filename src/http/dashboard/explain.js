/**
 * The life of one booking in one room: what was done, when, why, how long it took and under which request id. And the
 * sheet of one room, from which its bookings are found.
 * @import { ExplainedMapping, Room, State, Step } from './shapes.ts'
 */
import { ApiError, get, post } from './api.js';
import { pairs, sheet } from './dialogs.js';
import { actionButton, fill, h } from './dom.js';
import { counted, distance, duration, fullTime, number, span } from './format.js';
import { directions, stateOf } from './rooms.js';
import { nameOf } from './verdict.js';

/** @type {Record<string, [State, string]>} */
const statuses = {
  synced: ['good', 'equal on both sides'],
  pending: ['busy', 'on its way'],
  error: ['bad', 'could not be brought over'],
  conflict: ['warn', 'a person has to choose'],
  cancelled: ['away', 'cancelled'],
  imported: ['busy', 'waits to become a reservation'],
  shadowed: ['away', 'not shown: something more important takes its time'],
};
/** @type {Record<string, State>} */
const stepStates = {
  parked: 'bad',
  delayed: 'warn',
  deleted: 'away',
  forgotten: 'away',
  'booking-cancelled': 'away',
};

/** @param {{ act: (work: () => Promise<any>) => Promise<void> }} options */
export function createExplain({ act }) {
  const bookings = sheet('explain');
  const roomSheet = sheet('room');

  /** @param {string} type @param {string} id */
  async function openReservation(type, id) {
    const path = `/mappings?reservation_type=${encodeURIComponent(type)}&reservation_id=${encodeURIComponent(id)}`;
    const found = await opened(() => get(path));
    if (found === null) return;
    const [first] = found.mappings;
    if (first === undefined)
      return bookings.show(
        `${type} ${id}`,
        'There is nothing of it here.',
        h(
          'section',
          {},
          h(
            'p',
            {},
            'No room that is mapped has this reservation within the days that are kept equal, or there is no such reservation.',
          ),
        ),
      );
    await openMapping(first.id, found.mappings);
  }

  /**
   * @param {number} id
   * @param {readonly ExplainedMapping[]} [siblings] the same reservation in all its rooms
   */
  async function openMapping(id, siblings = []) {
    const explained = await opened(() => get(`/mappings/${id}/explain?limit=200`));
    if (explained === null) return;
    /** @type {{ mapping: ExplainedMapping | null, lines: Step[] }} */
    const { mapping, lines } = explained;
    const steps = h('section', {}, h('h3', {}, 'Step by step'), stepList(lines));
    if (mapping === null)
      return bookings.show(`Mapping ${id}`, 'It is gone; this is what was done to it.', steps);
    const name = `${mapping.reservation_type ?? 'no reservation'} ${mapping.reservation_id ?? ''}`.trim();
    bookings.show(
      mapping.title ?? name,
      `${span(mapping.starts_at, mapping.ends_at)} · ${name}`,
      siblings.length > 1 ? roomTabs(siblings, id) : null,
      standing(mapping, siblings),
      steps,
    );
  }

  /** @param {ExplainedMapping} mapping @param {readonly ExplainedMapping[]} siblings */
  function standing(mapping, siblings) {
    const [state, words] = statuses[mapping.sync_status] ?? ['away', mapping.sync_status];
    const { reservation_type: type, reservation_id: id, resource_id: resource } = mapping;
    const again = () =>
      act(() => post(`/sync/item/${type}/${id}/${resource}`)).then(() => openMapping(mapping.id, siblings));
    return h(
      'section',
      {},
      h(
        'div',
        { class: 'box', 'data-state': state },
        h('p', {}, h('strong', {}, words)),
        mapping.error_message !== null && h('p', {}, mapping.error_message),
        mapping.hint !== null && h('p', { class: 'hint' }, mapping.hint),
      ),
      h('br'),
      pairs([
        ['Mailbox', mapping.outlook_item_id],
        ['Born in', mapping.sync_direction === 'outlook_to_booking' ? 'Outlook' : 'the booking system'],
        ['Last sync', mapping.last_sync_at === null ? 'never' : fullTime(mapping.last_sync_at)],
        ['Due', mapping.due_at === null ? null : distance(mapping.due_at, Date.now())],
        ['Tries', mapping.attempt === 0 ? null : number(mapping.attempt)],
        [
          'Outlook event',
          mapping.outlook_event_id === null ? 'none' : h('code', {}, mapping.outlook_event_id),
        ],
      ]),
      h('br'),
      type !== null &&
        id !== null &&
        h('div', { class: 'actions' }, actionButton('Sync now', again, 'primary')),
    );
  }

  /** @param {readonly ExplainedMapping[]} siblings @param {number} chosen */
  const roomTabs = (siblings, chosen) =>
    h(
      'section',
      { class: 'tabs', role: 'group', 'aria-label': 'Its rooms' },
      ...siblings.map((mapping) =>
        h(
          'button',
          {
            type: 'button',
            'aria-pressed': String(mapping.id === chosen),
            onclick: () => openMapping(mapping.id, siblings),
          },
          mapping.room ?? mapping.outlook_item_id,
        ),
      ),
    );

  /** @param {number} resource */
  async function openRoom(resource) {
    const answer = await opened(() => get(`/rooms/${resource}`));
    if (answer === null) return;
    /** @type {Room} */
    const room = answer.room;
    const list = h('ol', { class: 'plain-list' });
    const bookingsTitle = h('h3', {}, 'Bookings');
    showRoom(room, h('section', {}, bookingsTitle, list));
    const found = await opened(() => get(`/mappings?resource_id=${resource}&limit=100`));
    if (found === null) return;
    fill(bookingsTitle, `Bookings `, h('span', { class: 'count' }, number(found.total)));
    fill(
      list,
      ...found.mappings.map((/** @type {ExplainedMapping} */ mapping) =>
        h(
          'li',
          {},
          h(
            'button',
            { type: 'button', class: 'link', onclick: () => openMapping(mapping.id) },
            h('span', { class: 'dot', 'data-state': statuses[mapping.sync_status]?.[0] ?? 'away' }),
            ' ',
            mapping.title ?? `${mapping.reservation_type} ${mapping.reservation_id}`,
          ),
          h('span', {}, span(mapping.starts_at, mapping.ends_at)),
        ),
      ),
      found.total > found.count &&
        h('li', {}, h('span', {}, `and ${number(found.total - found.count)} more`)),
    );
  }

  /** @param {Room} room @param {HTMLElement} list */
  function showRoom(room, list) {
    const now = Date.now();
    const state = stateOf(room);
    const at = (/** @type {string | null} */ time) =>
      time === null ? null : `${distance(time, now)} (${fullTime(time)})`;
    const doing = (/** @type {string} */ what) => () =>
      act(() => post(`/rooms/${room.resource_id}/${what}`)).then(() => openRoom(room.resource_id));
    roomSheet.show(
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
          ['Last sync', at(room.last_sync_at) ?? 'never'],
          ['Tried again', at(room.throttled_until ?? room.retry_at)],
          ['Next look', room.active === 1 ? at(room.pull_due_at) : null],
          [
            'Subscribed until',
            room.active === 1 ? (at(room.subscription_expires_at) ?? 'no: Outlook is asked instead') : null,
          ],
          ['Compared', at(room.baselined_at) ?? 'not yet'],
        ]),
        h('br'),
        h(
          'div',
          { class: 'actions' },
          room.active === 1
            ? actionButton('Pause', doing('pause'))
            : actionButton('Resume', doing('resume'), 'primary'),
          room.active === 1 && actionButton('Compare both sides again', doing('resync')),
        ),
      ),
      list,
    );
  }

  /**
   * What a call answers, or null after its failure was shown.
   * @param {() => Promise<any>} call
   */
  async function opened(call) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      bookings.show('Not to be seen now', error.message, h('section', {}, h('p', {}, error.hint)));
      return null;
    }
  }

  return { openReservation, openMapping, openRoom };
}

/** @param {readonly Step[]} lines */
function stepList(lines) {
  if (lines.length === 0) return h('p', { class: 'hint' }, 'Nothing was done to it yet.');
  return h(
    'ol',
    { class: 'steps' },
    ...lines
      .toReversed()
      .map((line) =>
        h(
          'li',
          { 'data-state': stepStates[line.action] ?? 'good' },
          h('span', { class: 'dot' }),
          h('p', {}, line.text),
          h(
            'p',
            { class: 'meta' },
            h('time', { datetime: line.at }, fullTime(line.at)),
            line.request_id !== null && ' · request ',
            line.request_id !== null && h('code', {}, line.request_id),
          ),
        ),
      ),
  );
}
