/**
 * What the brake holds: the list, released or refused as a whole or in part.
 * @import { Removal, Room } from './shapes.ts'
 */
import { post } from './api.js';
import { ask } from './dialogs.js';
import { actionButton, byId, h, keep, setText } from './dom.js';
import { counted, name, span } from './format.js';
import { say } from './language.js';
import { nameOf } from './room-state.js';

const sides = /** @type {const} */ (['outlook', 'booking']);

/** What would be taken away, by where it is. */
const nouns = /** @type {const} */ ({ outlook: 'event', booking: 'reservation' });

/** @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void }} options */
export function createBrake({ act, explain }) {
  const place = byId('brake', HTMLDivElement);

  /** @param {{ room: Room, side: Removal['side'] }} of */
  function card({ room, side }) {
    const counting = (/** @type {number} */ count) => counted(count, nouns[side]);
    const resource = room.resource_id;
    /** @type {readonly Removal[]} */
    let removals = [];
    /** @type {Set<number>} */
    const left = new Set();
    const chosen = () =>
      removals.filter(({ mapping_id: id }) => !left.has(id)).map(({ mapping_id: id }) => id);
    const title = h('h2');
    const body = h('tbody');
    const all = h('input', { type: 'checkbox', 'aria-label': say('brake.all'), checked: true });
    all.addEventListener('change', () => {
      left.clear();
      if (!all.checked) for (const { mapping_id: id } of removals) left.add(id);
      draw();
    });

    const release = actionButton(
      say('brake.release'),
      async () => {
        const ids = chosen();
        const question = {
          title: say(`brake.release.ask.${side}`, { what: counting(ids.length), room: name(nameOf(room)) }),
          text: say(`brake.release.text.${side}`),
          yes: say(`brake.release.yes.${side}`),
          danger: true,
        };
        if (await ask(question)) await act(() => post(`/rooms/${resource}/brake/release`, { mappings: ids }));
      },
      'danger',
    );
    const refuse = actionButton(say('brake.refuse'), async () => {
      const ids = chosen();
      const question = {
        title: say('brake.refuse.ask', { what: counting(ids.length), room: name(nameOf(room)) }),
        text: say(`brake.refuse.text.${side}`),
        yes: say('brake.refuse.yes'),
      };
      if (await ask(question)) await act(() => post(`/rooms/${resource}/brake/refuse`, { mappings: ids }));
    });

    function draw() {
      const count = chosen().length;
      setText(release, say(`brake.release.these.${side}`, { what: counting(count) }));
      setText(refuse, say('brake.refuse.these', { what: counting(count) }));
      release.disabled = refuse.disabled = count === 0;
      all.checked = left.size === 0;
      all.indeterminate = left.size > 0 && count > 0;
      keep(body, removals, ({ mapping_id: id }) => String(id), row);
    }

    /** @param {Removal} removal */
    function row(removal) {
      const id = removal.mapping_id;
      const box = h('input', {
        type: 'checkbox',
        'aria-label': say('choose', { what: String(removal.title ?? id) }),
      });
      box.addEventListener('change', () => {
        if (box.checked) left.delete(id);
        else left.add(id);
        draw();
      });
      const name = h('button', { type: 'button', class: 'link', onclick: () => explain(id) });
      const when = h('td');
      const element = h(
        'tr',
        {},
        h('td', { class: 'tick' }, box),
        h(
          'td',
          {},
          name,
          h(
            'span',
            { class: 'sub' },
            ` ${removal.reservation_type} ${removal.reservation_key ?? removal.reservation_id}`,
          ),
        ),
        when,
      );
      return {
        element,
        /** @param {Removal} now */
        update(now) {
          box.checked = !left.has(id);
          setText(name, now.title ?? `${now.reservation_type} ${now.reservation_key ?? now.reservation_id}`);
          setText(when, span(now.starts_at, now.ends_at));
        },
      };
    }

    const element = h(
      'section',
      { class: 'panel', 'data-state': 'bad' },
      h(
        'header',
        {},
        title,
        h('p', {}, say(`brake.why.${side}`)),
        h('div', { class: 'actions' }, release, refuse),
      ),
      h(
        'div',
        {
          class: 'scroll',
          tabindex: '0',
          role: 'region',
          'aria-label': say(`brake.list.${side}`, { room: nameOf(room) }),
        },
        h(
          'table',
          { class: 'table' },
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              h('th', {}, all),
              h('th', { scope: 'col' }, say(side === 'outlook' ? 'Event' : 'Reservation')),
              h('th', { scope: 'col' }, say('field.when')),
            ),
          ),
          body,
        ),
      ),
    );
    return {
      element,
      /** @param {{ room: Room, removals: readonly Removal[], all: number }} now */
      update(now) {
        removals = now.removals;
        const more = now.all - removals.length;
        setText(
          title,
          say('brake.holds', { what: counted(removals.length, 'removal'), rooms: name(nameOf(now.room)) }) +
            (more > 0 ? ` (${say('brake.first', { n: now.room.held })})` : ''),
        );
        draw();
      },
    };
  }

  return {
    /**
     * @param {readonly Room[]} rooms
     * @param {ReadonlyMap<number, readonly Removal[]>} removals
     */
    show(rooms, removals) {
      const held = rooms
        .filter((room) => room.health === 'held')
        .flatMap((room) => {
          const all = removals.get(room.resource_id) ?? [];
          const rest = room.held - all.length;
          return sides.map((side) => {
            const own = all.filter((removal) => removal.side === side);
            return { room, side, removals: own, all: own.length + Math.max(0, rest) };
          });
        })
        .filter((one) => one.removals.length > 0);
      keep(place, held, ({ room, side }) => `${room.id} ${side}`, card);
      return held.length;
    },
  };
}
