/**
 * What one room does differently from the others, to see and to change.
 * @import { Room } from './shapes.ts'
 */
import { h } from './dom.js';

/** Of each setting its words, and of each value. */
const settings = /** @type {const} */ ({
  conflict_policy: [
    'Both sides changed the same',
    {
      booking: 'the booking system wins',
      outlook: 'Outlook wins',
      newest: 'the newer edit wins',
      ask: 'a person decides',
    },
  ],
  overlap_policy: [
    'An event on a taken time',
    { flag: 'a person decides', import: 'becomes a reservation', decline: 'is declined' },
  ],
  import_mode: ['New events', { auto: 'are imported', manual: 'wait for a person' }],
  privacy: [
    'Outlook shows',
    { neutral: 'no texts of private bookings', 'busy-only': 'times alone', full: 'all texts' },
  ],
});

/**
 * @param {Room} room
 * @param {(own: Record<string, string | null>) => Promise<void>} set
 */
export function settingsOf(room, set) {
  const [choices, template] = [
    Object.entries(settings).map(([name, [label, values]]) => {
      const own = room[/** @type {keyof typeof settings} */ (name)];
      const options = [['', 'as the environment says'], ...Object.entries(values)];
      return h(
        'label',
        {},
        label,
        h(
          'select',
          { name, onchange: (event) => set({ [name]: valueOf(event) }) },
          ...options.map(([value, word]) => h('option', { value, selected: value === (own ?? '') }, word)),
        ),
      );
    }),
    h(
      'label',
      {},
      'Titles',
      h('input', {
        name: 'title_template',
        value: room.title_template ?? '',
        maxlength: 200,
        placeholder: 'as the environment says, e.g. {title} ({organizer})',
        onchange: (event) => set({ title_template: valueOf(event) }),
      }),
    ),
  ];
  const isOwn = [...Object.keys(settings), 'title_template'].some(
    (name) => room[/** @type {keyof Room} */ (name)] !== null,
  );
  return h(
    'section',
    {},
    h(
      'details',
      { open: isOwn },
      h('summary', {}, 'Settings of this room'),
      h('div', { class: 'settings' }, ...choices, template),
    ),
  );
}

/** @param {Event} event */
function valueOf({ target }) {
  const text =
    target instanceof HTMLSelectElement || target instanceof HTMLInputElement ? target.value.trim() : '';
  return text === '' ? null : text;
}
