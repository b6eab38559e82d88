/**
 * What went where, and in how many milliseconds: the log of all daemons, with what this one tells meanwhile on top.
 * The log is the truth; a fact is shown until the log that holds it has been read.
 * @import { Line, State } from './shapes.ts'
 */
import { byId, fill, h, keep, setText } from './dom.js';
import { counted, duration, fullTime, timeOfDay } from './format.js';
import { heard } from './heard.js';
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
  let told = [];
  let next = 0;
  let held = false;
  let pointed = false;
  let drawing = false;

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let letGo;
  // what a person is about to click stays where it is, for as long as the mouse is moved
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

  // a burst of facts is one drawing
  function draw() {
    // a list that is not full yet pushes nothing away that matters
    const still = pointed && list.childElementCount > 3;
    holding.hidden = !still || held;
    if (held || still || drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      const entries = folded([...told, ...logged].toSorted((a, b) => b.at - a.at)).slice(0, linesMost);
      if (entries.length === 0) {
        keep(list, [], () => '', entryRow);
        fill(list, h('li', { class: 'empty' }, say('feed.empty')));
        return;
      }
      list.querySelector('.empty')?.remove();
      keep(list, entries, ({ key }) => key, entryRow);
    });
  }

  /** @param {Entry} first */
  function entryRow(first) {
    const open = () =>
      first.mapping !== null
        ? explain(first.mapping)
        : first.resource !== null
          ? openRoom(first.resource)
          : null;
    const opens = first.mapping !== null || first.resource !== null;
    const title = opens ? h('button', { type: 'button', class: 'link', onclick: open }) : h('span');
    const sub = h('span', { class: 'sub' });
    const took = h('span', { class: 'took' });
    const arrow = h('span', {
      class: `arrow ${first.arrow}`,
      title: { in: say('feed.in'), out: say('feed.out'), '': '' }[first.arrow],
    });
    setText(arrow, first.arrow === 'out' ? '→' : first.arrow === 'in' ? '←' : '·');
    const time = h('time', { title: fullTime(new Date(first.at).toISOString()) }, timeOfDay(first.at));
    const element = h(
      'li',
      { 'data-state': first.state },
      time,
      arrow,
      h('div', { class: 'what' }, title, sub),
      took,
    );
    return {
      element,
      /** @param {Entry} entry */
      update(entry) {
        setText(title, entry.title);
        setText(sub, entry.sub);
        setText(took, entry.took);
        took.classList.toggle('slow', entry.slow);
      },
    };
  }

  return {
    /** @param {readonly Line[]} lines */
    show(lines) {
      logged = lines.map(ofLine);
      // items are in the log by now; what rooms and sides do is not
      told = told.filter((entry) => entry.key.startsWith('room '));
      draw();
    },
    /** @param {Record<string, any>} fact */
    tell(fact) {
      const entry = ofFact(fact, (next += 1));
      if (entry === null) return;
      told = [entry, ...told].slice(0, linesMost);
      draw();
    },
  };
}

/**
 * What was done to many of one name one after the other (a season that is booked at once) is one line that says how
 * many, and how long the slowest took. Its key is that of the oldest, so it stays the same line while it grows.
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
    // what waits for a person went nowhere
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
        ? `${line.who ?? ''} · ${heard(line.reason ?? '')}`
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
  const error = heard(String(fact['error'] ?? ''));
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
      return plain('bad', say('fact.brake', { room }), counted(fact['wanted'], 'removal'));
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
