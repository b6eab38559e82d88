/**
 * Removals held by the brake: a card for each room and side, released or refused as a whole or in part.
 * @import { Removal, Room } from './shapes.ts'
 */
import { post } from './api.js';
import { ask } from './dialogs.js';
import { actionButton, byId, h, keep, scrollTable, setText } from './dom.js';
import { counted, name, referenceOf, span, titleOf } from './format.js';
import { say } from './language.js';
import { nameOf } from './room-state.js';

/** The side on which the removals would be made. @typedef {Removal['side']} Target */
/** `all`: with those that the API left out of its list. @typedef {{ room: Room, side: Target, removals: readonly Removal[], all: number }} Held */
/** @typedef {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void }} Actions */

const targets = /** @type {const} */ (['outlook', 'booking']);

/** The items of each side. */
const nouns = /** @type {const} */ ({ outlook: 'event', booking: 'reservation' });

/** @param {Actions} actions */
export function createBrake(actions) {
  const place = byId('brake', HTMLDivElement);
  return {
    /**
     * @param {readonly Room[]} rooms
     * @param {ReadonlyMap<number, readonly Removal[]>} removals
     */
    show(rooms, removals) {
      const held = rooms
        .filter((room) => room.health === 'held')
        .flatMap((room) => heldOf(room, removals.get(room.resource_id) ?? []));
      keep(
        place,
        held,
        ({ room, side }) => `${room.id} ${side}`,
        (first) => createCard(first, actions),
      );
      return held.length;
    },
  };
}

/** @param {Room} room @param {readonly Removal[]} removals @returns {Held[]} */
function heldOf(room, removals) {
  const leftOut = Math.max(0, room.held - removals.length);
  return targets
    .map((side) => {
      const own = removals.filter((removal) => removal.side === side);
      return { room, side, removals: own, all: own.length + leftOut };
    })
    .filter((one) => one.removals.length > 0);
}

/** @param {Held} held @param {Actions} actions */
function createCard({ room, side }, { act, explain }) {
  /** @type {readonly Removal[]} */
  let removals = [];
  /** Mappings whose box is not ticked. @type {Set<number>} */
  const excluded = new Set();
  const title = h('h2');
  const body = h('tbody');
  const all = h('input', {
    type: 'checkbox',
    'aria-label': say('brake.all'),
    checked: true,
    onchange: toggleAll,
  });
  const release = actionButton(say('brake.release'), () => decide('release'), 'danger');
  const refuse = actionButton(say('brake.refuse'), () => decide('refuse'));

  const chosen = () => removals.map(({ mapping_id: id }) => id).filter((id) => !excluded.has(id));

  /** @param {'release' | 'refuse'} decision */
  async function decide(decision) {
    const mappings = chosen();
    const question = questions[decision](side, counted(mappings.length, nouns[side]), name(nameOf(room)));
    if (await ask(question))
      await act(() => post(`/rooms/${room.resource_id}/brake/${decision}`, { mappings }));
  }

  function toggleAll() {
    excluded.clear();
    if (!all.checked) for (const { mapping_id: id } of removals) excluded.add(id);
    draw();
  }

  /** @param {number} id @param {boolean} isChosen */
  function choose(id, isChosen) {
    if (isChosen) excluded.delete(id);
    else excluded.add(id);
    draw();
  }

  function draw() {
    const count = chosen().length;
    const what = counted(count, nouns[side]);
    setText(release, say(`brake.release.these.${side}`, { what }));
    setText(refuse, say('brake.refuse.these', { what }));
    release.disabled = refuse.disabled = count === 0;
    all.checked = excluded.size === 0;
    all.indeterminate = excluded.size > 0 && count > 0;
    keep(
      body,
      removals,
      ({ mapping_id: id }) => String(id),
      (first) => createRow(first, { choose, explain, isChosen: (id) => !excluded.has(id) }),
    );
  }

  const heads = [
    h('th', {}, all),
    h('th', { scope: 'col' }, say(side === 'outlook' ? 'Event' : 'Reservation')),
    h('th', { scope: 'col' }, say('field.when')),
  ];
  return {
    element: h(
      'section',
      { class: 'panel', 'data-state': 'bad' },
      h(
        'header',
        {},
        title,
        h('p', {}, say(`brake.why.${side}`)),
        h('div', { class: 'actions' }, release, refuse),
      ),
      scrollTable({ 'aria-label': say(`brake.list.${side}`, { room: nameOf(room) }) }, heads, body),
    ),
    /** @param {Held} now */
    update(now) {
      removals = now.removals;
      setText(title, titleOfCard(now));
      draw();
    },
  };
}

/** @param {Held} held */
function titleOfCard({ room, removals, all }) {
  const title = say('brake.holds', { what: counted(removals.length, 'removal'), rooms: name(nameOf(room)) });
  return all > removals.length ? `${title} (${say('brake.first', { n: room.held })})` : title;
}

const questions = {
  /** @param {Target} side @param {string} what @param {string} room */
  release: (side, what, room) => ({
    title: say(`brake.release.ask.${side}`, { what, room }),
    text: say(`brake.release.text.${side}`),
    yes: say(`brake.release.yes.${side}`),
    danger: true,
  }),
  /** @param {Target} side @param {string} what @param {string} room */
  refuse: (side, what, room) => ({
    title: say('brake.refuse.ask', { what, room }),
    text: say(`brake.refuse.text.${side}`),
    yes: say('brake.refuse.yes'),
  }),
};

/**
 * @param {Removal} removal
 * @param {{ choose: (id: number, isChosen: boolean) => void, isChosen: (id: number) => boolean,
 *   explain: (mapping: number) => void }} card
 */
function createRow(removal, { choose, isChosen, explain }) {
  const id = removal.mapping_id;
  const box = h('input', {
    type: 'checkbox',
    'aria-label': say('choose', { what: String(removal.title ?? id) }),
  });
  box.addEventListener('change', () => choose(id, box.checked));
  const title = h('button', { type: 'button', class: 'link', onclick: () => explain(id) });
  const when = h('td');
  return {
    element: h(
      'tr',
      {},
      h('td', { class: 'tick' }, box),
      h('td', {}, title, h('span', { class: 'sub' }, ` ${referenceOf(removal)}`)),
      when,
    ),
    /** @param {Removal} now */
    update(now) {
      box.checked = isChosen(id);
      setText(title, titleOf(now));
      setText(when, span(now.starts_at, now.ends_at));
    },
  };
}
