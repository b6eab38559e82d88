/**
 * What was found of what was typed; each leads to its explanation.
 * @import { Search, SearchResult } from './shapes.ts'
 */
import { get } from './api.js';
import { sheet } from './dialogs.js';
import { h } from './dom.js';
import { counted, number } from './format.js';
import { statuses } from './statuses.js';
import { spanIn } from './zone.js';

/** @param {{ go: (hash: string) => void }} options */
export function createSearch({ go }) {
  const results = sheet('search');

  /** @param {string} query */
  async function openSearch(query) {
    /** @type {Search | null} */
    const found = await results.read(() => get(`/search?q=${encodeURIComponent(query)}&limit=100`));
    if (found === null) return;
    const { understood, remark, total, count, timezone } = found;
    results.show(
      `«${query}»`,
      [counted(total, 'match', 'matches'), dayOf(understood), `times are those of ${timezone}`]
        .filter((text) => text !== '')
        .join(' · '),
      h(
        'section',
        {},
        remark !== null && h('p', { class: 'hint' }, remark),
        total === 0 && h('p', {}, 'Neither side shows such a reservation or event in a mapped room.'),
        h(
          'ol',
          { class: 'plain-list' },
          ...found.results.map((one) => row(one, timezone)),
          total > count && h('li', {}, h('span', {}, `and ${number(total - count)} more`)),
        ),
      ),
    );
  }

  /** @param {SearchResult} one @param {string} zone */
  function row(one, zone) {
    const [state, words] = statuses[one.status] ?? ['away', 'in no room that is kept equal'];
    const name = one.title ?? `${one.reservation_type ?? 'event'} ${one.reservation_id ?? ''}`;
    const id = one.mapping_id;
    return h(
      'li',
      {},
      h('span', { class: 'dot', 'data-state': state }),
      id === null
        ? h('span', {}, name)
        : h('button', { type: 'button', class: 'link', onclick: () => go(`#/mapping/${id}`) }, name),
      h('span', { class: 'sub grow' }, [one.room, one.organizer, words].filter(Boolean).join(' · ')),
      one.url !== null && h('a', { href: one.url, rel: 'noreferrer' }, 'booking'),
      h('span', {}, spanIn(zone, one.starts_at, one.ends_at)),
    );
  }

  return { openSearch: (/** @type {string} */ query) => void openSearch(query) };
}

/** @param {Search['understood']} understood */
const dayOf = ({ date, to, time }) =>
  [date, to !== date ? `to ${to}` : null, time === null ? null : `at ${time}`].filter(Boolean).join(' ');
