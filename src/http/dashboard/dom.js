/** Creates and changes elements. Text stays text: nothing on the page parses HTML. */

/**
 * An element of the page.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

/**
 * A new element. `props`: attributes; `on…` are listeners, `true` is an attribute without a value, `false` and null are none.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: Event) => unknown)>} [props]
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...nodes(children));
  return element;
}

/**
 * Replaces the children of an element.
 * @param {Element} element
 * @param {...(Node | string | number | null | undefined | false)} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/** @param {(Node | string | number | null | undefined | false)[]} children */
const nodes = (children) =>
  children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));

/**
 * Writes a text only if it differs, so that an unchanged page causes no work.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Updates the children of `parent` to `items`: one element for each key, in their order. A remaining item keeps its
 * element, and with it focus, selection and scroll position.
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => { element: HTMLElement, update: (item: T) => void }} make
 */
export function keep(parent, items, keyOf, make) {
  const known = /** @type {Map<string, { element: HTMLElement, update: (item: T) => void }>} */ (
    kept.get(parent) ?? new Map()
  );
  const keys = new Set(items.map(keyOf));
  for (const [key, one] of known) {
    if (keys.has(key)) continue;
    // removals first, so that fewer elements need to be moved
    const next = one.element.contains(document.activeElement) ? neighbour(one.element) : null;
    one.element.remove();
    next?.focus();
  }
  const focused = document.activeElement;
  const now = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const one = known.get(key) ?? make(item);
    one.update(item);
    now.set(key, one);
    if (one.element === place) place = place.nextElementSibling;
    else parent.insertBefore(one.element, place);
  }
  kept.set(parent, now);
  // a moved element has lost the focus
  if (document.activeElement === document.body && focused instanceof HTMLElement && focused.isConnected)
    focused.focus({ preventScroll: true });
}

const focusable = 'button, a[href], input, select, summary, [tabindex]';
/** @param {Element} element */
const focusables = (element) =>
  [...element.querySelectorAll(focusable)].filter(
    (one) => one instanceof HTMLElement && one.checkVisibility(),
  );

/** The next focus when `element` is removed: in the next element, the previous one, or the page's content. @param {Element} element */
function neighbour(element) {
  for (const beside of [element.nextElementSibling, element.previousElementSibling]) {
    const found = beside === null ? undefined : focusables(beside)[0];
    if (found instanceof HTMLElement) return found;
  }
  return byId('content', HTMLElement);
}

/**
 * Draws the content of an element again; the focus keeps its position in it.
 * @param {HTMLElement} element
 * @param {() => void} draw
 */
export function keepFocus(element, draw) {
  const before = document.activeElement;
  const at = before !== null && element.contains(before) ? focusables(element).indexOf(before) : -1;
  draw();
  if (at === -1) return;
  const now = focusables(element);
  const next = now[Math.min(at, now.length - 1)];
  if (next instanceof HTMLElement) next.focus();
}
/** @type {WeakMap<Element, Map<string, any>>} */
const kept = new WeakMap();

/**
 * A button that changes something; hidden in read-only sessions.
 * @param {string} label
 * @param {() => Promise<unknown>} act
 * @param {string} [kind]
 */
export const actionButton = (label, act, kind = '') => busyButton(label, act, `writes ${kind}`.trim());

/**
 * A button that is busy while `act` works.
 * @param {string} label
 * @param {() => Promise<unknown>} act
 * @param {string} [kind]
 */
export function busyButton(label, act, kind = '') {
  const button = h('button', { type: 'button', class: kind }, label);
  async function work() {
    // not `disabled`: that would take the focus away
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    try {
      await act();
    } finally {
      button.removeAttribute('aria-disabled');
    }
  }
  button.addEventListener('click', () => void work());
  return button;
}

/**
 * A table in a region that scrolls by itself and can be focused for that.
 * @param {Record<string, string>} label `aria-label` or `aria-labelledby`
 * @param {readonly HTMLElement[]} heads
 * @param {HTMLElement} body
 * @param {string} [kind]
 */
export const scrollTable = (label, heads, body, kind = '') =>
  h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', ...label },
    h('table', { class: `table ${kind}`.trim() }, h('thead', {}, h('tr', {}, ...heads)), body),
  );
