/** The log of one room: the newest lines, and older ones page by page. @import { Line } from './shapes.ts' */
import { get } from './api.js';
import { busyButton, fill, h } from './dom.js';
import { fullTime, titleOf } from './format.js';
import { say } from './language.js';
import { stepWords } from './step-words.js';

const pageSize = 20;

/** @param {{ explain: (mapping: number) => void }} options */
export function createRoomHistory({ explain }) {
  /** @type {number | null} */
  let resource = null;
  /** The newest first. @type {Line[]} */
  let lines = [];
  let ended = false;
  const list = h('ol', { class: 'steps' });
  const older = busyButton(say('room.history.older'), readOlder, 'small');
  const section = h('section', {}, h('h3', {}, say('room.history')), list, older);

  /** @param {Line[]} page */
  function take(page) {
    const known = new Set(lines.map(({ id }) => id));
    lines = [...lines, ...page.filter(({ id }) => !known.has(id))].toSorted((a, b) => b.id - a.id);
  }

  async function readOlder() {
    const before = lines.at(-1)?.id;
    if (before === undefined) return;
    const page = (await get(`/log?resource_id=${resource}&limit=${pageSize}&before=${before}`)).lines;
    const first = lines.length;
    take(page);
    ended = page.length < pageSize;
    draw();
    // the focus moves to the first added line, because the button may be hidden now
    const next = list.children[first]?.querySelector('button') ?? list.children[first];
    if (next instanceof HTMLElement) next.focus();
  }

  function draw() {
    fill(
      list,
      ...lines.map((line) => {
        const { mapping_id: mapping } = line;
        return h(
          'li',
          {
            'data-state': line.action === 'parked' ? 'bad' : line.action === 'delayed' ? 'warn' : 'good',
            tabindex: '-1',
          },
          h('span', { class: 'dot' }),
          h(
            'p',
            {},
            mapping !== null &&
              h('button', { type: 'button', class: 'link', onclick: () => explain(mapping) }, titleOf(line)),
            mapping !== null && ' – ',
            stepWords(line),
          ),
          h('p', { class: 'meta' }, h('time', { datetime: line.at }, fullTime(line.at))),
        );
      }),
      lines.length === 0 && h('li', {}, say('room.history.empty')),
    );
    older.hidden = ended || lines.length === 0;
  }

  return {
    section,
    /** Reads the newest lines of a room; another room than before discards the lines. @param {number} of */
    async read(of) {
      const page = (await get(`/log?resource_id=${of}&limit=${pageSize}`)).lines;
      if (of !== resource) {
        resource = of;
        lines = [];
        ended = page.length < pageSize;
      }
      const newest = lines[0]?.id;
      take(page);
      if (lines[0]?.id !== newest || newest === undefined) draw();
    },
  };
}
