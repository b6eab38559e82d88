/**
 * Undo: takes back the changes made since a point in time. The plan is shown first, and exactly that plan is carried out:
 * later changes are left alone. An undo can itself be undone.
 * @import { Room, Undo, UndoItem } from './shapes.ts'
 */
import { readOnlyReason } from './access.js';
import { get, post } from './api.js';
import { ask, sheet } from './dialogs.js';
import { actionButton, busyButton, fill, h } from './dom.js';
import { fullTime, span, titleOf } from './format.js';
import { named, say } from './language.js';
import { nameOf } from './room-state.js';
import { translated } from './translate.js';
import { instantIn, wallIn } from './zone.js';

const kinds = /** @type {const} */ (['cancelled', 'deleted', 'imported', 'undone']);
const hourMs = 3_600_000;
const minuteMs = 60_000;
/** A plan reads the events in Outlook. */
const planMs = 30_000;

/** @typedef {{ since: string, what: string, resource: number | null }} Choice */

/**
 * @param {{ act: (work: () => Promise<any>) => Promise<void>, rooms: () => readonly Room[], zone: () => string,
 *   go: (hash: string) => void }} options
 */
export function createUndo({ act, rooms, zone, go }) {
  const dialog = sheet('undo');
  const result = h('section', { 'aria-live': 'polite' });

  /** @param {Date} since @param {readonly string[]} chosen */
  function open(since, chosen) {
    const form = choiceForm({ since, chosen, rooms: rooms(), zone: zone() }, readPlan);
    fill(result);
    dialog.show(say('undo.title'), say('undo.sub'), h('section', {}, form), result);
  }

  /** @param {Choice} choice */
  async function readPlan(choice) {
    fill(result, h('p', {}, say('reading')));
    /** @type {Undo | null} */
    let plan = null;
    await act(async () => {
      plan = await get(`/undo/plan?${queryOf(choice)}`, planMs);
      return { message: /** @type {any} */ (plan)?.message };
    });
    if (plan === null) fill(result);
    else showPlan(plan, choice);
  }

  /** @param {Undo} plan @param {Choice} choice */
  function showPlan(plan, choice) {
    const { items, count } = plan;
    const carry = actionButton(say('undo.carryOut', { n: count }), () => carryOut(plan, choice), 'primary');
    const reason = readOnlyReason();
    fill(
      result,
      h('h3', {}, say('undo.would', { n: count })),
      count === 0 && h('p', {}, say(items.length === 0 ? 'undo.nothing' : 'undo.nothingLeft')),
      itemList(items),
      reason !== null && count > 0 && h('p', { class: 'hint' }, reason),
      count > 0 && h('div', { class: 'actions' }, carry),
    );
  }

  /** @param {Undo} plan @param {Choice} choice */
  async function carryOut({ items, count, as_of: until }, { since, what, resource }) {
    const yes = await ask({
      title: say('undo.ask', { n: count }),
      text: `${stepsOf(items)} ${say('undo.ask.then')}`,
      yes: say('undo.yes'),
      danger: items.some(({ step, refused }) => refused === null && step !== 're-enable'),
    });
    if (!yes) return;
    const began = new Date();
    await act(async () => {
      const body = { since, until, what, ...(resource === null ? {} : { resource_id: resource }) };
      /** @type {Undo} */
      const done = await post('/undo', body);
      showResult(done, began);
      return done;
    });
  }

  /** @param {Undo} done @param {Date} began */
  function showResult({ items, count }, began) {
    const back = async () => open(new Date(began.getTime() - minuteMs), ['undone']);
    fill(
      result,
      h('h3', { tabindex: '-1' }, say('undo.done', { n: count })),
      h('p', {}, say('undo.done.then')),
      itemList(items),
      h('div', { class: 'actions' }, busyButton(say('undo.back'), back)),
    );
    result.querySelector('h3')?.focus();
  }

  /** @param {readonly UndoItem[]} items */
  const itemList = (items) =>
    h('ol', { class: 'calendar' }, ...items.map((item) => itemRow(item, rooms(), go)));

  return { openUndo: () => open(new Date(Date.now() - hourMs), ['cancelled', 'deleted', 'imported']) };
}

/**
 * @param {{ since: Date, chosen: readonly string[], rooms: readonly Room[], zone: string }} options
 * @param {(choice: Choice) => Promise<void>} submit
 */
function choiceForm({ since, chosen, rooms, zone }, submit) {
  const when = h('input', {
    type: 'datetime-local',
    name: 'since',
    required: true,
    value: wallIn(zone, since),
  });
  const room = h(
    'select',
    { name: 'room' },
    h('option', { value: '' }, say('undo.anyRoom')),
    ...rooms.map((one) => h('option', { value: one.resource_id }, nameOf(one))),
  );
  const boxes = kinds.map((kind) => ({
    kind,
    box: h('input', { type: 'checkbox', name: kind, checked: chosen.includes(kind) }),
  }));
  const ticks = boxes.map(({ kind, box }) => h('label', { class: 'tick' }, box, say(`undo.kind.${kind}`)));
  /** @param {Event} event */
  function onsubmit(event) {
    event.preventDefault();
    const what = boxes.filter(({ box }) => box.checked).map(({ kind }) => kind);
    if (what.length === 0) return boxes[0]?.box.focus();
    const resource = room.value === '' ? null : Number(room.value);
    void submit({ since: instantIn(zone, when.value), what: what.join(','), resource });
  }
  return h(
    'form',
    { class: 'undo-form', onsubmit },
    h('label', {}, say('undo.since', { zone }), when),
    h('label', {}, say('room'), room),
    h('fieldset', {}, h('legend', {}, say('undo.what')), ...ticks),
    h('button', { class: 'primary' }, say('undo.plan')),
  );
}

/** @param {Choice} choice */
const queryOf = ({ since, what, resource }) =>
  `since=${encodeURIComponent(since)}&what=${what}${resource === null ? '' : `&resource_id=${resource}`}`;

/** @param {UndoItem} item @param {readonly Room[]} rooms @param {(hash: string) => void} go */
function itemRow(item, rooms, go) {
  const open = () => go(`#/booking/${item.reservation_type}/${item.reservation_id}`);
  const place = ` – ${roomNameOf(item, rooms)} · ${span(item.starts_at, null)}`;
  return h(
    'li',
    { 'data-state': item.refused === null ? 'busy' : 'away' },
    h(
      'p',
      {},
      h('span', { class: 'dot' }),
      ' ',
      h('button', { type: 'button', class: 'link', onclick: open }, titleOf(item)),
      h('span', { class: 'sub' }, place),
    ),
    h(
      'p',
      {},
      say('undo.was', { what: named('undo.kind', item.what), time: fullTime(item.done_at) }),
      ' ',
      item.refused === null
        ? say(`undo.step.${item.step}`)
        : h('span', { class: 'late' }, say('undo.refused', { why: translated(item.refused) })),
    ),
  );
}

/** @param {UndoItem} item @param {readonly Room[]} rooms */
function roomNameOf({ resource_id: resource, resource_key: key }, rooms) {
  const room = rooms.find((one) => one.resource_id === resource);
  return room === undefined ? say('resource', { id: String(key ?? resource) }) : nameOf(room);
}

/** The number of items of each step, for the question. @param {readonly UndoItem[]} items */
function stepsOf(items) {
  const steps = Map.groupBy(
    items.filter(({ refused }) => refused === null),
    ({ step }) => step,
  );
  return [...steps].map(([step, those]) => say(`undo.ask.${step}`, { n: those.length })).join(' ');
}
