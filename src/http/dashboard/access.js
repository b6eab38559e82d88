/**
 * Whether this session may change anything, as the server wrote into the page. For a read-only key the elements of the
 * class `writes` are hidden, and the page shows the reason.
 */
import { byId, setText } from './dom.js';
import { say } from './language.js';

const page = globalThis.document?.documentElement;

/** The reason why nothing can be changed here; null: changes are allowed. */
export const readOnlyReason = () =>
  page?.dataset['access'] === 'read' ? say('access.read', { name: page.dataset['key'] ?? '' }) : null;

/** Shows the reason on the page. */
export function showAccess() {
  const reason = readOnlyReason();
  const line = byId('access', HTMLParagraphElement);
  line.hidden = reason === null;
  setText(line, reason ?? '');
}
