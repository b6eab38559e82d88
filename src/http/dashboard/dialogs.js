/** Dialogs: a question before an irreversible action, a sheet at the side, a short notice. */
import { ApiError } from './api.js';
import { byId, fill, h, keepFocus, setText } from './dom.js';
import { say } from './language.js';

/**
 * Asks for confirmation; resolves to true for yes. Escape is no.
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
      h('button', { type: 'button', onclick: answer('no'), autofocus: true }, say('back')),
      h(
        'button',
        { type: 'button', onclick: answer('yes'), class: danger ? 'primary danger' : 'primary' },
        yes,
      ),
    ),
  );
  dialog.returnValue = '';
  function closed() {
    // the button that asked may have been removed meanwhile
    if (document.activeElement === document.body) byId('content', HTMLElement).focus();
    resolve(dialog.returnValue === 'yes');
  }
  dialog.addEventListener('close', closed, { once: true });
  dialog.showModal();
  return promise;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let hiding;

/**
 * Shows a text for some seconds.
 * @param {string} text
 */
export function notice(text) {
  const box = byId('notice', HTMLDivElement);
  // shown again to lie above a dialog opened meanwhile; filled afterwards, so that screen readers announce it
  box.hidePopover();
  box.showPopover();
  setText(box, '');
  setText(box, text);
  clearTimeout(hiding);
  hiding = setTimeout(() => box.hidePopover(), 7_000);
}

/**
 * A sheet at the side of the page, with an address of its own.
 * @param {'room' | 'explain' | 'search' | 'calendar' | 'undo'} id
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
  let drawn = '';
  const own = {
    dialog,
    /**
     * The answer of a call. Null after a failure, which is shown unless the sheet is open already.
     * @param {() => Promise<any>} call
     */
    async read(call) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (!dialog.open)
          own.show(say('sheet.failed'), error.message, h('section', {}, h('p', {}, error.hint)));
        return null;
      }
    },
    /**
     * Draws the data unless it is unchanged, or the sheet was closed before data was read `again`.
     * @param {unknown} data
     * @param {boolean} again
     * @param {() => void} draw
     */
    present(data, again, draw) {
      const now = JSON.stringify(data);
      if (dialog.open ? now === drawn : again) return;
      drawn = now;
      draw();
    },
    /**
     * @param {string} title
     * @param {string} sub
     * @param {...(Node | null)} sections
     */
    show(title, sub, ...sections) {
      const close = h(
        'button',
        { type: 'button', class: 'quiet', onclick: () => dialog.close() },
        say('close'),
      );
      const draw = () =>
        fill(
          dialog,
          h(
            'header',
            {},
            h('div', {}, h('h2', { id: `${id}-title`, dir: 'auto' }, title), h('p', {}, sub)),
            close,
          ),
          ...sections,
        );
      if (dialog.open) return keepFocus(dialog, draw);
      draw();
      for (const other of document.querySelectorAll('dialog.sheet[open]'))
        if (other instanceof HTMLDialogElement) other.close();
      dialog.showModal();
      dialog.scrollTop = 0;
    },
  };
  return own;
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
