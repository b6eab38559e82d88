/** What stands over the page: a question before something that cannot be undone, a sheet at the side, a short notice. */
import { byId, fill, h, setText } from './dom.js';

/**
 * Asks; resolves with whether the person said yes. Escape is no.
 * @param {{ title: string, text: string, yes: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, yes, danger = false }) {
  const dialog = byId('confirm', HTMLDialogElement);
  const { promise, resolve } = Promise.withResolvers();
  const answer = (/** @type {string} */ value) => () => dialog.close(value);
  fill(
    dialog,
    h('h2', { id: 'confirm-title' }, title),
    h('p', {}, text),
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', onclick: answer('no'), autofocus: true }, 'Cancel'),
      h(
        'button',
        { type: 'button', onclick: answer('yes'), class: danger ? 'primary danger' : 'primary' },
        yes,
      ),
    ),
  );
  dialog.returnValue = '';
  dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  dialog.showModal();
  return promise;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let hiding;

/**
 * Says something for some seconds.
 * @param {string} text
 */
export function notice(text) {
  const box = byId('notice', HTMLDivElement);
  setText(box, text);
  // shown anew, so that it lies above a dialog that was opened meanwhile
  box.hidePopover();
  box.showPopover();
  clearTimeout(hiding);
  hiding = setTimeout(() => box.hidePopover(), 7_000);
}

/**
 * A sheet at the side of the page, with an address of its own.
 * @param {'room' | 'explain'} id
 */
export function sheet(id) {
  const dialog = byId(id, HTMLDialogElement);
  dialog.addEventListener('close', () => {
    if (location.hash.startsWith('#/') && document.querySelector('dialog.sheet[open]') === null)
      history.replaceState(null, '', location.pathname);
  });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  return {
    dialog,
    /**
     * @param {string} title
     * @param {string} sub
     * @param {...(Node | null)} sections
     */
    show(title, sub, ...sections) {
      const close = h('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Close');
      fill(
        dialog,
        h('header', {}, h('div', {}, h('h2', { id: `${id}-title` }, title), h('p', {}, sub)), close),
        ...sections,
      );
      if (dialog.open) return;
      for (const other of document.querySelectorAll('dialog.sheet[open]'))
        if (other instanceof HTMLDialogElement) other.close();
      dialog.showModal();
      dialog.scrollTop = 0;
    },
  };
}

/**
 * Names and values.
 * @param {readonly (readonly [string, Node | string | null])[]} entries those with null are left out
 */
export const pairs = (entries) =>
  h(
    'dl',
    { class: 'pairs' },
    ...entries.flatMap(([name, value]) => (value === null ? [] : [h('dt', {}, name), h('dd', {}, value)])),
  );
