/**
 * The rooms: state, direction, lag, last sync, next poll, end of the subscription. They are sorted, filtered and searched
 * in the browser; a limited number is shown.
 * @import { Room, State, Stats } from './shapes.ts'
 */
import { byId, fill, h, keep, setText } from './dom.js';
import { distance, duration, fullTime, number } from './format.js';
import { locale, named, say } from './language.js';
import { nameOf, stateOf } from './room-state.js';

const pageSize = 150;
const lateMs = 10_000;

/** Room 2 before room 10. */
const names = new Intl.Collator([locale(), 'nb'], { numeric: true });
const compare = (/** @type {string | number} */ a, /** @type {string | number} */ b) =>
  typeof a === 'string' || typeof b === 'string'
    ? names.compare(String(a), String(b))
    : Math.sign(a - b) || 0;

/** @param {string | null} at */
const timeKey = (at) => (at === null ? Number.POSITIVE_INFINITY : Date.parse(at));

/**
 * @type {readonly { key: string, kind: string,
 *   of: (room: Room, stats: Stats | null) => string | number }[]}
 */
const columns = [
  { key: 'state', kind: '', of: (room, stats) => stateOf(room, stats).rank },
  { key: 'name', kind: 'name', of: nameOf },
  { key: 'direction', kind: 'wide', of: (room) => room.sync_direction },
  { key: 'due', kind: 'number middle', of: (room) => -room.due },
  { key: 'lag', kind: 'number', of: (room) => -room.lag_ms },
  { key: 'last', kind: 'number middle', of: (room) => -timeKey(room.last_sync_at) },
  { key: 'poll', kind: 'number wide', of: (room) => timeKey(room.pull_due_at) },
  {
    key: 'ends',
    kind: 'number wide',
    of: (room) => timeKey(room.subscription_expires_at),
  },
];

/** @type {Record<string, (state: State) => boolean>} */
const filters = {
  all: () => true,
  trouble: (state) => state === 'bad' || state === 'warn',
  busy: (state) => state === 'busy',
  paused: (state) => state === 'away',
};

/** @param {{ open: (resource: number) => void }} options */
export function createRooms({ open }) {
  const body = byId('rooms-body', HTMLTableSectionElement);
  const search = byId('rooms-search', HTMLInputElement);
  const more = byId('rooms-more', HTMLParagraphElement);
  /** @type {readonly Room[]} */
  let rooms = [];
  /** @type {Stats | null} */
  let stats = null;
  let drawn = '';
  let sort = { key: 'state', down: false };
  let filter = 'all';
  let shown = pageSize;

  const heads = columns.map((column) => {
    const choose = () => {
      sort = { key: column.key, down: sort.key === column.key && !sort.down };
      draw();
    };
    return h(
      'th',
      { class: column.kind, scope: 'col' },
      h('button', { type: 'button', onclick: choose }, named('rooms', column.key)),
    );
  });
  fill(byId('rooms-head', HTMLTableRowElement), ...heads);
  const chips = Object.keys(filters).map((name) => {
    const label = named('rooms.filter', name);
    const choose = () => {
      filter = name;
      draw();
    };
    return { name, label, element: h('button', { type: 'button', onclick: choose }, label) };
  });
  fill(byId('rooms-filter', HTMLDivElement), ...chips.map(({ element }) => element));
  const showAll = () => {
    shown = Number.POSITIVE_INFINITY;
    draw();
  };
  const all = h('button', { type: 'button', class: 'link', onclick: showAll });
  const none = h('span');
  fill(more, all, none);
  search.addEventListener('input', () => {
    shown = pageSize;
    draw();
  });

  function draw() {
    const wanted = search.value.trim().toLocaleLowerCase();
    const isWanted = (/** @type {Room} */ room) =>
      wanted === '' ||
      `${nameOf(room)} ${room.outlook_item_id} ${room.resource_id} ${stateOf(room, stats).word}`
        .toLocaleLowerCase()
        .includes(wanted);
    const chosen = rooms.filter((room) => filters[filter]?.(stateOf(room, stats).state) && isWanted(room));
    const column = columns.find(({ key }) => key === sort.key);
    const keyed = chosen.map((room) => ({ room, key: column?.of(room, stats) ?? 0, name: nameOf(room) }));
    keyed.sort((a, b) => compare(a.key, b.key) || names.compare(a.name, b.name));
    if (sort.down) keyed.reverse();
    const page = keyed.slice(0, shown).map(({ room }) => room);
    keep(
      body,
      page,
      (room) => String(room.id),
      (room) => row(room, open, () => stats),
    );
    setText(all, say('rooms.showAll', { n: chosen.length }));
    all.hidden = page.length === chosen.length;
    setText(none, say(rooms.length === 0 ? 'rooms.none' : 'rooms.noneSuch'));
    none.hidden = page.length > 0;
    more.hidden = all.hidden && none.hidden;
    setText(byId('rooms-count', HTMLSpanElement), number(rooms.length));
    heads.forEach((head, at) => {
      const sorted = columns[at]?.key === sort.key;
      if (sorted) head.setAttribute('aria-sort', sort.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    for (const { name, label, element } of chips) {
      const count = rooms.filter((room) => filters[name]?.(stateOf(room, stats).state)).length;
      setText(element, name === 'all' ? label : `${label} ${number(count)}`);
      element.setAttribute('aria-pressed', String(filter === name));
    }
  }

  return {
    /** @param {readonly Room[]} now @param {Stats | null} current */
    show(now, current) {
      const key = JSON.stringify([current?.start.writes, current?.outages.outlook !== null]);
      if (now === rooms && key === drawn) return;
      drawn = key;
      rooms = now;
      stats = current;
      draw();
    },
  };
}

/** The time until a poll; an overdue one is due now. @param {string | null} at @param {number} now */
const soon = (at, now) => (at !== null && Date.parse(at) < now ? say('distance.now') : distance(at, now));

/** The remaining time. @param {string} at @param {number} now */
const left = (at, now) =>
  Date.parse(at) > now
    ? say('distance.left', { length: duration(Date.parse(at) - now, 0) })
    : distance(at, now);

/**
 * @param {Room} first
 * @param {(resource: number) => void} open
 * @param {() => Stats | null} current
 */
function row(first, open, current) {
  const cells = columns.map(({ kind }) => h('td', { class: kind }));
  const dot = h('span', { class: 'dot' });
  const word = h('span');
  const name = h('button', { type: 'button', class: 'link' });
  cells[0]?.append(h('span', { class: 'state' }, dot, word));
  const oneWay = h('span', { class: 'sub one-way' });
  cells[1]?.append(name, oneWay);
  const element = h('tr', { onclick: () => open(first.resource_id) }, ...cells);
  return {
    element,
    /** @param {Room} room */
    update(room) {
      const now = Date.now();
      const state = stateOf(room, current());
      element.dataset['state'] = state.state;
      element.className = room.active === 1 ? '' : 'off';
      setText(word, state.word);
      setText(name, nameOf(room));
      name.title = room.outlook_item_id;
      setText(
        oneWay,
        room.sync_direction === 'both' ? '' : ` ${named('direction.only', room.sync_direction)}`,
      );
      const off = room.active !== 1;
      const texts = [
        named('direction', room.sync_direction),
        room.due === 0 ? '' : number(room.due),
        room.lag_ms === 0 ? '' : duration(room.lag_ms),
        distance(room.last_sync_at, now),
        off ? '' : soon(room.pull_due_at, now),
        off
          ? ''
          : room.subscription_expires_at === null
            ? say('rooms.polled')
            : left(room.subscription_expires_at, now),
      ];
      texts.forEach((text, at) => {
        const cell = cells[at + 2];
        if (cell !== undefined) setText(cell, text);
      });
      cells[4]?.classList.toggle('late', room.lag_ms > lateMs);
      for (const [at, time] of [
        [5, room.last_sync_at],
        [6, room.pull_due_at],
        [7, room.subscription_expires_at],
      ])
        cells[Number(at)]?.setAttribute('title', time === null ? '' : fullTime(String(time)));
      if (!off && room.subscription_expires_at === null)
        cells[7]?.setAttribute('title', say('rooms.polled.why'));
    },
  };
}
