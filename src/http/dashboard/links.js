/** Links to one item in Outlook on the web and in the booking system. */
import { h } from './dom.js';
import { say } from './language.js';

/**
 * The address of an event in Outlook on the web, for users with access to the room's calendar. Graph's own `webLink` opens
 * an older view.
 * @param {string | null} eventId
 */
const outlookAddress = (eventId) =>
  eventId === null ? null : `https://outlook.office365.com/calendar/item/${encodeURIComponent(eventId)}`;

/**
 * Links to both sides, if there are any. `url` comes from the adapter and is a link only with http or https.
 * @param {{ url: string | null, eventId: string | null }} of
 */
export function linksTo({ url, eventId }) {
  const outlook = outlookAddress(eventId);
  const links = [
    url !== null && /^https?:/.test(url)
      ? h('a', { href: url, rel: 'noreferrer' }, say('link.inBooking'))
      : null,
    outlook === null ? null : h('a', { href: outlook, rel: 'noreferrer' }, say('link.inOutlook')),
  ].filter((link) => link !== null);
  return links.length === 0 ? null : h('p', { class: 'links' }, ...links);
}
