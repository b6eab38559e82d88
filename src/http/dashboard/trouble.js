/**
 * Everything that needs attention besides brake and conflicts: failed reservations, refused rooms, alerts. Each with its
 * reason and its repair.
 * @import { Alert, Mapping, Room } from './shapes.ts'
 */
import { post } from './api.js';
import { actionButton, byId, fill, h, keep, scrollTable, setText } from './dom.js';
import { counted, distance, ended, span, titleOf } from './format.js';
import { translated } from './translate.js';
import { named, say } from './language.js';
import { nameOf } from './room-state.js';

/** Alerts that are handled on this page; the hint of the API names a call instead. */
const here = ['brake', 'items-in-error', 'conflicts', 'error-rate', 'room-failing'];

/**
 * @typedef {{ key: string, title: string, sub: string, error: string, hint: string, action: string,
 *   act: () => Promise<any>, open: () => void }} Failure
 * @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void,
 *   openRoom: (resource: number) => void }} options
 */
export function createTrouble({ act, explain, openRoom }) {
  const errors = table(byId('errors', HTMLDivElement), act);
  const alertPlace = byId('alerts', HTMLDivElement);
  const alertList = h('ol', { class: 'alert-list' });
  const alertTitle = h('h2');
  const alertPanel = h(
    'section',
    { class: 'panel', 'data-state': 'warn' },
    h('header', {}, alertTitle),
    alertList,
  );

  /** @param {Room} room @returns {Failure} */
  const ofRoom = (room) => ({
    key: `room ${room.id}`,
    title: nameOf(room),
    sub: room.outlook_item_id,
    error: room.error === null ? say('trouble.refused') : translated(room.error),
    hint: translated(room.hint ?? ''),
    action: say('tryAgain'),
    act: () => post(`/rooms/${room.resource_id}/resync`),
    open: () => openRoom(room.resource_id),
  });

  /** @param {Mapping & { room: string }} mapping @returns {Failure} */
  const ofMapping = (mapping) => ({
    key: `mapping ${mapping.id}`,
    title: titleOf(mapping),
    sub: `${mapping.room} · ${span(mapping.starts_at, mapping.ends_at)}`,
    error: mapping.error_message === null ? ended(say('noReason')) : translated(mapping.error_message),
    hint: mapping.hint === null ? say('trouble.hint') : translated(mapping.hint),
    action: say('tryAgain'),
    act: () =>
      post(`/sync/item/${mapping.reservation_type}/${mapping.reservation_id}/${mapping.resource_id}`),
    open: () => explain(mapping.id),
  });

  /** @param {Alert} first */
  function alertRow(first) {
    const message = h('span', { class: 'message' });
    const room = first.resource_id;
    const openButton =
      room === null
        ? null
        : h('button', { type: 'button', class: 'small', onclick: () => openRoom(room) }, say('trouble.room'));
    const since = h('span', { class: 'hint' });
    const acknowledge = actionButton(
      say('trouble.acknowledge'),
      () => act(() => post(`/alerts/${first.id}/acknowledge`)),
      'small',
    );
    const state = first.severity === 'critical' ? 'bad' : 'warn';
    const element = h(
      'li',
      { 'data-state': state },
      h('span', { class: 'dot' }),
      message,
      since,
      openButton,
      acknowledge,
    );
    return {
      element,
      /** @param {Alert} alert */
      update(alert) {
        const hint = here.includes(alert.type) ? named('here', alert.type) : translated(alert.hint ?? '');
        setText(message, `${translated(alert.message)} ${hint}`.trim());
        setText(since, distance(alert.created_at, Date.now()));
      },
    };
  }

  return {
    /**
     * @param {{ total: number, mappings: readonly (Mapping & { room: string })[] }} failed
     * @param {readonly Room[]} rooms
     */
    showErrors(failed, rooms) {
      const refused = rooms.filter((room) => room.health === 'refused');
      errors([...refused.map(ofRoom), ...failed.mappings.map(ofMapping)], refused.length + failed.total);
      return refused.length + failed.total;
    },
    /** @param {readonly Alert[] | null} alerts null: the endpoint is not there */
    showAlerts(alerts) {
      const open = (alerts ?? []).filter((alert) => (alert.acknowledged_at ?? null) === null);
      setText(alertTitle, counted(open.length, 'alert'));
      alertPanel.dataset['state'] = open.some(({ severity }) => severity === 'critical') ? 'bad' : 'warn';
      keep(alertList, open, ({ id }) => String(id), alertRow);
      if (open.length === 0) fill(alertPlace);
      else if (!alertPanel.isConnected) fill(alertPlace, alertPanel);
      return open.length;
    },
  };
}

/**
 * @param {HTMLElement} place
 * @param {(work: () => Promise<any>) => Promise<void>} act
 */
function table(place, act) {
  const body = h('tbody');
  const title = h('h2');
  const more = h('p', { class: 'more' });
  const heads = [say('trouble.what'), say('trouble.why'), ''].map((text) => h('th', { scope: 'col' }, text));
  const panel = h(
    'section',
    { class: 'panel', 'data-state': 'bad' },
    h('header', {}, title),
    scrollTable({ 'aria-label': say('trouble.list') }, heads, body, 'errors'),
    more,
  );

  /** @param {Failure} first */
  function row(first) {
    let failure = first;
    const name = h('button', { type: 'button', class: 'link', onclick: () => failure.open() });
    const sub = h('div', { class: 'sub' });
    const error = h('p');
    const hint = h('p', { class: 'hint' });
    const button = actionButton(first.action, () => act(() => failure.act()), 'small');
    const element = h(
      'tr',
      { class: 'error-row' },
      h('td', {}, name, sub),
      h('td', { class: 'reason' }, error, hint),
      h('td', { class: 'number' }, button),
    );
    return {
      element,
      /** @param {Failure} now */
      update(now) {
        failure = now;
        setText(name, now.title);
        setText(sub, now.sub);
        setText(error, now.error);
        setText(hint, now.hint);
      },
    };
  }

  return (/** @type {readonly Failure[]} */ failures, /** @type {number} */ total) => {
    setText(title, say('trouble.failed', { n: total }));
    keep(body, failures, ({ key }) => key, row);
    setText(more, say('list.rest', { n: Math.max(0, total - failures.length) }));
    more.hidden = total <= failures.length;
    if (failures.length === 0) fill(place);
    else if (!panel.isConnected) fill(place, panel);
  };
}
