/**
 * The results of a search; each opens the history of its reservation.
 * @import { Search, SearchResult } from './shapes.ts'
 */
import { get } from './api.js';
import { sheet } from './dialogs.js';
import { h } from './dom.js';
import { counted, titleOf } from './format.js';
import { translated } from './translate.js';
import { say } from './language.js';
import { colourOf, statusWords } from './statuses.js';
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
      [counted(total, 'match'), dayOf(understood), say('zone.used', { zone: timezone })]
        .filter((text) => text !== '')
        .join(' · '),
      h(
        'section',
        {},
        remark !== null && h('p', { class: 'hint' }, translated(remark)),
        total === 0 && h('p', {}, say('search.empty')),
        h(
          'ol',
          { class: 'plain-list found' },
          ...found.results.map((one) => row(one, timezone)),
          total > count && h('li', {}, h('span', {}, say('list.rest', { n: total - count }))),
        ),
      ),
    );
  }

  /** @param {SearchResult} one @param {string} zone */
  function row(one, zone) {
    const name = titleOf(one);
    const id = one.mapping_id;
    return h(
      'li',
      {},
      h('span', { class: 'dot', 'data-state': colourOf(one.status) }),
      id === null
        ? h('span', {}, name)
        : h('button', { type: 'button', class: 'link', onclick: () => go(`#/mapping/${id}`) }, name),
      h(
        'span',
        { class: 'sub grow' },
        [one.room, one.organizer, statusWords(one.status)].filter(Boolean).join(' · '),
      ),
      one.url !== null && h('a', { href: one.url, rel: 'noreferrer' }, say('link.booking')),
      h('span', {}, spanIn(zone, one.starts_at, one.ends_at)),
    );
  }

  return { openSearch: (/** @type {string} */ query) => void openSearch(query) };
}

/** @param {Search['understood']} understood */
const dayOf = ({ date, to, time }) =>
  [
    date,
    to !== date ? say('search.to', { day: to ?? '' }) : null,
    time === null ? null : say('search.at', { time }),
  ]
    .filter(Boolean)
    .join(' ');
