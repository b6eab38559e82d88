/**
 * Before anything is written (START_MODE plan or shadow): what a sync would do, room by room, and the button that lets
 * it begin. A plan reads both sides of every room, so it is read once and then when a person asks.
 * @import { Known, Plan, PlanKind, PlannedItem, PlannedRoom } from './shapes.ts'
 */
import { ApiError, get, post } from './api.js';
import { ask } from './dialogs.js';
import { actionButton, busyButton, byId, fill, h, keepFocus, setText } from './dom.js';
import { counted, listed, number, span, timeOfDay } from './format.js';
import { heard } from './heard.js';
import { say } from './language.js';

/** The endpoint itself ends after 20 s. */
const planMs = 30_000;
const roomsMost = 100;
const itemsMost = 20;
/** Right after the start a daemon may be at work on a room: a whole plan is worth another look. */
const looksMost = 5;
const lookAgainMs = 2_000;

/** In the order in which they are told. @type {readonly PlanKind[]} */
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
  let looks = 0;
  /** The rooms whose items are unfolded. @type {Set<number>} */
  const unfolded = new Set();

  async function read() {
    asked = true;
    looks += 1;
    setText(summary, say('plan.reading'));
    try {
      plan = await get(`/plan?limit=${itemsMost}`, planMs);
      draw();
      const busy = plan?.rooms.some(({ state }) => state === 'busy') === true;
      if (busy && looks < looksMost) setTimeout(() => void again.click(), lookAgainMs);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(summary, `${say('plan.failed')} ${error.message} ${error.hint}`.trim());
    }
  }

  /** @param {'same' | 'copy' | null} as what a database that is held is */
  async function begin(as) {
    if (plan === null) return;
    const does = deeds(plan.counts);
    const unread = plan.rooms.filter(({ state }) => state !== 'planned').length;
    const yes = await ask({
      title: say('plan.ask'),
      text: [
        does.length === 0
          ? say('plan.ask.nothing')
          : say('plan.ask.does', {
              deeds: listed(does, does.length),
              rooms: counted(plan.rooms.length, 'room'),
            }),
        unread === 0 ? '' : say('plan.ask.unread', { n: unread }),
        plan.held === 0 ? '' : say('plan.held', { n: plan.held }),
        as === 'copy' ? say('plan.ask.copy') : '',
        as === 'same' ? say('plan.ask.same') : '',
        say('plan.ask.then'),
      ]
        .filter((part) => part !== '')
        .join(' '),
      yes: say('plan.ask.yes'),
    });
    if (yes) await act(() => post('/plan/confirm', as === null ? undefined : { as }));
  }

  function draw() {
    if (plan === null) return;
    const { counts, equal, complete, rooms, held } = plan;
    const does = deeds(counts);
    setText(
      summary,
      [
        does.length === 0
          ? say('plan.nothing', { equal: say('plan.equal', { n: equal }) })
          : say('plan.does', {
              deeds: listed(does, does.length),
              equal: say('plan.equal', { n: equal }),
            }),
        held === 0 ? '' : say('plan.held', { n: held }),
        complete ? '' : say('plan.incomplete'),
        say('plan.readAt', { time: timeOfDay(Date.now()) }),
      ]
        .filter((part) => part !== '')
        .join(' '),
    );
    const shown = kinds.filter((kind) => counts[kind] > 0);
    const sorted = rooms.toSorted((a, b) => work(b) - work(a));
    keepFocus(body, () =>
      fill(
        body,
        h(
          'div',
          { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'plan-title' },
          h(
            'table',
            { class: 'table' },
            h(
              'thead',
              {},
              h(
                'tr',
                {},
                h('th', { scope: 'col' }, say('room')),
                ...shown.map((kind) => h('th', { class: 'number', scope: 'col' }, say(`plan.head.${kind}`))),
                h('th', { class: 'number', scope: 'col' }, say('plan.head.equal')),
              ),
            ),
            h('tbody', {}, ...sorted.slice(0, roomsMost).flatMap((room) => rows(room, shown))),
          ),
        ),
        rooms.length > roomsMost &&
          h('p', { class: 'more' }, say('plan.more', { n: rooms.length - roomsMost })),
      ),
    );
  }

  /** @param {PlannedRoom} room @param {readonly PlanKind[]} shown */
  function rows(room, shown) {
    const open = unfolded.has(room.resource_id);
    const fold = () => {
      if (open) unfolded.delete(room.resource_id);
      else unfolded.add(room.resource_id);
      draw();
    };
    const read = room.state === 'planned';
    const name =
      room.items.length === 0
        ? h('span', {}, room.room)
        : h(
            'button',
            { type: 'button', class: 'link fold', 'aria-expanded': String(open), onclick: fold },
            room.room,
          );
    const row = h(
      'tr',
      {},
      h('td', {}, name, !read && h('div', { class: 'sub late' }, unreadWords(room))),
      ...shown.map((kind) =>
        h('td', { class: 'number' }, read && room.counts[kind] > 0 ? number(room.counts[kind]) : ''),
      ),
      h('td', { class: 'number' }, read ? number(room.equal) : '–'),
    );
    if (!open) return [row];
    const total = work(room);
    const items = h(
      'ol',
      { class: 'planned' },
      ...room.items.map(itemRow),
      total > room.items.length && h('li', {}, say('list.rest', { n: total - room.items.length })),
    );
    return [row, h('tr', { class: 'unfolded' }, h('td', { colspan: shown.length + 2 }, items))];
  }

  return {
    /** @param {Known} known */
    show({ stats }) {
      if (stats === null) return;
      place.hidden = stats.start.writes;
      const held = stats.start.hold !== null;
      confirm.hidden = stats.start.mode !== 'plan' || held;
      asSame.hidden = asCopy.hidden = stats.start.mode !== 'plan' || !held;
      if (!stats.start.writes && !asked) void read();
    },
  };
}

/** @param {PlannedItem} item */
const itemRow = ({
  action,
  title,
  starts_at: from,
  ends_at: to,
  reservation_type: type,
  reservation_id: id,
  reservation_key: key,
  why,
  held,
}) =>
  h(
    'li',
    {},
    h('span', { class: 'when' }, span(from, to)),
    h(
      'span',
      { class: 'what' },
      h('strong', { dir: 'auto' }, title ?? `${type ?? say('event')} ${key ?? id ?? ''}`),
      ` ${say(`plan.row.${action}`)}${held ? `, ${say('plan.row.held')}` : ''}`,
      h('span', { class: 'sub' }, ` – ${heard(why)}`),
    ),
  );

/** @param {PlannedRoom} room */
const unreadWords = ({ state, error, hint }) =>
  state === 'failed'
    ? say('plan.unread', {
        error: error === null ? say('noReason') : heard(error),
        hint: heard(hint ?? ''),
      }).trim()
    : say(state === 'busy' ? 'plan.busy' : 'plan.late');

/** @param {Plan['counts']} counts */
const deeds = (counts) =>
  kinds.filter((kind) => counts[kind] > 0).map((kind) => say(`plan.does.${kind}`, { n: counts[kind] }));

/** @param {PlannedRoom} room */
const work = ({ counts }) => Object.values(counts).reduce((sum, count) => sum + count, 0);
