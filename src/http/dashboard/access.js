/**
 * Whether this session may change anything: the server says so in the page. With a key that only reads, what changes
 * something is not shown (the class `writes`), and the page says why.
 */
import { byId, setText } from './dom.js';
import { say } from './language.js';

const page = globalThis.document?.documentElement;

/** Why nothing can be changed here; null: it can. */
export const readOnlyReason = () =>
  page?.dataset['access'] === 'read' ? say('access.read', { name: page.dataset['key'] ?? '' }) : null;

/** Says it on the page, once. */
export function showAccess() {
  const reason = readOnlyReason();
  const line = byId('access', HTMLParagraphElement);
  line.hidden = reason === null;
  setText(line, reason ?? '');
}
