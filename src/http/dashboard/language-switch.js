/** The link to the page in its other language: it leads to what is open here. The server remembers the choice. */
import { byId } from './dom.js';

export function createLanguageSwitch() {
  const link = byId('language', HTMLAnchorElement);
  link.addEventListener('click', () => {
    link.hash = location.hash;
  });
}
