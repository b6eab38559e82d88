/**
 * A day or week of one room: booking system and Outlook side by side, item by item.
 * @import { Calendar, CalendarItem, Side, State } from './shapes.ts'
 */
import { get } from './api.js';
import { fieldNames } from './conflict-words.js';
import { sheet } from './dialogs.js';
import { h } from './dom.js';
import { listed } from './format.js';
import { translated } from './translate.js';
import { named, say } from './language.js';
import { linksTo } from './links.js';
import { oneWayText } from './room-state.js';
import { dayIn, spanIn } from './zone.js';

/** @type {Record<string, State>} */
const states = {
  equal: 'good',
  different: 'warn',
  waiting: 'busy',
  failed: 'bad',
  conflict: 'warn',
  shadowed: 'away',
  outlook_only: 'busy',
  booking_only: 'warn',
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
    const oneWay = oneWayText(read.sync_direction);
    calendar.show(
      read.room,
      [
        read.from === read.to ? read.from : say('calendar.days', { from: read.from, to: read.to }),
        say('zone.used', { zone: read.timezone }),
        asOf === null
          ? say('calendar.unread')
          : say('calendar.asOf', { time: spanIn(read.timezone, asOf, null) }),
      ].join(' · '),
      h('section', {}, steps(read, span), oneWay !== null && h('p', { class: 'hint' }, oneWay)),
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
      { class: 'tabs', 'aria-label': say('calendar.steps') },
      to(say(`calendar.previous.${span}`), span, daysLater(from, -length)),
      to(say('calendar.today'), span, ''),
      to(say(`calendar.next.${span}`), span, daysLater(from, length)),
      span === 'day' ? to(say('calendar.week'), 'week', from) : to(say('calendar.day'), 'day', from),
    );
  }

  /** @param {Calendar} read */
  function days({ items, timezone, total, count }) {
    if (items.length === 0) return [h('section', {}, h('p', {}, say('calendar.empty')))];
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
    if (total > count) sections.push(h('section', {}, h('p', {}, say('list.rest', { n: total - count }))));
    return sections;
  }

  /** @param {CalendarItem} item @param {string} zone */
  function row(item, zone) {
    const state = states[item.state] ?? 'away';
    const words = named('calendar.state', item.state);
    const names = fieldNames(item.fields);
    const said = names.length > 0 ? `${words}: ${listed(names)}` : words;
    const id = item.mapping_id;
    const name = (item.booking ?? item.outlook)?.title ?? say('untitled');
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
        h(
          'span',
          { class: 'sub' },
          ` – ${[said, item.organizer && say('organiser', { name: item.organizer })].filter(Boolean).join(' · ')}`,
        ),
      ),
      h(
        'div',
        { class: 'both' },
        sideOf(say('side.Booking'), item.booking, zone),
        sideOf(say('side.outlook'), item.outlook, zone),
      ),
      linksTo({ url: item.url, eventId: item.outlook === null ? null : item.outlook_event_id }),
      item.message !== null && h('p', { class: 'hint' }, translated(item.message)),
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
      ? h('span', {}, say('side.nothing'))
      : h(
          'span',
          { dir: 'auto' },
          `${spanIn(zone, side.starts_at, side.ends_at)}${side.all_day ? `, ${say('time.allDay')}` : ''}${side.is_private ? `, ${say('private')}` : ''} · ${side.title ?? ''}`,
        ),
  );

/** @param {string} date @param {number} days */
const daysLater = (date, days) =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
