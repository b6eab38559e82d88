/**
 * The life of one booking in one room: what was done, when, why, how long it took and under which request id.
 * @import { ExplainedMapping, Standing, State, Step } from './shapes.ts'
 */
import { get, post } from './api.js';
import { pairs, sheet } from './dialogs.js';
import { actionButton, h } from './dom.js';
import { distance, fullTime, number, span } from './format.js';
import { heard } from './heard.js';
import { say } from './language.js';
import { linksTo } from './links.js';
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
  /** What is open now, read once more. @type {(() => Promise<void>) | null} */
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
   * @param {boolean} [again] what is open is read once more; what was closed stays closed
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
  function showMapping({ mapping, standing: stands, lines }, id, siblings) {
    const steps = h('section', {}, h('h3', {}, say('explain.steps')), stepList(lines));
    if (mapping === null)
      return bookings.show(say('explain.mapping', { id: String(id) }), say('explain.gone'), steps);
    const name =
      `${mapping.reservation_type ?? say('explain.noReservation')} ${mapping.reservation_key ?? mapping.reservation_id ?? ''}`.trim();
    bookings.show(
      mapping.title ?? name,
      [stands?.room, span(mapping.starts_at, mapping.ends_at), stands?.organizer, name]
        .filter(Boolean)
        .join(' · '),
      siblings.length > 1 ? roomTabs(siblings, id) : null,
      standing(mapping, siblings, stands),
      stands === null ? null : bothSides(stands, mapping.outlook_event_id),
      steps,
    );
  }

  /** @param {ExplainedMapping} mapping @param {readonly ExplainedMapping[]} siblings @param {Standing | null} stands */
  function standing(mapping, siblings, stands) {
    const differ = mapping.sync_status === 'synced' && (stands?.fields.length ?? 0) > 0;
    const [state, words] = differ
      ? /** @type {const} */ (['warn', say('explain.differ')])
      : [colourOf(mapping.sync_status), statusWords(mapping.sync_status)];
    const { reservation_type: type, reservation_id: id, resource_id: resource } = mapping;
    const again = () =>
      act(() => post(`/sync/item/${type}/${id}/${resource}`)).then(() =>
        openMapping(mapping.id, siblings, true),
      );
    return h(
      'section',
      {},
      h(
        'div',
        { class: 'box', 'data-state': state },
        h('p', {}, h('strong', {}, words)),
        stands?.paused === true && h('p', {}, say('explain.paused')),
        mapping.error_message !== null && h('p', {}, heard(mapping.error_message)),
        mapping.hint !== null && h('p', { class: 'hint' }, heard(mapping.hint)),
      ),
      h('br'),
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
      ]),
      h('br'),
      type !== null &&
        id !== null &&
        h(
          'div',
          { class: 'actions' },
          actionButton(say('explain.sync'), again, mapping.sync_status === 'error' ? 'primary' : ''),
        ),
    );
  }

  /** @param {readonly ExplainedMapping[]} siblings @param {number} chosen */
  const roomTabs = (siblings, chosen) =>
    h(
      'section',
      { class: 'tabs', role: 'group', 'aria-label': say('explain.rooms') },
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

  return {
    openReservation: (/** @type {string} */ type, /** @type {string} */ id) => void openReservation(type, id),
    openMapping: (/** @type {number} */ id) => void openMapping(id),
    /** Reads once more what is open, so that a sheet that stays open tells the truth. */
    async refresh() {
      if (bookings.dialog.open) await reread?.();
    },
  };
}

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
