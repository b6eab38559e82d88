/**
 * Conflicts: both sides beside each other, what differs marked, and a button under each.
 * @import { Conflict } from './shapes.ts'
 */
import { post } from './api.js';
import { ask } from './dialogs.js';
import { actionButton, byId, fill, h, keep } from './dom.js';
import { distance, span } from './format.js';

/** @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void }} options */
export function createConflicts({ act, explain }) {
  const place = byId('conflicts', HTMLDivElement);

  /** @param {Conflict} first */
  function card(first) {
    const element = h('section', { class: 'panel', 'data-state': 'warn' });
    let drawn = '';
    return {
      element,
      /** @param {Conflict} conflict */
      update(conflict) {
        // drawn anew only when it changed: a button under the pointer stays where it is
        const now = JSON.stringify(conflict);
        if (now === drawn) return;
        drawn = now;
        fill(element, ...parts(conflict, first.id));
      },
    };
  }

  /** @param {Conflict} conflict @param {number} id */
  function parts(conflict, id) {
    const { booking, outlook, fields } = conflict;
    const title =
      booking?.title ?? outlook?.title ?? `${conflict.reservation_type} ${conflict.reservation_id}`;
    const keepSide =
      (/** @type {'booking' | 'outlook'} */ side, /** @type {string} */ effect) => async () => {
        const where = side === 'booking' ? 'the booking system' : 'Outlook';
        if (await ask({ title: `Keep what ${where} says?`, text: effect, yes: 'Keep it' }))
          await act(() => post(`/conflicts/${id}/resolve`, { keep: side }));
      };
    const rows = fieldRows(conflict).filter(({ of }) => of(booking) !== '' || of(outlook) !== '');
    return [
      h(
        'header',
        {},
        h('h2', {}, h('button', { type: 'button', class: 'link', onclick: () => explain(id) }, title)),
        h('span', { class: 'count' }, `${conflict.room} · ${distance(conflict.since, Date.now())}`),
        h('p', {}, conflict.message, conflict.hint === null ? '' : ` ${conflict.hint}`),
      ),
      h(
        'div',
        { class: 'sides' },
        h('div', { class: 'corner' }),
        h('div', { class: 'side head' }, 'Booking system'),
        h('div', { class: 'side head' }, 'Outlook'),
        ...rows.flatMap(({ label, keys, text, of }, at) => {
          const differs = keys.some((key) => fields.includes(key)) ? 'differs' : '';
          return [
            h('div', { class: `label ${differs}` }, label),
            ...[booking, outlook].map((side) =>
              h(
                'div',
                { class: `side ${differs} ${text ? 'text' : ''}` },
                side !== null ? of(side) : at === 0 ? 'not there any more' : '',
              ),
            ),
          ];
        }),
        h('div', { class: 'corner last' }),
        h(
          'div',
          { class: 'side last' },
          actionButton(
            'Keep booking',
            keepSide('booking', 'Outlook is made to show what the booking system has.'),
          ),
        ),
        h(
          'div',
          { class: 'side last' },
          actionButton(
            'Keep Outlook',
            keepSide('outlook', 'The reservation is changed to what Outlook shows.'),
          ),
        ),
      ),
    ];
  }

  return {
    /** @param {readonly Conflict[] | null} conflicts null: the endpoint is not there */
    show(conflicts) {
      keep(place, conflicts ?? [], ({ id }) => String(id), card);
      return conflicts?.length ?? 0;
    },
  };
}

/**
 * @param {Conflict} conflict
 * @returns {{ label: string, keys: string[], text: boolean, of: (side: Conflict['booking']) => string }[]}
 */
const fieldRows = ({ fields }) => [
  {
    label: 'When',
    keys: ['starts_at', 'ends_at', 'all_day', 'presence'],
    text: false,
    of: (side) =>
      side === null ? '' : `${span(side.starts_at, side.ends_at)}${side.all_day ? ', all day' : ''}`,
  },
  { label: 'Title', keys: ['title'], text: false, of: (side) => side?.title ?? '' },
  { label: 'Text', keys: ['description'], text: true, of: (side) => side?.description ?? '' },
  {
    label: 'Private',
    keys: ['is_private'],
    text: false,
    of: (side) =>
      side !== null && (side.is_private || fields.includes('is_private'))
        ? side.is_private
          ? 'yes'
          : 'no'
        : '',
  },
];
