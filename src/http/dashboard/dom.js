/** Elements, made and changed. Text only ever becomes text: nothing here or elsewhere on the page parses HTML. */

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
 * Gives an element other children.
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
 * Writes text where it differs, so that a page at rest is left alone.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keeps the children of `parent` like `items`: one element for each key, in their order. What stays keeps its element,
 * and with it focus, selection and scroll.
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
  for (const [key, one] of known) if (!now.has(key)) one.element.remove();
  kept.set(parent, now);
}
/** @type {WeakMap<Element, Map<string, any>>} */
const kept = new WeakMap();

/**
 * A button that is busy while `act` works.
 * @param {string} label
 * @param {() => Promise<unknown>} act
 * @param {string} [kind]
 */
export function actionButton(label, act, kind = '') {
  const button = h('button', { type: 'button', class: kind }, label);
  async function work() {
    button.disabled = true;
    button.setAttribute('aria-busy', 'true');
    try {
      await act();
    } finally {
      button.disabled = false;
      button.removeAttribute('aria-busy');
    }
  }
  button.addEventListener('click', () => void work());
  return button;
}
