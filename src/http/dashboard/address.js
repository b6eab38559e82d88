/** Every sheet has an address of its own, which can be shared; and the search field, which opens one. */
import { byId } from './dom.js';

/**
 * @param {{ openMapping: (id: number) => void, openRoom: (resource: number) => void,
 *   openReservation: (type: string, id: string) => void, openSearch: (query: string) => void,
 *   openCalendar: (resource: number, span: string, date: string) => void, openUndo: () => void }} open
 */
export function createAddress({
  openMapping,
  openRoom,
  openReservation,
  openSearch,
  openCalendar,
  openUndo,
}) {
  function route() {
    const [, kind = '', first = '', second = '', third = ''] = location.hash.split('/');
    if (kind === 'mapping') openMapping(Number(first));
    else if (kind === 'room') openRoom(Number(first));
    else if (kind === 'search') openSearch(decodeURIComponent(first));
    else if (kind === 'calendar') openCalendar(Number(first), second, third);
    else if (kind === 'undo') openUndo();
    else if (kind === 'booking') openReservation(decodeURIComponent(first), decodeURIComponent(second));
    else
      for (const sheet of document.querySelectorAll('dialog.sheet[open]'))
        if (sheet instanceof HTMLDialogElement) sheet.close();
  }

  /** @param {string} hash */
  function go(hash) {
    if (location.hash === hash) route();
    else location.hash = hash;
  }

  byId('find', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    const text = byId('find-text', HTMLInputElement).value.trim();
    // one reservation is opened in all its rooms at once
    if (/^\w+\/(\d{1,19}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.test(text)) go(`#/booking/${text}`);
    else if (text !== '') go(`#/search/${encodeURIComponent(text)}`);
  });
  // enabled only now: before this listener the browser would have submitted the form to the server
  for (const part of byId('find', HTMLFormElement).querySelectorAll('input, button'))
    part.removeAttribute('disabled');
  window.addEventListener('hashchange', route);

  return { go, route };
}
