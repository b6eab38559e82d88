/**
 * A room's day or week: what the booking system shows beside what Outlook shows, item by item.
 * @import { Calendar, CalendarItem, Side, State } from './shapes.ts'
 */
import { get } from './api.js';
import { fieldNames } from './conflict-words.js';
import { sheet } from './dialogs.js';
import { h } from './dom.js';
import { listed } from './format.js';
import { dayIn, spanIn } from './zone.js';

/** @type {Record<string, [State, string]>} */
const states = {
  equal: ['good', 'equal'],
  different: ['warn', 'different'],
  waiting: ['busy', 'on its way'],
  failed: ['bad', 'could not be brought over'],
  conflict: ['warn', 'a person has to choose'],
  shadowed: ['away', 'not shown in Outlook: something more important takes its time'],
  outlook_only: ['busy', 'in Outlook only'],
  booking_only: ['warn', 'in the booking system only'],
};

/** @param {{ go: (hash: string) => void }} options */
export function createCalendar({ go }) {
  const calendar = sheet('calendar');

  /** @param {number} resource @param {'day' | 'week'} span @param {string} date YYYY-MM-DD; empty: today */
  async function openCalendar(resource, span, date) {
    /** @type {Calendar | null} */
    const read = await calendar.read(() =>
      get(`/rooms/${resource}/${span}${date === '' ? '' : `?date=${encodeURIComponent(date)}`}`),
    );
    if (read === null) return;
    const asOf = read.outlook_as_of;
    calendar.show(
      read.room,
      `${read.from === read.to ? read.from : `${read.from} to ${read.to}`} · times are those of ${read.timezone} · Outlook as read ${
        asOf === null ? 'never' : spanIn(read.timezone, asOf, null)
      }`,
      h('section', {}, steps(read, span)),
      ...days(read),
    );
  }

  /** @param {Calendar} read @param {'day' | 'week'} span */
  function steps({ resource_id: resource, from }, span) {
    const length = span === 'day' ? 1 : 7;
    const to = (/** @type {string} */ name, /** @type {'day' | 'week'} */ kind, /** @type {string} */ date) =>
      h('button', { type: 'button', onclick: () => go(`#/calendar/${resource}/${kind}/${date}`) }, name);
    return h(
      'nav',
      { class: 'tabs', 'aria-label': 'Days' },
      to(`Previous ${span}`, span, daysLater(from, -length)),
      to('Today', span, ''),
      to(`Next ${span}`, span, daysLater(from, length)),
      span === 'day' ? to('Week', 'week', from) : to('Day', 'day', from),
    );
  }

  /** @param {Calendar} read */
  function days({ items, timezone, total, count }) {
    if (items.length === 0) return [h('section', {}, h('p', {}, 'Nothing on either side.'))];
    const byDay = Map.groupBy(items, ({ booking, outlook }) =>
      dayIn(timezone, (booking ?? outlook)?.starts_at ?? ''),
    );
    const sections = [...byDay].map(([day, those]) =>
      h(
        'section',
        {},
        h('h3', {}, day),
        h('ol', { class: 'calendar' }, ...those.map((one) => row(one, timezone))),
      ),
    );
    if (total > count) sections.push(h('section', {}, h('p', {}, `and ${total - count} more`)));
    return sections;
  }

  /** @param {CalendarItem} item @param {string} zone */
  function row(item, zone) {
    const [state, words] = states[item.state] ?? ['away', item.state];
    const names = [...new Set(item.fields.map((field) => fieldNames[field] ?? field))];
    const said = names.length > 0 ? `${words}: ${listed(names)}` : words;
    const id = item.mapping_id;
    const name = (item.booking ?? item.outlook)?.title ?? 'Untitled';
    return h(
      'li',
      { 'data-state': state },
      h(
        'p',
        {},
        h('span', { class: 'dot' }),
        ' ',
        id === null
          ? h('span', {}, name)
          : h('button', { type: 'button', class: 'link', onclick: () => go(`#/mapping/${id}`) }, name),
        h('span', { class: 'sub' }, ` – ${said}`),
      ),
      h(
        'div',
        { class: 'both' },
        sideOf('Booking', item.booking, zone),
        sideOf('Outlook', item.outlook, zone),
      ),
      item.message !== null && h('p', { class: 'hint' }, item.message),
    );
  }

  return {
    openCalendar: (/** @type {number} */ resource, /** @type {string} */ span, /** @type {string} */ date) =>
      void openCalendar(resource, span === 'day' ? 'day' : 'week', date),
  };
}

/** One side of an item. @param {string} name @param {Side | null} side @param {string} zone */
const sideOf = (name, side, zone) =>
  h(
    'div',
    { class: 'one-side' },
    h('span', { class: 'sub' }, name),
    side === null
      ? h('span', {}, 'not there')
      : h(
          'span',
          { dir: 'auto' },
          `${spanIn(zone, side.starts_at, side.ends_at)}${side.all_day ? ', all day' : ''}${side.is_private ? ', private' : ''} · ${side.title ?? ''}`,
        ),
  );

/** @param {string} date @param {number} days */
const daysLater = (date, days) =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
