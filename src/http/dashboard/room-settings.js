/**
 * Settings of one room that override the environment's, shown and changed.
 * @import { Room } from './shapes.ts'
 */
import { readOnlyReason } from './access.js';
import { h } from './dom.js';
import { named, say } from './language.js';

/** Settings with their values. */
const settings = /** @type {const} */ ({
  conflict_policy: ['booking', 'outlook', 'newest', 'ask'],
  overlap_policy: ['flag', 'import', 'decline'],
  import_mode: ['auto', 'manual'],
  privacy: ['neutral', 'busy-only', 'full'],
});

/**
 * @param {Room} room
 * @param {(own: Record<string, string | null>) => Promise<void>} set
 */
export function settingsOf(room, set) {
  const disabled = readOnlyReason() !== null;
  const [choices, template] = [
    Object.entries(settings).map(([name, values]) => {
      const own = room[/** @type {keyof typeof settings} */ (name)];
      const options = [
        ['', say('setting.environment')],
        ...values.map((value) => [value, named('setting', `${name}.${value}`)]),
      ];
      return h(
        'label',
        {},
        named('setting', name),
        h(
          'select',
          { name, disabled, onchange: (event) => set({ [name]: valueOf(event) }) },
          ...options.map(([value, word]) => h('option', { value, selected: value === (own ?? '') }, word)),
        ),
      );
    }),
    h(
      'label',
      {},
      say('setting.title_template'),
      h('input', {
        name: 'title_template',
        disabled,
        value: room.title_template ?? '',
        maxlength: 200,
        placeholder: say('setting.title_template.placeholder'),
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
      h('summary', {}, say('settings')),
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
