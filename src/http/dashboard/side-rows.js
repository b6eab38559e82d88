/**
 * Both sides of one reservation next to each other, a row for each field, with differences marked.
 * @import { Side } from './shapes.ts'
 */
import { h } from './dom.js';
import { span } from './format.js';
import { say } from './language.js';

/** @typedef {{ booking: Side | null, outlook: Side | null, fields: readonly string[] }} Sides */

/** The cells of three columns, for an element of the class `sides`. @param {Sides} sides */
export function sideRows({ booking, outlook, fields }) {
  const rows = fieldRows(fields).filter(({ of }) => of(booking) !== '' || of(outlook) !== '');
  return [
    h('div', { class: 'corner' }),
    h('div', { class: 'side head' }, say('side.booking')),
    h('div', { class: 'side head' }, say('side.outlook')),
    ...rows.flatMap(({ label, keys, text, of }, at) => {
      const differs = keys.some((key) => fields.includes(key)) ? 'differs' : '';
      return [
        h('div', { class: `label ${differs}` }, label),
        ...[booking, outlook].map((side) =>
          h(
            'div',
            { class: `side ${differs} ${text ? 'text' : ''}` },
            side !== null ? of(side) : at === 0 ? say('side.nothing') : '',
          ),
        ),
      ];
    }),
  ];
}

/**
 * @param {readonly string[]} fields
 * @returns {{ label: string, keys: string[], text: boolean, of: (side: Side | null) => string }[]}
 */
const fieldRows = (fields) => [
  {
    label: say('field.when'),
    keys: ['starts_at', 'ends_at', 'all_day', 'presence'],
    text: false,
    of: (side) =>
      side === null
        ? ''
        : `${span(side.starts_at, side.ends_at)}${side.all_day ? `, ${say('time.allDay')}` : ''}`,
  },
  { label: say('field.Title'), keys: ['title'], text: false, of: (side) => side?.title ?? '' },
  { label: say('field.Text'), keys: ['description'], text: true, of: (side) => side?.description ?? '' },
  {
    label: say('field.Private'),
    keys: ['is_private'],
    text: false,
    of: (side) =>
      side !== null && (side.is_private || fields.includes('is_private'))
        ? side.is_private
          ? say('yes')
          : say('no')
        : '',
  },
];
