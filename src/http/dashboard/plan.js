/**
 * Before anything is written (START_MODE plan or shadow): what a sync would do, room by room, and the button that lets
 * it begin. A plan reads both sides of every room, so it is read once and then when a person asks.
 * @import { Known, Plan, PlanKind, PlannedItem, PlannedRoom } from './shapes.ts'
 */
import { ApiError, get, post } from './api.js';
import { ask } from './dialogs.js';
import { actionButton, byId, fill, h, keepFocus, setText } from './dom.js';
import { counted, listed, number, span, timeOfDay } from './format.js';

/** The endpoint itself ends after 20 s. */
const planMs = 30_000;
const roomsMost = 100;
const itemsMost = 20;
/** Right after the start a daemon may be at work on a room: a whole plan is worth another look. */
const looksMost = 5;
const lookAgainMs = 2_000;

/** @type {readonly { kind: PlanKind, head: string, does: (n: number) => string, row: string }[]} */
const kinds = [
  {
    kind: 'create',
    head: 'New in Outlook',
    does: (n) => `creates ${counted(n, 'event')} in Outlook`,
    row: 'created in Outlook',
  },
  {
    kind: 'change',
    head: 'Changed',
    does: (n) => `changes ${counted(n, 'event')}`,
    row: 'changed in Outlook',
  },
  {
    kind: 'delete',
    head: 'Deleted',
    does: (n) => `deletes ${counted(n, 'event')}`,
    row: 'deleted in Outlook',
  },
  { kind: 'decline', head: 'Declined', does: (n) => `declines ${counted(n, 'meeting')}`, row: 'declined' },
  {
    kind: 'import',
    head: 'New in booking',
    does: (n) => `imports ${counted(n, 'event')} as ${n === 1 ? 'a reservation' : 'reservations'}`,
    row: 'made a reservation',
  },
  {
    kind: 'change-booking',
    head: 'Changed there',
    does: (n) => `changes ${counted(n, 'reservation')}`,
    row: 'changed in the booking system',
  },
  {
    kind: 'cancel-booking',
    head: 'Cancelled there',
    does: (n) => `cancels ${counted(n, 'reservation')}`,
    row: 'cancelled in the booking system',
  },
  {
    kind: 'adopt',
    head: 'Recognised',
    does: (n) => `recognises ${counted(n, 'event')} that ${n === 1 ? 'is' : 'are'} there already`,
    row: 'recognised',
  },
  {
    kind: 'conflict',
    head: 'Conflicts',
    does: (n) => `leaves ${counted(n, 'conflict')} to you`,
    row: 'left to you',
  },
  { kind: 'waiting', head: 'Waiting', does: (n) => `lets ${number(n)} wait`, row: 'waits' },
];

/** @param {{ act: (work: () => Promise<any>) => Promise<void> }} options */
export function createPlan({ act }) {
  const place = byId('plan', HTMLElement);
  const summary = h('p');
  const body = h('div', { class: 'plan-body' });
  const again = actionButton('Read again', read);
  const confirm = actionButton('Confirm this plan …', () => begin(null), 'primary');
  const asCopy = actionButton('Confirm as a copy …', () => begin('copy'));
  const asSame = actionButton('Confirm as the same installation …', () => begin('same'), 'primary');
  const actions = h('div', { class: 'actions' }, confirm, asSame, asCopy, again);
  fill(place, h('header', {}, h('h2', { id: 'plan-title' }, 'What a sync would do'), summary, actions), body);
  /** @type {Plan | null} */
  let plan = null;
  let asked = false;
  let looks = 0;
  /** The rooms whose items are unfolded. @type {Set<number>} */
  const unfolded = new Set();

  async function read() {
    asked = true;
    looks += 1;
    setText(summary, 'Both sides of every room are read, and nothing is written …');
    try {
      plan = await get(`/plan?limit=${itemsMost}`, planMs);
      draw();
      const busy = plan?.rooms.some(({ state }) => state === 'busy') === true;
      if (busy && looks < looksMost) setTimeout(() => void again.click(), lookAgainMs);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(summary, `The plan could not be read. ${error.message} ${error.hint}`.trim());
    }
  }

  /** @param {'same' | 'copy' | null} as what a database that is held is */
  async function begin(as) {
    if (plan === null) return;
    const does = deeds(plan.counts);
    const unread = plan.rooms.filter(({ state }) => state !== 'planned').length;
    const yes = await ask({
      title: 'Begin to write to both sides?',
      text: [
        does.length === 0
          ? 'By this plan nothing is to be done.'
          : `It ${listed(does, does.length)}, in ${counted(plan.rooms.length, 'room')}.`,
        unread === 0
          ? ''
          : `${counted(unread, 'room')} could not be read and ${unread === 1 ? 'is' : 'are'} not in these figures.`,
        plan.held === 0 ? '' : `Of that the brake holds ${number(plan.held)} until you have looked.`,
        as === 'copy' ? 'Rooms that the original has claimed stay held until you take each over.' : '',
        as === 'same' ? 'This is the installation itself, and the original is out of service.' : '',
        'Both sides are compared once more first. From then on every change is carried over, also after a restart; single rooms can be paused.',
      ]
        .filter((part) => part !== '')
        .join(' '),
      yes: 'Begin',
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
        does.length === 0 ? 'Nothing would be done' : `A sync ${listed(does, does.length)}`,
        `; ${counted(equal, 'reservation')} ${equal === 1 ? 'is' : 'are'} equal already.`,
        held === 0 ? '' : ` Of that the brake holds ${number(held)} until a person has looked.`,
        complete ? '' : ' Not every room could be read.',
        ` Read at ${timeOfDay(Date.now())}.`,
      ].join(''),
    );
    const shown = kinds.filter(({ kind }) => counts[kind] > 0);
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
                h('th', { scope: 'col' }, 'Room'),
                ...shown.map(({ head }) => h('th', { class: 'number', scope: 'col' }, head)),
                h('th', { class: 'number', scope: 'col' }, 'Equal'),
              ),
            ),
            h(
              'tbody',
              {},
              ...sorted.slice(0, roomsMost).flatMap((room) =>
                rows(
                  room,
                  shown.map(({ kind }) => kind),
                ),
              ),
            ),
          ),
        ),
        rooms.length > roomsMost &&
          h(
            'p',
            { class: 'more' },
            `and ${number(rooms.length - roomsMost)} more; the command plan lists them all`,
          ),
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
      total > room.items.length && h('li', {}, `and ${number(total - room.items.length)} more`),
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
      h('strong', { dir: 'auto' }, title ?? `${type ?? 'event'} ${id ?? ''}`),
      ` ${kinds.find(({ kind }) => kind === action)?.row ?? action}${held ? ', held by the brake' : ''}`,
      h('span', { class: 'sub' }, ` – ${why}`),
    ),
  );

/** @param {PlannedRoom} room */
const unreadWords = ({ state, error, hint }) =>
  state === 'failed'
    ? `could not be read: ${error ?? 'no reason is known'} ${hint ?? ''}`.trim()
    : state === 'busy'
      ? 'a daemon is at work on it: read again'
      : 'its turn did not come within 20 s: read again';

/** @param {Plan['counts']} counts */
const deeds = (counts) =>
  kinds.filter(({ kind }) => counts[kind] > 0).map(({ kind, does }) => does(counts[kind]));

/** @param {PlannedRoom} room */
const work = ({ counts }) => Object.values(counts).reduce((sum, count) => sum + count, 0);
