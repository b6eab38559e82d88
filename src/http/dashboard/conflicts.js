/**
 * Conflicts: both sides beside each other, what differs marked, and a button under each.
 * @import { Conflict } from './shapes.ts'
 */
import { post } from './api.js';
import { ask } from './dialogs.js';
import { conflictWords, mailWords, sumOf } from './conflict-words.js';
import { actionButton, byId, fill, h, keep, keepFocus, setText } from './dom.js';
import { counted, distance } from './format.js';
import { heard } from './heard.js';
import { say } from './language.js';
import { sideRows } from './side-rows.js';

/** As many as the API takes at a time. */
const mostAtOnce = 100;
/** More are shown when they are asked for. */
const shownAtFirst = 10;

/** @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void }} options */
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
    const found = fitting();
    keep(list, found.slice(0, most), ({ id }) => String(id), card);
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

  /** Those that what was typed is found in. */
  function fitting() {
    const wanted = find.value.trim().toLocaleLowerCase();
    return open.filter(({ booking, outlook, organizer, outlook_organizer: inviting, room }) =>
      [booking?.title, outlook?.title, organizer, inviting, room].some(
        (text) => text?.toLocaleLowerCase().includes(wanted) ?? false,
      ),
    );
  }

  /** Only those that are on the page: nobody chooses in what was not seen. @param {'booking' | 'outlook'} side */
  async function keepAll(side) {
    const shown = fitting().slice(0, Math.min(most, mostAtOnce));
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

  /** @param {Conflict} first */
  function card(first) {
    const element = h('section', { class: 'panel', 'data-state': 'warn' });
    const since = h('span', { class: 'count' });
    let drawn = '';
    return {
      element,
      /** @param {Conflict} conflict */
      update(conflict) {
        // drawn anew only when it changed: a button under the pointer stays where it is
        const now = JSON.stringify(conflict);
        setText(since, `${conflict.room} · ${distance(conflict.since, Date.now())}`);
        if (now === drawn) return;
        drawn = now;
        keepFocus(element, () => fill(element, ...parts(conflict, first.id, since)));
      },
    };
  }

  /** @param {Conflict} conflict @param {number} id @param {HTMLElement} since */
  function parts(conflict, id, since) {
    const { booking, outlook, fields } = conflict;
    // of an event on a reserved time it is the event that waits, not what was there before
    const [first, second] = conflict.kind === 'overlap' ? [outlook, booking] : [booking, outlook];
    const title =
      first?.title ??
      second?.title ??
      `${conflict.reservation_type} ${conflict.reservation_key ?? conflict.reservation_id}`;
    const { effects, version } = conflict;
    /** @param {'booking' | 'outlook'} side @param {string} label */
    const choice = (side, label) => {
      const choose = async () => {
        const question = {
          title: say(`conflict.ask.${side}`),
          text: `${heard(effects[side])} ${mailWords(effects.mail[side])}`,
          yes: say('conflict.yes'),
          danger: effects.loses === side,
        };
        if (await ask(question)) await act(() => post(`/conflicts/${id}/resolve`, { keep: side, version }));
      };
      return h(
        'div',
        { class: 'side last' },
        actionButton(label, choose, effects.loses === side ? 'danger' : ''),
        h('p', { class: 'hint' }, `${heard(effects[side])} ${mailWords(effects.mail[side])}`),
      );
    };
    return [
      h(
        'header',
        {},
        h('h2', {}, h('button', { type: 'button', class: 'link', onclick: () => explain(id) }, title)),
        since,
        h('p', {}, conflictWords(conflict)),
        Boolean(conflict.taken_by) &&
          h('p', { class: 'hint' }, say('conflict.takenBy', { title: conflict.taken_by ?? '' })),
        organizers(conflict),
      ),
      h(
        'div',
        { class: 'sides' },
        ...sideRows({ booking, outlook, fields }),
        h('div', { class: 'corner last' }),
        choice('booking', say('conflict.keep.booking')),
        choice('outlook', say('conflict.keep.outlook')),
      ),
    ];
  }

  /** Who booked and who invited, each once. @param {Conflict} conflict */
  function organizers({ organizer, outlook_organizer: inviting }) {
    const names = [...new Set([organizer, inviting])].filter((name) => Boolean(name));
    return names.length > 0 && h('p', { class: 'hint' }, say('organiser', { name: names.join(' · ') }));
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
