/** Where one item is shown: in Outlook on the web, and in the booking system. */
import { h } from './dom.js';
import { say } from './language.js';

/**
 * The address of an event in Outlook on the web, for who has the room's calendar there. Graph's own `webLink` opens an
 * older form of the same.
 * @param {string | null} eventId
 */
const outlookAddress = (eventId) =>
  eventId === null ? null : `https://outlook.office365.com/calendar/item/${encodeURIComponent(eventId)}`;

/**
 * Links to both sides, as far as they are known. `url` is the adapter's: only of the web is it a link.
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
