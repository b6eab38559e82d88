/**
 * The page: asks the API again and again, at once when the feed of facts says that something happened, and not at all
 * while nobody looks. A message only ever says "look"; what is shown is what the API answered.
 * @import { Known } from './shapes.ts'
 */
import { ApiError, get, post } from './api.js';
import { createBrake } from './brake.js';
import { createCharts } from './charts.js';
import { createConflicts } from './conflicts.js';
import { notice } from './dialogs.js';
import { actionButton, byId, fill, h, setText } from './dom.js';
import { createExplain } from './explain.js';
import { createFeed } from './feed.js';
import { counted, duration, number, span } from './format.js';
import { createLine } from './line.js';
import { createRooms } from './rooms.js';
import { createTheme } from './theme.js';
import { createTrouble } from './trouble.js';
import { verdict } from './verdict.js';

/** @type {Known} */
const known = {
  stats: null,
  rooms: [],
  ready: null,
  errors: { total: 0, mappings: [] },
  pending: { total: 0, items: [] },
  conflicts: null,
  alerts: null,
  latency: null,
  lines: [],
  removals: new Map(),
  trouble: null,
  heardAt: 0,
};

const explain = createExplain({ act });
const openMapping = (/** @type {number} */ id) => go(`#/mapping/${id}`);
const openRoom = (/** @type {number} */ resource) => go(`#/room/${resource}`);
const rooms = createRooms({ open: openRoom });
const feed = createFeed({ explain: openMapping, openRoom });
const brake = createBrake({ act, explain: openMapping });
const conflicts = createConflicts({ act, explain: openMapping });
const trouble = createTrouble({ act, explain: openMapping, openRoom });
const charts = createCharts();
createTheme(() => charts.recolour());

/**
 * `gapMs`: facts make it read again, but not sooner after it was read.
 * @typedef {{ everyMs: number, gapMs: number, due: number, readAt: number, busy: boolean, again: boolean,
 *   read: () => Promise<void> }} Source
 */

/**
 * What is asked, how often, and where it goes. Not there (404) is null: that part of the page is not shown.
 * @type {Record<string, Source>}
 */
const sources = {
  stats: source(3_000, async () => void (known.stats = await get('/stats'))),
  lines: source(5_000, async () => {
    known.lines = (await get('/log?limit=60')).lines;
    feed.show(known.lines);
  }),
  rooms: source(5_000, async () => {
    known.rooms = (await get('/rooms')).rooms;
    // many rooms are a long answer: asked for less often
    if (sources['rooms'] !== undefined) sources['rooms'].gapMs = known.rooms.length > 200 ? 10_000 : 500;
    await readHeld();
    rooms.show(known.rooms);
  }),
  errors: source(5_000, async () => void (known.errors = await get('/mappings?status=error&limit=50'))),
  pending: source(5_000, async () => void (known.pending = await get('/sync/pending-items?limit=20'))),
  ready: source(10_000, async () => void (known.ready = await get('/ready'))),
  conflicts: source(
    5_000,
    async () => void (known.conflicts = (await optional('/conflicts'))?.conflicts ?? null),
  ),
  alerts: source(5_000, async () => void (known.alerts = (await optional('/alerts'))?.alerts ?? null)),
  latency: source(30_000, async () => {
    known.latency = await get('/stats/latency?hours=24');
    charts.show(known.latency);
  }),
};

/**
 * @param {number} everyMs
 * @param {() => Promise<void>} read
 * @returns {Source}
 */
function source(everyMs, read) {
  return { everyMs, gapMs: 500, due: 0, readAt: 0, busy: false, again: false, read };
}

/** @param {string} path */
async function optional(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

async function readHeld() {
  const held = known.rooms.filter((room) => room.health === 'held').slice(0, 20);
  const lists = await Promise.all(
    held.map(
      async ({ resource_id: id }) => /** @type {const} */ ([id, (await get(`/rooms/${id}`)).removals]),
    ),
  );
  known.removals = new Map(lists);
}

/** @param {Source} one */
async function read(one) {
  one.busy = true;
  one.again = false;
  try {
    await one.read();
    known.heardAt = Date.now();
    if (one === sources['stats']) known.trouble = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // /stats tells how it stands; that one part of the page has no answer is not the whole
    if (one === sources['stats']) fail(error);
  } finally {
    one.busy = false;
    one.readAt = performance.now();
    one.due = one.readAt + (one.again ? one.gapMs : Math.max(one.everyMs, one.gapMs));
    show();
  }
}

/** @param {ApiError} error */
function fail(error) {
  const kind = error.status === 0 ? 'daemon' : error.status === 401 ? 'signed-out' : 'api';
  known.trouble = { kind, error: error.message, hint: error.hint, since: known.trouble?.since ?? Date.now() };
}

function tick() {
  if (document.hidden) return;
  for (const one of Object.values(sources)) {
    const waits = known.trouble !== null && one !== sources['stats'];
    if (!one.busy && !waits && performance.now() >= one.due) void read(one);
  }
  showVerdict();
}

/** Looks at everything at once. */
function look() {
  for (const one of Object.values(sources)) {
    one.again = one.busy;
    one.due = 0;
  }
}

/** Looks soon: something happened. What is being read now is read again after it. @param {...string} names */
function lookSoon(...names) {
  for (const name of names) {
    const one = sources[name];
    if (one === undefined) continue;
    one.again = one.busy;
    one.due = Math.min(one.due, one.readAt + one.gapMs);
  }
}

/**
 * Does what a person asked for, says what came of it, and looks at everything again.
 * @param {() => Promise<any>} work
 */
async function act(work) {
  try {
    const answer = await work();
    notice(String(answer?.message ?? 'Done'));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notice(`${error.message} ${error.hint}`.trim());
  }
  look();
}

function show() {
  showVerdict();
  showFigures();
  showQueue();
  const count =
    brake.show(known.rooms, known.removals) +
    conflicts.show(known.conflicts) +
    trouble.showErrors(known.errors, known.rooms) +
    trouble.showAlerts(known.alerts);
  byId('trouble', HTMLElement).hidden = count === 0;
}

function showVerdict() {
  const { state, text, detail, also } = verdict(known, Date.now());
  const section = byId('verdict', HTMLElement);
  section.dataset['state'] = state;
  setText(byId('sentence', HTMLHeadingElement), text);
  setText(byId('detail', HTMLParagraphElement), detail);
  document.title = state === 'good' ? 'Equal – Room sync' : `${text.slice(0, 60)} – Room sync`;
  byId('signin', HTMLAnchorElement).hidden = known.trouble?.kind !== 'signed-out';
  const list = byId('also', HTMLUListElement);
  const texts = also.map((finding) => finding.text);
  if (list.dataset['shown'] === texts.join('\n')) return;
  list.dataset['shown'] = texts.join('\n');
  fill(
    list,
    ...also.map((one) =>
      h('li', { 'data-state': one.state }, h('span', { class: 'dot' }), h('span', {}, one.text)),
    ),
  );
}

function showFigures() {
  const { stats, latency, rooms: all } = known;
  if (stats === null) return;
  const { queue, backfill, statistics } = stats;
  const active = all.filter((room) => room.active === 1);
  const back = latency?.directions.outlook_to_booking;
  const equal = active.filter((room) => room.health === 'ok' && room.due === 0).length;
  const wait = queue.due + queue.outbox_rows;
  const figures = [
    [
      'Rooms',
      number(active.length),
      `${number(equal)} equal${all.length > active.length ? `, ${number(all.length - active.length)} paused` : ''}`,
    ],
    [
      'Reservations in Outlook',
      number(statistics.summary['synced'] ?? 0),
      `${number(statistics.summary['shadowed'] ?? 0)} covered, ${number(statistics.summary['cancelled'] ?? 0)} cancelled`,
    ],
    [
      'Waiting',
      number(wait),
      wait === 0
        ? 'nothing'
        : queue.oldest_ms === null
          ? 'from before'
          : `the oldest for ${duration(queue.oldest_ms)}`,
    ],
    ['Failed', number(statistics.summary['error'] ?? 0), counted(known.conflicts?.length ?? 0, 'conflict')],
    [
      'To Outlook, last hour',
      duration(stats.latency.p50_ms),
      stats.latency.p95_ms === null ? 'no change' : `95 of 100 within ${duration(stats.latency.p95_ms)}`,
    ],
    [
      'To booking, last day',
      duration(back?.p50_ms ?? null),
      (back?.p95_ms ?? null) === null ? 'no change' : `95 of 100 within ${duration(back?.p95_ms ?? null)}`,
    ],
  ];
  const place = byId('figures', HTMLDListElement);
  if (place.childElementCount === 0)
    fill(place, ...figures.map(() => h('div', {}, h('dt'), h('dd', {}, h('span'), h('small')))));
  figures.forEach(([label = '', value = '', sub = ''], at) => {
    const cell = place.children[at];
    const [name, big, small] = [
      cell?.querySelector('dt'),
      cell?.querySelector('dd span'),
      cell?.querySelector('small'),
    ];
    if (name) setText(name, label);
    if (big) setText(big, value);
    if (small) setText(small, sub);
  });
  const running = backfill.done < backfill.total;
  byId('backfill', HTMLDivElement).hidden = !running || known.trouble !== null;
  byId('backfill-bar', HTMLProgressElement).value = running ? backfill.done / backfill.total : 1;
  setText(
    byId('backfill-text', HTMLSpanElement),
    `${number(backfill.done)} of ${number(backfill.total)} · ${Math.floor((backfill.done / Math.max(1, backfill.total)) * 100)} %`,
  );
  setText(
    byId('foot', HTMLElement),
    `${counted(stats.replicas, 'daemon')} on this database · this one up ${duration(stats.uptime_seconds * 1_000)}`,
  );
}

const sendButton = actionButton('Send now', () => act(() => post('/sync/to-outlook?limit=200')), 'small');
byId('queue-send', HTMLButtonElement).replaceWith(sendButton);

function showQueue() {
  const waiting = known.pending.items.filter((item) => item.sync_status !== 'error');
  const { stats } = known;
  const due = (stats?.queue.due ?? 0) + (stats?.queue.outbox_rows ?? 0);
  setText(byId('queue-count', HTMLSpanElement), number(due));
  sendButton.hidden = waiting.length === 0;
  const list = byId('queue', HTMLOListElement);
  const open = (/** @type {number} */ id) => () => openMapping(id);
  const texts = JSON.stringify(waiting);
  if (list.dataset['shown'] !== texts) {
    list.dataset['shown'] = texts;
    fill(
      list,
      ...waiting.map((item) =>
        h(
          'li',
          {},
          h(
            'button',
            { type: 'button', class: 'link', onclick: open(item.id) },
            item.title ?? `${item.reservation_type} ${item.reservation_id}`,
          ),
          h('span', {}, span(item.starts_at, null)),
        ),
      ),
      waiting.length === 0 && h('li', { class: 'empty' }, 'Nothing waits.'),
    );
  }
  const outbox = stats?.queue.outbox_rows ?? 0;
  setText(
    byId('queue-caption', HTMLParagraphElement),
    due === 0
      ? 'Every change is in Outlook.'
      : `${counted(due - outbox, 'change')} to be sent${outbox === 0 ? '' : `, ${number(outbox)} not looked at yet`}.`,
  );
}

/** An address of its own for what is open, so that it can be sent to a colleague. @param {string} hash */
function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

function route() {
  const [, kind = '', first = '', second = ''] = location.hash.split('/');
  if (kind === 'mapping') void explain.openMapping(Number(first));
  else if (kind === 'room') void explain.openRoom(Number(first));
  else if (kind === 'booking') void explain.openReservation(first, second);
  else
    for (const open of document.querySelectorAll('dialog.sheet[open]'))
      if (open instanceof HTMLDialogElement) open.close();
}

byId('find', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  go(
    `#/booking/${byId('find-type', HTMLSelectElement).value}/${byId('find-id', HTMLInputElement).value.trim()}`,
  );
});
window.addEventListener('hashchange', route);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) look();
});

createLine({
  onFact(fact) {
    feed.tell(fact);
    lookSoon('stats', 'lines', 'rooms', 'errors', 'pending', 'conflicts', 'alerts');
    // the day's first changes are seen at once; later ones hardly move its curve
    if ((known.latency?.directions.booking_to_outlook.count ?? 0) < 20) lookSoon('latency');
  },
  onOpen: () => look(),
});
setInterval(tick, 250);
tick();
route();
