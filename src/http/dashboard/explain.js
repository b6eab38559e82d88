/**
 * The life of one booking in one room: what was done, when, why, how long it took and under which request id.
 * @import { ExplainedMapping, Standing, State, Step } from './shapes.ts'
 */
import { get, post } from './api.js';
import { pairs, sheet } from './dialogs.js';
import { actionButton, h } from './dom.js';
import { distance, fullTime, number, span } from './format.js';
import { sideRows } from './side-rows.js';
import { statuses } from './statuses.js';

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
    const steps = h('section', {}, h('h3', {}, 'Step by step'), stepList(lines));
    if (mapping === null)
      return bookings.show(`Mapping ${id}`, 'It is gone; this is what was done to it.', steps);
    const name = `${mapping.reservation_type ?? 'no reservation'} ${mapping.reservation_id ?? ''}`.trim();
    bookings.show(
      mapping.title ?? name,
      [stands?.room, span(mapping.starts_at, mapping.ends_at), stands?.organizer, name]
        .filter(Boolean)
        .join(' · '),
      siblings.length > 1 ? roomTabs(siblings, id) : null,
      standing(mapping, siblings, stands),
      stands === null ? null : bothSides(stands),
      steps,
    );
  }

  /** @param {ExplainedMapping} mapping @param {readonly ExplainedMapping[]} siblings @param {Standing | null} stands */
  function standing(mapping, siblings, stands) {
    const differ = mapping.sync_status === 'synced' && (stands?.fields.length ?? 0) > 0;
    const [state, words] = differ
      ? /** @type {const} */ (['warn', 'the sides differ now'])
      : (statuses[mapping.sync_status] ?? ['away', mapping.sync_status]);
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
        stands?.paused === true && h('p', {}, 'Its room is paused: nothing is done until it is resumed.'),
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
        h(
          'div',
          { class: 'actions' },
          actionButton('Sync now', again, mapping.sync_status === 'error' ? 'primary' : ''),
        ),
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

  return {
    openReservation: (/** @type {string} */ type, /** @type {string} */ id) => void openReservation(type, id),
    openMapping: (/** @type {number} */ id) => void openMapping(id),
    /** Reads once more what is open, so that a sheet that stays open tells the truth. */
    async refresh() {
      if (bookings.dialog.open) await reread?.();
    },
  };
}

/** @param {Standing} standing */
function bothSides({ booking, outlook, fields, outlook_as_of: asOf, url }) {
  const read = asOf === null ? 'never read' : `read ${distance(asOf, Date.now())}`;
  const differ = fields.length > 0 ? ' What differs is marked.' : '';
  return h(
    'section',
    {},
    h('h3', {}, 'Both sides now'),
    h('div', { class: 'sides' }, ...sideRows({ booking, outlook, fields })),
    h('p', { class: 'hint' }, `Outlook: ${read}.${differ}`),
    // an address of the adapter's: only of the web is a link
    url !== null &&
      /^https?:/.test(url) &&
      h('p', {}, h('a', { href: url, rel: 'noreferrer' }, 'In the booking system')),
  );
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
