/** An address of its own for what is open, so that it can be sent to a colleague; and the finder, which goes to one. */
import { byId, fill, h } from './dom.js';

/**
 * @param {{ openMapping: (id: number) => void, openRoom: (resource: number) => void,
 *   openReservation: (type: string, id: string) => void }} open
 */
export function createAddress({ openMapping, openRoom, openReservation }) {
  const types = byId('find-type', HTMLSelectElement);
  let offered = '';

  function route() {
    const [, kind = '', first = '', second = ''] = location.hash.split('/');
    if (kind === 'mapping') openMapping(Number(first));
    else if (kind === 'room') openRoom(Number(first));
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
    const id = byId('find-id', HTMLInputElement).value.trim();
    go(`#/booking/${encodeURIComponent(types.value)}/${encodeURIComponent(id)}`);
  });
  // before there was somebody to take it, the browser would have sent the number to the server
  for (const part of byId('find', HTMLFormElement).querySelectorAll('input, button'))
    part.removeAttribute('disabled');
  window.addEventListener('hashchange', route);

  return {
    go,
    route,
    /** Offers the kinds of reservations that this booking system has. @param {readonly string[]} known */
    offer(known) {
      const kinds = known.filter((kind) => kind !== 'unknown').toSorted();
      if (kinds.length === 0 || kinds.join() === offered) return;
      offered = kinds.join();
      const chosen = types.value;
      fill(types, ...kinds.map((kind) => h('option', { value: kind, selected: kind === chosen }, kind)));
    },
  };
}
