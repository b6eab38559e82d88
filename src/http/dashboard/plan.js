/**
 * The plan before the first write (START_MODE plan or shadow): the changes of a sync, room by room, and the button that
 * starts it. A plan reads both sides of every room, so it is read once and then only on request.
 * @import { Known, Plan, PlanKind, PlannedItem, PlannedRoom } from './shapes.ts'
 */
import { ApiError, get, post } from './api.js';
import { ask } from './dialogs.js';
import { actionButton, busyButton, byId, fill, h, keepFocus, scrollTable, setText } from './dom.js';
import { counted, listed, number, span, timeOfDay, titleOf } from './format.js';
import { translated } from './translate.js';
import { say } from './language.js';

/** The endpoint answers within 20 s. */
const planMs = 30_000;
const roomsMost = 100;
const itemsMost = 20;
/** Right after the start a daemon may hold the lease of a room: the plan is then read again. */
const readsMost = 5;
const readAgainMs = 2_000;

/** In the order of the summary. @type {readonly PlanKind[]} */
const kinds = [
  'create',
  'change',
  'delete',
  'decline',
  'import',
  'change-booking',
  'cancel-booking',
  'adopt',
  'conflict',
  'waiting',
];

/** @param {{ act: (work: () => Promise<any>) => Promise<void> }} options */
export function createPlan({ act }) {
  const place = byId('plan', HTMLElement);
  const summary = h('p');
  const body = h('div', { class: 'plan-body' });
  const again = busyButton(say('plan.again'), read);
  const confirm = actionButton(say('plan.confirm'), () => begin(null), 'primary');
  const asCopy = actionButton(say('plan.confirm.copy'), () => begin('copy'));
  const asSame = actionButton(say('plan.confirm.same'), () => begin('same'), 'primary');
  const actions = h('div', { class: 'actions' }, confirm, asSame, asCopy, again);
  fill(place, h('header', {}, h('h2', { id: 'plan-title' }, say('plan.title')), summary, actions), body);
  /** @type {Plan | null} */
  let plan = null;
  let asked = false;
  let reads = 0;
  /** The rooms whose items are unfolded. @type {Set<number>} */
  const unfolded = new Set();

  async function read() {
    asked = true;
    reads += 1;
    setText(summary, say('plan.reading'));
    try {
      plan = await get(`/plan?limit=${itemsMost}`, planMs);
      draw();
      const busy = plan?.rooms.some(({ state }) => state === 'busy') === true;
      if (busy && reads < readsMost) setTimeout(() => void again.click(), readAgainMs);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(summary, `${say('plan.failed')} ${error.message} ${error.hint}`.trim());
    }
  }

  /** @param {'same' | 'copy' | null} as the answer for a database that is held; null: it is not held */
  async function begin(as) {
    if (plan === null) return;
    const yes = await ask({ title: say('plan.ask'), text: questionText(plan, as), yes: say('plan.ask.yes') });
    if (yes) await act(() => post('/plan/confirm', as === null ? undefined : { as }));
  }

  function draw() {
    if (plan === null) return;
    const { counts, rooms } = plan;
    setText(summary, summaryText(plan));
    const shown = kinds.filter((kind) => counts[kind] > 0);
    const rows = rooms
      .toSorted((a, b) => sumOf(b) - sumOf(a))
      .slice(0, roomsMost)
      .flatMap((room) => roomRows(room, shown, { open: unfolded.has(room.resource_id), fold }));
    const table = scrollTable({ 'aria-labelledby': 'plan-title' }, heads(shown), h('tbody', {}, ...rows));
    const rest = rooms.length - roomsMost;
    keepFocus(body, () =>
      fill(body, table, rest > 0 && h('p', { class: 'more' }, say('plan.more', { n: rest }))),
    );
  }

  /** @param {number} resource */
  function fold(resource) {
    if (!unfolded.delete(resource)) unfolded.add(resource);
    draw();
  }

  return {
    /** @param {Known} known */
    show({ stats, rooms }) {
      if (stats === null) return;
      place.hidden = stats.start.writes;
      const held = stats.start.hold !== null;
      confirm.hidden = stats.start.mode !== 'plan' || held || rooms.length === 0;
      asSame.hidden = asCopy.hidden = stats.start.mode !== 'plan' || !held;
      if (!stats.start.writes && !asked) void read();
    },
  };
}

/** @param {Plan} plan @param {'same' | 'copy' | null} as */
function questionText({ counts, rooms, held }, as) {
  const changes = changesOf(counts);
  const unread = rooms.filter(({ state }) => state !== 'planned').length;
  return joined(
    changes.length === 0
      ? say('plan.ask.nothing')
      : say('plan.ask.does', {
          deeds: listed(changes, changes.length),
          rooms: counted(rooms.length, 'room'),
        }),
    unread > 0 && say('plan.ask.unread', { n: unread }),
    held > 0 && say('plan.held', { n: held }),
    as !== null && say(`plan.ask.${as}`),
    say('plan.ask.then'),
  );
}

/** @param {Plan} plan */
function summaryText({ counts, equal: n, complete, held }) {
  const changes = changesOf(counts);
  const equal = say('plan.equal', { n });
  return joined(
    changes.length === 0
      ? say('plan.nothing', { equal })
      : say('plan.does', { deeds: listed(changes, changes.length), equal }),
    held > 0 && say('plan.held', { n: held }),
    !complete && say('plan.incomplete'),
    say('plan.readAt', { time: timeOfDay(Date.now()) }),
  );
}

/** @param {...(string | false)} sentences */
const joined = (...sentences) => sentences.filter((one) => one !== false && one !== '').join(' ');

/** @param {readonly PlanKind[]} shown */
const heads = (shown) => [
  h('th', { scope: 'col' }, say('room')),
  ...[...shown, /** @type {const} */ ('equal')].map((kind) =>
    h('th', { class: 'number', scope: 'col' }, say(`plan.head.${kind}`)),
  ),
];

/**
 * The row of a room and, if it is open, the row with its items.
 * @param {PlannedRoom} room
 * @param {readonly PlanKind[]} shown
 * @param {{ open: boolean, fold: (resource: number) => void }} folding
 */
function roomRows(room, shown, { open, fold }) {
  const { resource_id: resource, items, counts } = room;
  const isPlanned = room.state === 'planned';
  const name =
    items.length === 0
      ? h('span', {}, room.room)
      : h(
          'button',
          {
            type: 'button',
            class: 'link fold',
            'aria-expanded': String(open),
            onclick: () => fold(resource),
          },
          room.room,
        );
  const row = h(
    'tr',
    {},
    h('td', {}, name, !isPlanned && h('div', { class: 'sub late' }, unreadText(room))),
    ...shown.map((kind) =>
      h('td', { class: 'number' }, isPlanned && counts[kind] > 0 ? number(counts[kind]) : ''),
    ),
    h('td', { class: 'number' }, isPlanned ? number(room.equal) : '–'),
  );
  if (!open) return [row];
  const rest = sumOf(room) - items.length;
  const list = h(
    'ol',
    { class: 'planned' },
    ...items.map(itemRow),
    rest > 0 && h('li', {}, say('list.rest', { n: rest })),
  );
  return [row, h('tr', { class: 'unfolded' }, h('td', { colspan: shown.length + 2 }, list))];
}

/** @param {PlannedItem} item */
const itemRow = (item) =>
  h(
    'li',
    {},
    h('span', { class: 'when' }, span(item.starts_at, item.ends_at)),
    h(
      'span',
      { class: 'what' },
      h('strong', { dir: 'auto' }, titleOf(item)),
      ` ${say(`plan.row.${item.action}`)}${item.held ? `, ${say('plan.row.held')}` : ''}`,
      h('span', { class: 'sub' }, ` – ${translated(item.why)}`),
    ),
  );

/** @param {PlannedRoom} room */
const unreadText = ({ state, error, hint }) =>
  state === 'failed'
    ? say('plan.unread', {
        error: error === null ? say('noReason') : translated(error),
        hint: translated(hint ?? ''),
      }).trim()
    : say(state === 'busy' ? 'plan.busy' : 'plan.late');

/** @param {Plan['counts']} counts */
const changesOf = (counts) =>
  kinds.filter((kind) => counts[kind] > 0).map((kind) => say(`plan.does.${kind}`, { n: counts[kind] }));

/** @param {PlannedRoom} room */
const sumOf = ({ counts }) => Object.values(counts).reduce((sum, count) => sum + count, 0);
