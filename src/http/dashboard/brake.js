/**
 * What the brake holds: the list, released or refused as a whole or in part.
 * @import { Removal, Room } from './shapes.ts'
 */
import { post } from './api.js';
import { ask } from './dialogs.js';
import { actionButton, byId, h, keep, setText } from './dom.js';
import { counted, name, number, span } from './format.js';
import { nameOf } from './room-state.js';

const sides = /** @type {const} */ (['outlook', 'booking']);

/**
 * What would be taken away, by where it is.
 * @type {Record<Removal['side'], { what: string, why: string, verb: string, again: string, keeps: string }>}
 */
const words = {
  outlook: {
    what: 'event',
    why:
      'The reservations are gone from the booking system, not cancelled: gone, and many at once. ' +
      'Was a table emptied, a restore half done? If they were meant to go, release them. If not, refuse: the events stay.',
    verb: 'delete',
    again: 'Each is looked at again first; one whose reservation is back stays.',
    keeps: 'stays in the calendar. A reservation that is restored finds its event again; none is doubled.',
  },
  booking: {
    what: 'reservation',
    why:
      'Their events are gone from Outlook, many at once. Was a calendar emptied by mistake? ' +
      'If they were meant to go, release: the reservations are cancelled. If not, refuse: they stay and get new events.',
    verb: 'cancel',
    again:
      'Each is looked at again first; one whose event is back stays. They are cancelled in the booking system.',
    keeps: 'stays, and gets a new event in Outlook.',
  },
};

/** @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void }} options */
export function createBrake({ act, explain }) {
  const place = byId('brake', HTMLDivElement);

  /** @param {{ room: Room, side: Removal['side'] }} of */
  function card({ room, side }) {
    const { what, why, verb, again, keeps } = words[side];
    const resource = room.resource_id;
    /** @type {readonly Removal[]} */
    let removals = [];
    /** @type {Set<number>} */
    const left = new Set();
    const chosen = () =>
      removals.filter(({ mapping_id: id }) => !left.has(id)).map(({ mapping_id: id }) => id);
    const title = h('h2');
    const body = h('tbody');
    const all = h('input', { type: 'checkbox', 'aria-label': 'All of them', checked: true });
    all.addEventListener('change', () => {
      left.clear();
      if (!all.checked) for (const { mapping_id: id } of removals) left.add(id);
      draw();
    });

    const release = actionButton(
      'Release',
      async () => {
        const ids = chosen();
        const question = {
          title: `${verb === 'delete' ? 'Delete' : 'Cancel'} ${counted(ids.length, what)} of ${name(nameOf(room))}?`,
          text: again,
          yes: verb === 'delete' ? 'Delete' : 'Cancel them',
          danger: true,
        };
        if (await ask(question)) await act(() => post(`/rooms/${resource}/brake/release`, { mappings: ids }));
      },
      'danger',
    );
    const refuse = actionButton('Refuse', async () => {
      const ids = chosen();
      const question = {
        title: `Keep ${counted(ids.length, what)} of ${name(nameOf(room))}?`,
        text: `Each ${keeps}`,
        yes: 'Keep',
      };
      if (await ask(question)) await act(() => post(`/rooms/${resource}/brake/refuse`, { mappings: ids }));
    });

    function draw() {
      const count = chosen().length;
      setText(release, `Release: ${verb} ${counted(count, what)}`);
      setText(refuse, `Refuse: keep ${counted(count, what)}`);
      release.disabled = refuse.disabled = count === 0;
      all.checked = left.size === 0;
      all.indeterminate = left.size > 0 && count > 0;
      keep(body, removals, ({ mapping_id: id }) => String(id), row);
    }

    /** @param {Removal} removal */
    function row(removal) {
      const id = removal.mapping_id;
      const box = h('input', { type: 'checkbox', 'aria-label': `Choose ${removal.title ?? id}` });
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
          h('span', { class: 'sub' }, ` ${removal.reservation_type} ${removal.reservation_id}`),
        ),
        when,
      );
      return {
        element,
        /** @param {Removal} now */
        update(now) {
          box.checked = !left.has(id);
          setText(name, now.title ?? `${now.reservation_type} ${now.reservation_id}`);
          setText(when, span(now.starts_at, now.ends_at));
        },
      };
    }

    const element = h(
      'section',
      { class: 'panel', 'data-state': 'bad' },
      h('header', {}, title, h('p', {}, why), h('div', { class: 'actions' }, release, refuse)),
      h(
        'div',
        { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Held in ${nameOf(room)}: ${what}s` },
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
              h('th', { scope: 'col' }, side === 'outlook' ? 'Event' : 'Reservation'),
              h('th', { scope: 'col' }, 'When'),
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
          `The brake holds ${counted(removals.length, 'removal')} in ${name(nameOf(now.room))}` +
            (more > 0 ? ` (the first of ${number(now.room.held)}; the others follow)` : ''),
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
