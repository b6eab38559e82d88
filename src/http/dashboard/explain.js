/**
 * The history of one reservation in one room: each change with time, reason, duration and request id.
 * @import { ExplainedMapping, Standing, State, Step } from './shapes.ts'
 */
import { get, post } from './api.js';
import { pairs, sheet } from './dialogs.js';
import { actionButton, h } from './dom.js';
import { distance, fullTime, number, span } from './format.js';
import { translated } from './translate.js';
import { say } from './language.js';
import { linksTo } from './links.js';
import { oneWayText } from './room-state.js';
import { sideRows } from './side-rows.js';
import { colourOf, statusWords } from './statuses.js';
import { stepWords } from './step-words.js';

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
  /** Reads the open mapping again. @type {(() => Promise<void>) | null} */
  let reread = null;

  /** @param {string} type @param {string} id */
  async function openReservation(type, id) {
    const path = `/mappings?reservation_type=${encodeURIComponent(type)}&reservation_id=${encodeURIComponent(id)}`;
    const found = await bookings.read(() => get(path));
    if (found === null) return;
    const [first] = found.mappings;
    if (first === undefined)
      return bookings.show(
        `${type} ${id}`,
        say('explain.none'),
        h('section', {}, h('p', {}, say('explain.none.why'))),
      );
    await openMapping(first.id, found.mappings);
  }

  /**
   * @param {number} id
   * @param {readonly ExplainedMapping[]} [siblings] the same reservation in all its rooms
   * @param {boolean} [again] refreshes an open sheet; a closed sheet stays closed
   */
  async function openMapping(id, siblings = [], again = false) {
    const reading = (reread = () => openMapping(id, siblings, true));
    const explained = await bookings.read(() => get(`/mappings/${id}/explain?limit=200`));
    if (explained === null || reread !== reading) return;
    bookings.present(explained, again, () => showMapping(explained, id, siblings));
  }

  /**
   * @param {{ mapping: ExplainedMapping | null, standing: Standing | null, lines: Step[] }} explained
   * @param {number} id
   * @param {readonly ExplainedMapping[]} siblings
   */
  function showMapping({ mapping, standing: current, lines }, id, siblings) {
    const steps = h('section', {}, h('h3', {}, say('explain.steps')), stepList(lines));
    if (mapping === null)
      return bookings.show(say('explain.mapping', { id: String(id) }), say('explain.gone'), steps);
    const name = `${mapping.reservation_type ?? say('explain.noReservation')} ${mapping.reservation_key ?? mapping.reservation_id ?? ''}`;
    const sub = [current?.room, span(mapping.starts_at, mapping.ends_at), current?.organizer, name.trim()];
    bookings.show(
      mapping.title ?? name.trim(),
      sub.filter(Boolean).join(' · '),
      siblings.length > 1 ? roomTabs(siblings, id, openMapping) : null,
      h(
        'section',
        {},
        statusBox(mapping, current),
        h('br'),
        facts(mapping),
        h('br'),
        mapping.reservation_type !== null &&
          mapping.reservation_id !== null &&
          syncButton(mapping, () => sync(mapping, siblings)),
      ),
      current === null ? null : bothSides(current, mapping.outlook_event_id),
      steps,
    );
  }

  /** @param {ExplainedMapping} mapping @param {readonly ExplainedMapping[]} siblings */
  async function sync(mapping, siblings) {
    const { reservation_type: type, reservation_id: id, resource_id: resource } = mapping;
    await act(() => post(`/sync/item/${type}/${id}/${resource}`));
    await openMapping(mapping.id, siblings, true);
  }

  return {
    openReservation: (/** @type {string} */ type, /** @type {string} */ id) => void openReservation(type, id),
    openMapping: (/** @type {number} */ id) => void openMapping(id),
    /** Reads the open mapping again, so that an open sheet stays current. */
    async refresh() {
      if (bookings.dialog.open) await reread?.();
    },
  };
}

/** @param {ExplainedMapping} mapping @param {Standing | null} current */
function statusBox(mapping, current) {
  const oneWay = oneWayText(current?.direction ?? 'both');
  const differ = mapping.sync_status === 'synced' && (current?.fields.length ?? 0) > 0;
  const state = differ ? 'warn' : colourOf(mapping.sync_status);
  const text = differ ? say('explain.differ') : statusWords(mapping.sync_status);
  return h(
    'div',
    { class: 'box', 'data-state': state },
    h('p', {}, h('strong', {}, text)),
    current?.paused === true && h('p', {}, say('explain.paused')),
    oneWay !== null && h('p', {}, oneWay),
    mapping.error_message !== null && h('p', {}, translated(mapping.error_message)),
    mapping.hint !== null && h('p', { class: 'hint' }, translated(mapping.hint)),
  );
}

/** @param {ExplainedMapping} mapping */
const facts = (mapping) =>
  pairs([
    [say('mailbox'), mapping.outlook_item_id],
    [
      say('explain.madeIn'),
      say(mapping.sync_direction === 'outlook_to_booking' ? 'side.outlook' : 'side.booking'),
    ],
    [say('lastSync'), mapping.last_sync_at === null ? say('never') : fullTime(mapping.last_sync_at)],
    [say('due'), mapping.due_at === null ? null : distance(mapping.due_at, Date.now())],
    [say('tries'), mapping.attempt === 0 ? null : number(mapping.attempt)],
    [
      say('outlookEvent'),
      mapping.outlook_event_id === null ? say('none') : h('code', {}, mapping.outlook_event_id),
    ],
  ]);

/** @param {ExplainedMapping} mapping @param {() => Promise<void>} sync */
const syncButton = ({ sync_status: status }, sync) =>
  h(
    'div',
    { class: 'actions' },
    actionButton(say('explain.sync'), sync, status === 'error' ? 'primary' : ''),
  );

/**
 * @param {readonly ExplainedMapping[]} siblings
 * @param {number} chosen
 * @param {(id: number, siblings: readonly ExplainedMapping[]) => Promise<void>} open
 */
const roomTabs = (siblings, chosen, open) =>
  h(
    'section',
    { class: 'tabs', role: 'group', 'aria-label': say('explain.rooms') },
    ...siblings.map(({ id, room, outlook_item_id: mailbox }) =>
      h(
        'button',
        { type: 'button', 'aria-pressed': String(id === chosen), onclick: () => open(id, siblings) },
        room ?? mailbox,
      ),
    ),
  );

/** @param {Standing} standing @param {string | null} eventId */
function bothSides({ booking, outlook, fields, outlook_as_of: asOf, url }, eventId) {
  const read =
    asOf === null ? say('explain.unread') : say('explain.read', { when: distance(asOf, Date.now()) });
  const differ = fields.length > 0 ? ` ${say('explain.marked')}` : '';
  return h(
    'section',
    {},
    h('h3', {}, say('explain.both')),
    h('div', { class: 'sides' }, ...sideRows({ booking, outlook, fields })),
    h('p', { class: 'hint' }, `${read}${differ}`),
    linksTo({ url, eventId: outlook === null ? null : eventId }),
  );
}

/** @param {readonly Step[]} lines */
function stepList(lines) {
  if (lines.length === 0) return h('p', { class: 'hint' }, say('explain.noSteps'));
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
          h('p', {}, stepWords(line)),
          h(
            'p',
            { class: 'meta' },
            h('time', { datetime: line.at }, fullTime(line.at)),
            line.request_id !== null && ` · ${say('request')} `,
            line.request_id !== null && h('code', {}, line.request_id),
          ),
        ),
      ),
  );
}
