/**
 * Pending changes for Outlook, with the error of the last attempt.
 * @import { Known, Mapping } from './shapes.ts'
 */
import { post } from './api.js';
import { actionButton, byId, h, keep, setText } from './dom.js';
import { counted, number, span, titleOf } from './format.js';
import { translated } from './translate.js';
import { say } from './language.js';
import { nameOf } from './room-state.js';

/** @param {{ act: (work: () => Promise<any>) => Promise<void>, explain: (mapping: number) => void }} options */
export function createQueue({ act, explain }) {
  const list = byId('queue', HTMLOListElement);
  const send = actionButton(say('queue.send'), () => act(() => post('/sync/to-outlook?limit=200')), 'small');
  byId('queue-send', HTMLButtonElement).replaceWith(send);
  /** @type {Map<number, string>} */
  let names = new Map();

  /** @param {Mapping} first */
  function row({ id }) {
    const title = h('button', { type: 'button', class: 'link', onclick: () => explain(id) });
    const when = h('span', { class: 'when' });
    const sub = h('span', { class: 'sub' });
    return {
      element: h('li', {}, title, when, sub),
      /** @param {Mapping} item */
      update(item) {
        setText(title, titleOf(item));
        setText(when, span(item.starts_at, null));
        const tried = say('queue.tried', {
          times: counted(item.attempt, 'time'),
          error: translated(item.error_message ?? ''),
        });
        const room = names.get(item.resource_id) ?? item.outlook_item_id;
        setText(sub, item.attempt === 0 ? room : `${room} · ${tried}`);
        sub.classList.toggle('late', item.attempt > 0);
      },
    };
  }

  return {
    /** @param {Known} known */
    show({ stats, pending, rooms }) {
      names = new Map(rooms.map((room) => [room.resource_id, nameOf(room)]));
      const items = pending.items.filter((item) => item.sync_status !== 'error');
      const outbox = stats?.queue.outbox_rows ?? 0;
      const due = (stats?.queue.due ?? 0) + outbox;
      setText(byId('queue-count', HTMLSpanElement), number(due));
      send.hidden = items.length === 0 || stats?.start.writes !== true;
      list.querySelector('.empty')?.remove();
      keep(list, items, ({ id }) => String(id), row);
      if (items.length === 0) list.append(h('li', { class: 'empty' }, say('queue.empty')));
      setText(byId('queue-caption', HTMLParagraphElement), words(due, outbox, stats?.start.writes !== false));
    },
  };
}

/** @param {number} due @param {number} outbox @param {boolean} writes */
function words(due, outbox, writes) {
  if (due === 0) return '';
  const unread = outbox === 0 ? '' : say('queue.unread', { n: outbox });
  const changes = counted(due - outbox, 'change');
  return say(writes ? 'queue.due' : 'queue.noted', { changes, unread });
}
