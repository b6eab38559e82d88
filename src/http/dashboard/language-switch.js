/** The link to the page in the other language, with the same sheet open. The server stores the choice in a cookie. */
import { byId } from './dom.js';

export function createLanguageSwitch() {
  const link = byId('language', HTMLAnchorElement);
  link.addEventListener('click', () => {
    link.hash = location.hash;
  });
}
