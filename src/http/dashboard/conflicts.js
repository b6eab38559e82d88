/**
 * Conflicts: both sides next to each other with differences marked, and a button for each side.
 * @import { Conflict } from './shapes.ts'
 */
import { post } from './api.js';
import { ask } from './dialogs.js';
import { conflictWords, mailWords, sumOf } from './conflict-words.js';
import { actionButton, byId, fill, h, keep, keepFocus, setText } from './dom.js';
import { counted, distance, referenceOf } from './format.js';
import { translated } from './translate.js';
import { say } from './language.js';
import { sideRows } from './side-rows.js';

/** The limit of the API for one call. */
const mostAtOnce = 100;
/** A button shows the others. */
const shownAtFirst = 10;

/** @typedef {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void }} Actions */
/** @typedef {'booking' | 'outlook'} Target */

/** @param {Actions} actions */
export function createConflicts({ act, explain }) {
  const place = byId('conflicts', HTMLDivElement);

  const list = h('div', { class: 'stack' });
  const find = /** @type {HTMLInputElement} */ (
    h('input', {
      type: 'search',
      'aria-label': say('conflicts.find'),
      placeholder: say('conflicts.find.placeholder'),
      oninput: draw,
    })
  );
  const shownCount = h('span', { class: 'count', role: 'status' });
  const many = h(
    'div',
    { class: 'many', role: 'group', 'aria-label': say('conflicts.many') },
    find,
    shownCount,
    actionButton(say('conflicts.all.booking'), () => keepAll('booking')),
    actionButton(say('conflicts.all.outlook'), () => keepAll('outlook')),
  );
  const all = h('button', { type: 'button', onclick: showAll });
  let most = shownAtFirst;
  /** @type {readonly Conflict[]} */
  let open = [];

  function showAll() {
    most = Number.POSITIVE_INFINITY;
    draw();
  }

  function draw() {
    const found = matching(open, find.value);
    keep(
      list,
      found.slice(0, most),
      ({ id }) => String(id),
      (first) => createCard(first.id, { act, explain }),
    );
    setText(all, say('conflicts.further', { n: Math.max(0, found.length - most) }));
    all.hidden = found.length <= most;
    many.hidden = open.length < 2;
    setText(
      shownCount,
      say('conflicts.shown', {
        shown: Math.min(most, found.length),
        conflicts: counted(open.length, 'conflict'),
      }),
    );
    if (open.length === 0) fill(place);
    else if (!list.isConnected) fill(place, many, list, all);
  }

  /** Resolves only the conflicts shown on the page. @param {Target} side */
  async function keepAll(side) {
    const shown = matching(open, find.value).slice(0, Math.min(most, mostAtOnce));
    if (shown.length === 0) return;
    const question = {
      title: say(`conflicts.ask.${side}`, { conflicts: counted(shown.length, 'conflict') }),
      text: sumOf(shown, side),
      yes: say(`conflicts.yes.${side}`, { count: shown.length }),
      danger: shown.some(({ effects }) => effects.loses === side),
    };
    const chosen = shown.map(({ id, version }) => ({ id, version }));
    if (await ask(question)) await act(() => post('/conflicts/resolve', { keep: side, conflicts: chosen }));
  }

  return {
    /** @param {readonly Conflict[] | null} conflicts null: the endpoint is not there */
    show(conflicts) {
      open = conflicts ?? [];
      draw();
      return open.length;
    },
  };
}

/**
 * Conflicts of which a title, an organizer or the room contains the text.
 * @param {readonly Conflict[]} conflicts
 * @param {string} text
 */
function matching(conflicts, text) {
  const wanted = text.trim().toLocaleLowerCase();
  return conflicts.filter(({ booking, outlook, organizer, outlook_organizer: inviting, room }) =>
    [booking?.title, outlook?.title, organizer, inviting, room].some(
      (found) => found?.toLocaleLowerCase().includes(wanted) ?? false,
    ),
  );
}

/** @param {number} id @param {Actions} actions */
function createCard(id, actions) {
  const element = h('section', { class: 'panel', 'data-state': 'warn' });
  const since = h('span', { class: 'count' });
  let drawn = '';
  return {
    element,
    /** @param {Conflict} conflict */
    update(conflict) {
      setText(since, `${conflict.room} · ${distance(conflict.since, Date.now())}`);
      // drawn again only after a change, so that a button under the pointer stays in its place
      const now = JSON.stringify(conflict);
      if (now === drawn) return;
      drawn = now;
      keepFocus(element, () =>
        fill(element, cardHead(conflict, id, since, actions), cardSides(conflict, id, actions)),
      );
    },
  };
}

/** @param {Conflict} conflict @param {number} id @param {HTMLElement} since @param {Actions} actions */
function cardHead(conflict, id, since, { explain }) {
  const { booking, outlook, taken_by: takenBy } = conflict;
  // in an overlap the event is the item that waits
  const [first, second] = conflict.kind === 'overlap' ? [outlook, booking] : [booking, outlook];
  const title = first?.title ?? second?.title ?? referenceOf(conflict);
  const names = organizersOf(conflict);
  return h(
    'header',
    {},
    h('h2', {}, h('button', { type: 'button', class: 'link', onclick: () => explain(id) }, title)),
    since,
    h('p', {}, conflictWords(conflict)),
    Boolean(takenBy) && h('p', { class: 'hint' }, say('conflict.takenBy', { title: takenBy ?? '' })),
    names.length > 0 && h('p', { class: 'hint' }, say('organiser', { name: names.join(' · ') })),
  );
}

/** @param {Conflict} conflict @param {number} id @param {Actions} actions */
function cardSides(conflict, id, actions) {
  return h(
    'div',
    { class: 'sides' },
    ...sideRows(conflict),
    h('div', { class: 'corner last' }),
    choice(conflict, id, 'booking', actions),
    choice(conflict, id, 'outlook', actions),
  );
}

/** The button that keeps one side, with its effects. @param {Conflict} conflict @param {number} id @param {Target} side @param {Actions} actions */
function choice({ effects, version }, id, side, { act }) {
  const text = `${translated(effects[side])} ${mailWords(effects.mail[side])}`;
  const danger = effects.loses === side;
  async function choose() {
    const question = { title: say(`conflict.ask.${side}`), text, yes: say('conflict.yes'), danger };
    if (await ask(question)) await act(() => post(`/conflicts/${id}/resolve`, { keep: side, version }));
  }
  return h(
    'div',
    { class: 'side last' },
    actionButton(say(`conflict.keep.${side}`), choose, danger ? 'danger' : ''),
    h('p', { class: 'hint' }, text),
  );
}

/** The organizers on both sides, each name once. @param {Conflict} conflict */
const organizersOf = ({ organizer, outlook_organizer: inviting }) =>
  [...new Set([organizer, inviting])].filter((name) => Boolean(name));
