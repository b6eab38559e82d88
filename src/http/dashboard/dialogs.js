/** What stands over the page: a question before something that cannot be undone, a sheet at the side, a short notice. */
import { ApiError } from './api.js';
import { byId, fill, h, keepFocus, setText } from './dom.js';
import { say } from './language.js';

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
    // what was asked about may have gone meanwhile, and its button with it
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
 * Says something for some seconds.
 * @param {string} text
 */
export function notice(text) {
  const box = byId('notice', HTMLDivElement);
  // shown anew, so that it lies above a dialog that was opened meanwhile; and before it speaks, so that it is heard
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
     * What a call answers. Null after its failure was shown; what is open then stays as it was.
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
     * Draws what was read, unless it stands there already, or was closed before it was read `again`.
     * @param {unknown} what
     * @param {boolean} again
     * @param {() => void} draw
     */
    present(what, again, draw) {
      const now = JSON.stringify(what);
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
