/**
 * Undo: what was done since a moment, taken back. The plan is shown first, and what is done is what the plan showed: what
 * happened after it was read is left alone. An undo is undone in the same way.
 * @import { Room, Undo, UndoItem } from './shapes.ts'
 */
import { readOnlyReason } from './access.js';
import { get, post } from './api.js';
import { ask, sheet } from './dialogs.js';
import { actionButton, busyButton, fill, h } from './dom.js';
import { fullTime, span } from './format.js';
import { heard } from './heard.js';
import { named, say } from './language.js';
import { nameOf } from './room-state.js';
import { instantIn, wallIn } from './zone.js';

const kinds = /** @type {const} */ (['cancelled', 'deleted', 'imported', 'undone']);
const hourMs = 3_600_000;

/**
 * @param {{ act: (work: () => Promise<any>) => Promise<void>, rooms: () => readonly Room[], zone: () => string,
 *   go: (hash: string) => void }} options
 */
export function createUndo({ act, rooms, zone, go }) {
  const dialog = sheet('undo');
  const result = h('section', { 'aria-live': 'polite' });

  /** @param {Date} since @param {readonly string[]} chosen */
  function open(since, chosen) {
    const when = /** @type {HTMLInputElement} */ (
      h('input', { type: 'datetime-local', name: 'since', required: true, value: wallIn(zone(), since) })
    );
    const room = /** @type {HTMLSelectElement} */ (
      h(
        'select',
        { name: 'room' },
        h('option', { value: '' }, say('undo.anyRoom')),
        ...rooms().map((one) => h('option', { value: one.resource_id }, nameOf(one))),
      )
    );
    const boxes = kinds.map((kind) => ({
      kind,
      box: /** @type {HTMLInputElement} */ (
        h('input', { type: 'checkbox', name: kind, checked: chosen.includes(kind) })
      ),
    }));
    const form = h(
      'form',
      { class: 'undo-form' },
      h('label', {}, say('undo.since', { zone: zone() }), when),
      h('label', {}, say('room'), room),
      h(
        'fieldset',
        {},
        h('legend', {}, say('undo.what')),
        ...boxes.map(({ kind, box }) => h('label', { class: 'tick' }, box, say(`undo.kind.${kind}`))),
      ),
      h('button', { class: 'primary' }, say('undo.plan')),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const what = boxes.filter(({ box }) => box.checked).map(({ kind }) => kind);
      if (what.length === 0) return boxes[0]?.box.focus();
      const resource = room.value === '' ? null : Number(room.value);
      void readPlan({ since: instantIn(zone(), when.value), what: what.join(','), resource });
    });
    fill(result);
    dialog.show(say('undo.title'), say('undo.sub'), h('section', {}, form), result);
  }

  /** @param {{ since: string, what: string, resource: number | null }} choice */
  async function readPlan(choice) {
    const { since, what, resource } = choice;
    fill(result, h('p', {}, say('reading')));
    const query = `since=${encodeURIComponent(since)}&what=${what}${resource === null ? '' : `&resource_id=${resource}`}`;
    /** @type {Undo | null} */
    let plan = null;
    await act(async () => {
      plan = await get(`/undo/plan?${query}`, 30_000);
      return { message: /** @type {any} */ (plan)?.message };
    });
    if (plan === null) return fill(result);
    showPlan(plan, choice);
  }

  /** @param {Undo} plan @param {{ since: string, what: string, resource: number | null }} choice */
  function showPlan(plan, choice) {
    const { items, count, as_of: until } = plan;
    const carryOut = async () => {
      const yes = await ask({
        title: say('undo.ask', { n: count }),
        text: `${stepsOf(items)} ${say('undo.ask.then')}`,
        yes: say('undo.yes'),
        danger: items.some(({ step, refused }) => refused === null && step !== 're-enable'),
      });
      if (!yes) return;
      const began = new Date();
      await act(async () => {
        /** @type {Undo} */
        const done = await post('/undo', {
          since: choice.since,
          until,
          what: choice.what,
          ...(choice.resource === null ? {} : { resource_id: choice.resource }),
        });
        showResult(done, began);
        return done;
      });
    };
    fill(
      result,
      h('h3', {}, say('undo.would', { n: count })),
      count === 0 && h('p', {}, say(items.length === 0 ? 'undo.nothing' : 'undo.nothingLeft')),
      list(items),
      readOnlyReason() !== null && count > 0 && h('p', { class: 'hint' }, readOnlyReason()),
      count > 0 &&
        h('div', { class: 'actions' }, actionButton(say('undo.carryOut', { n: count }), carryOut, 'primary')),
    );
  }

  /** @param {Undo} done @param {Date} began */
  function showResult({ items, count }, began) {
    const back = () => {
      open(new Date(began.getTime() - 60_000), ['undone']);
    };
    fill(
      result,
      h('h3', { tabindex: '-1' }, say('undo.done', { n: count })),
      h('p', {}, say('undo.done.then')),
      list(items),
      h(
        'div',
        { class: 'actions' },
        busyButton(say('undo.back'), async () => back()),
      ),
    );
    result.querySelector('h3')?.focus();
  }

  /** @param {readonly UndoItem[]} items */
  const list = (items) =>
    h(
      'ol',
      { class: 'calendar' },
      ...items.map((item) =>
        h(
          'li',
          { 'data-state': item.refused === null ? 'busy' : 'away' },
          h(
            'p',
            {},
            h('span', { class: 'dot' }),
            ' ',
            h(
              'button',
              {
                type: 'button',
                class: 'link',
                onclick: () => go(`#/booking/${item.reservation_type}/${item.reservation_id}`),
              },
              item.title ?? `${item.reservation_type} ${item.reservation_key ?? item.reservation_id}`,
            ),
            h('span', { class: 'sub' }, ` – ${roomOf(item)} · ${span(item.starts_at, null)}`),
          ),
          h(
            'p',
            {},
            say('undo.was', { what: named('undo.kind', item.what), time: fullTime(item.done_at) }),
            ' ',
            item.refused === null
              ? say(`undo.step.${item.step}`)
              : h('span', { class: 'late' }, say('undo.refused', { why: heard(item.refused) })),
          ),
        ),
      ),
    );

  /** @param {UndoItem} item */
  function roomOf({ resource_id: resource, resource_key: key }) {
    const room = rooms().find((one) => one.resource_id === resource);
    return room === undefined ? say('resource', { id: String(key ?? resource) }) : nameOf(room);
  }

  return { openUndo: () => open(new Date(Date.now() - hourMs), ['cancelled', 'deleted', 'imported']) };
}

/** How many of which step, for the question. @param {readonly UndoItem[]} items */
function stepsOf(items) {
  const steps = Map.groupBy(
    items.filter(({ refused }) => refused === null),
    ({ step }) => step,
  );
  return [...steps].map(([step, those]) => say(`undo.ask.${step}`, { n: those.length })).join(' ');
}
