/**
 * Activity: changes with their direction and latency, from the log of all daemons and the live facts of this one. The log
 * is authoritative: a live fact is shown until the log that contains it has been read.
 * @import { Line, State } from './shapes.ts'
 */
import { byId, fill, h, keep, setText } from './dom.js';
import { counted, duration, fullTime, timeOfDay } from './format.js';
import { translated } from './translate.js';
import { named, say } from './language.js';

const linesMost = 60;
const slowMs = 5_000;
const foldMs = 60_000;
const pointedMs = 10_000;

/**
 * @typedef {{ key: string, at: number, arrow: 'out' | 'in' | '', title: string, sub: string, took: string, slow: boolean,
 *   took_ms?: number | null, state: State | '', mapping: number | null, resource: number | null }} Entry
 */

/** @param {{ explain: (mapping: number) => void, openRoom: (resource: number) => void }} options */
export function createFeed({ explain, openRoom }) {
  const list = byId('feed', HTMLOListElement);
  const pause = byId('feed-pause', HTMLButtonElement);
  const holding = byId('feed-held', HTMLSpanElement);
  /** @type {Entry[]} */
  let logged = [];
  /** @type {Entry[]} */
  let live = [];
  let next = 0;
  let held = false;
  let pointed = false;
  let drawing = false;

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let letGo;
  // while the mouse moves over the list, its lines stay in place to be clicked
  function leave() {
    clearTimeout(letGo);
    pointed = false;
    draw();
  }
  list.addEventListener('pointermove', ({ pointerType }) => {
    if (pointerType !== 'mouse') return;
    pointed = true;
    clearTimeout(letGo);
    letGo = setTimeout(leave, pointedMs);
  });
  list.addEventListener('pointerleave', leave);

  pause.addEventListener('click', () => {
    held = !held;
    pause.setAttribute('aria-pressed', String(held));
    setText(pause, say(held ? 'feed.resume' : 'feed.pause'));
    draw();
  });

  function draw() {
    // in a short list new lines move nothing far
    const still = pointed && list.childElementCount > 3;
    holding.hidden = !still || held;
    if (held || still || drawing) return;
    // a burst of facts is drawn once
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      showEntries();
    });
  }

  function showEntries() {
    const entries = folded([...live, ...logged].toSorted((a, b) => b.at - a.at)).slice(0, linesMost);
    list.querySelector('.empty')?.remove();
    keep(list, entries, ({ key }) => key, row);
    if (entries.length === 0) fill(list, h('li', { class: 'empty' }, say('feed.empty')));
  }

  /** @param {Entry} first */
  const row = (first) => entryRow(first, openerOf(first, { explain, openRoom }));

  return {
    /** @param {readonly Line[]} lines */
    show(lines) {
      logged = lines.map(ofLine);
      // changes of items are in the log by now; events of rooms and sides are not
      live = live.filter((entry) => entry.key.startsWith('room '));
      draw();
    },
    /** @param {Record<string, any>} fact */
    add(fact) {
      const entry = ofFact(fact, (next += 1));
      if (entry === null) return;
      live = [entry, ...live].slice(0, linesMost);
      draw();
    },
  };
}

/**
 * @param {Entry} entry
 * @param {{ explain: (mapping: number) => void, openRoom: (resource: number) => void }} options
 * @returns {(() => void) | null} null: there is nothing to open
 */
function openerOf({ mapping, resource }, { explain, openRoom }) {
  if (mapping !== null) return () => explain(mapping);
  return resource === null ? null : () => openRoom(resource);
}

const arrows = { out: '→', in: '←', '': '·' };

/** @param {Entry} first @param {(() => void) | null} open */
function entryRow(first, open) {
  const title = open === null ? h('span') : h('button', { type: 'button', class: 'link', onclick: open });
  const sub = h('span', { class: 'sub' });
  const took = h('span', { class: 'took' });
  const directions = { in: say('feed.in'), out: say('feed.out'), '': '' };
  return {
    element: h(
      'li',
      { 'data-state': first.state },
      h('time', { title: fullTime(new Date(first.at).toISOString()) }, timeOfDay(first.at)),
      h('span', { class: `arrow ${first.arrow}`, title: directions[first.arrow] }, arrows[first.arrow]),
      h('div', { class: 'what' }, title, sub),
      took,
    ),
    /** @param {Entry} entry */
    update(entry) {
      setText(title, entry.title);
      setText(sub, entry.sub);
      setText(took, entry.took);
      took.classList.toggle('slow', entry.slow);
    },
  };
}

/**
 * Consecutive changes with the same title (a season booked at once) are one line with their number and the latency of the
 * slowest. It has the key of the oldest, so that it stays the same element while it grows.
 * @param {readonly Entry[]} entries the newest first
 * @returns {Entry[]}
 */
function folded(entries) {
  /** @type {{ entry: Entry, count: number }[]} */
  const groups = [];
  for (const entry of entries) {
    const last = groups.at(-1);
    const same =
      last !== undefined &&
      last.entry.mapping !== entry.mapping &&
      !entry.key.startsWith('room ') &&
      ['arrow', 'title', 'sub', 'state'].every(
        (part) => last.entry[/** @type {'sub'} */ (part)] === entry[/** @type {'sub'} */ (part)],
      ) &&
      last.entry.at - entry.at < foldMs;
    if (!same) groups.push({ entry, count: 1 });
    else {
      const slowest = (entry.took_ms ?? 0) > (last.entry.took_ms ?? 0) ? entry : last.entry;
      const { took, took_ms, slow } = slowest;
      last.entry = { ...last.entry, key: entry.key, took, took_ms: took_ms ?? null, slow };
      last.count += 1;
    }
  }
  return groups.map(({ entry, count }) =>
    count === 1
      ? entry
      : {
          ...entry,
          sub: `${counted(count, 'time')} ${entry.sub}`,
          took: entry.took === '' ? '' : `≤ ${entry.took}`,
        },
  );
}

/**
 * @param {string | null | undefined} type
 * @param {number | string | null | undefined} id
 */
const reference = (type, id) => (type == null ? say('reservation') : `${type} ${id ?? ''}`);

/**
 * @param {Line} line
 * @returns {Entry}
 */
function ofLine(line) {
  const failed = line.action === 'parked' ? 'bad' : line.action === 'delayed' ? 'warn' : '';
  return {
    key: `line ${line.id}`,
    at: Date.parse(line.at),
    // an item that needs attention was not written to either side
    arrow: ['parked', 'asked'].includes(line.action)
      ? ''
      : line.direction === 'booking_to_outlook'
        ? 'out'
        : 'in',
    title:
      line.title ??
      (line.action === 'asked' && line.reservation_id === null
        ? (line.room ?? say('feed.asked'))
        : reference(line.reservation_type, line.reservation_key ?? line.reservation_id)),
    sub:
      line.action === 'asked'
        ? `${line.who ?? ''} · ${translated(line.reason ?? '')}`
        : `${named('done', line.action)} · ${line.room ?? ''}`,
    took: line.latency_ms === null ? '' : duration(line.latency_ms),
    took_ms: line.latency_ms,
    slow: (line.latency_ms ?? 0) > slowMs,
    state: failed,
    mapping: line.mapping_id,
    resource: line.resource_id,
  };
}

/**
 * @param {Record<string, any>} fact
 * @param {number} count
 * @returns {Entry | null}
 */
function ofFact(fact, count) {
  const about = {
    at: Date.now(),
    took: '',
    slow: false,
    mapping: null,
    resource: fact['resourceId'] ?? null,
  };
  /** @param {State | ''} state @param {string} title @param {string} sub @returns {Entry} */
  const plain = (state, title, sub) => ({ ...about, key: `room ${count}`, arrow: '', title, sub, state });
  const room = String(fact['room'] ?? '');
  const error = translated(String(fact['error'] ?? ''));
  switch (fact['fact']) {
    case 'pushed':
    case 'pulled':
      if (fact['action'] === 'unchanged' || fact['latencyMs'] == null) return null;
      return {
        ...about,
        key: `fact ${count}`,
        arrow: fact['fact'] === 'pushed' || fact['action'] === 'declined' ? 'out' : 'in',
        title: reference(fact['reservationType'], fact['reservationId']),
        sub: `${named('done', fact['action'])} · ${room}`,
        took: duration(fact['latencyMs']),
        slow: fact['latencyMs'] > slowMs,
        state: '',
        mapping: fact['mappingId'] ?? null,
      };
    case 'room-resting':
      return plain('warn', say('fact.resting', { room }), error);
    case 'room-refused':
      return plain('bad', say('fact.refused', { room }), error);
    case 'room-held':
      return plain('bad', say('fact.held', { room }), error);
    case 'start-held':
      return plain('bad', say('fact.start'), error);
    case 'room-well':
      return plain('good', say('fact.well', { room }), '');
    case 'room-baselined':
      return plain('', say('fact.compared', { room }), counted(fact['events'], 'event'));
    case 'brake-held':
      return plain('bad', say('fact.brake', { room }), counted(fact['held'], 'removal'));
    case 'outage':
      return plain(
        'bad',
        say(fact['side'] === 'outlook' ? 'fact.outage.outlook' : 'fact.outage.booking'),
        error,
      );
    case 'outage-over':
      return plain(
        'good',
        say(fact['side'] === 'outlook' ? 'fact.back.outlook' : 'fact.back.booking'),
        say('fact.after', { length: duration(fact['ms']) }),
      );
    case 'started':
      return plain('', say('fact.started'), '');
    case 'plan-confirmed':
      return plain('good', say('fact.confirmed'), say('fact.confirmed.now'));
    default:
      return null;
  }
}
