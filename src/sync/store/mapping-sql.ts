/** SQL that lists and reports share: `m` is a row of bridge_mappings. */
import { isHeld } from '../../waits-for-person.ts';
import { itemsOf, unreadableHint, unreadableText } from './readable-items.ts';

/** What every list of mappings shows of one. */
export const mappingColumns = `
  m.id, m.reservation_type, m.reservation_id, m.resource_id, m.outlook_item_id, m.outlook_event_id, m.sync_status,
  m.priority_level, m.starts_at, m.ends_at, m.attempt`;

/** Why nothing happens to mapping `m`: that the booking system cannot show its item (NULL: no mapping, or no item), else its error. */
export const reasonOf = (m: string | null, item: string) => ({
  message: m === null ? unreadableText(item) : `coalesce(${unreadableText(item)}, ${m}.error_message)`,
  hint: `CASE WHEN ${item}.unreadable IS NOT NULL THEN '${unreadableHint}' ${m === null ? '' : `ELSE ${m}.hint `}END`,
});

/** The same as columns, with item `i`. */
export const mappingError = `${reasonOf('m', 'i').message} AS error_message, ${reasonOf('m', 'i').hint} AS hint`;

/** Why requested work on mapping `m` is not done: its error, else, while it is due, that of its room `s`. */
export const workError = `
  coalesce(m.error_message, CASE WHEN m.due_at IS NOT NULL THEN s.error_message END) AS error,
  coalesce(m.hint, CASE WHEN m.due_at IS NOT NULL THEN s.hint END) AS hint`;

/**
 * The title of mapping `m`. A reservation that was cancelled because of its event has no agreed state, so its title is read from the
 * booking view, if there is one: an adapter may be detached.
 */
export const mappingTitle = `
  coalesce(coalesce(m.booking_seen, m.booking_base, m.outlook_base, m.outlook_seen) ->> 'title',
    CASE WHEN m.reservation_id IS NOT NULL AND to_regclass('public.bridge_items') IS NOT NULL
      THEN bridge_items_of(m.reservation_type, m.reservation_id, m.resource_id) -> 0 ->> 'title' END)`;

/** The item that Outlook showed when it was last read; NULL: its event does not exist. */
export const outlookShown = `
  CASE WHEN m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled' AND coalesce(m.conflict ->> 'kind', '') <> 'deleted'
      AND coalesce(m.outlook_news, '') NOT IN ('gone', 'vacated')
    THEN coalesce(nullif(m.conflict -> 'outlook', 'null'), m.outlook_seen, m.outlook_base) END`;

/** Joins the room `r` of a resource: its active row, else its newest. `of`: the alias of the row with the resource. */
export const joinRoom = (of: string): string => `
  LEFT JOIN LATERAL (SELECT * FROM bridge_resource_mappings r WHERE r.resource_id = ${of}.resource_id
    ORDER BY r.active DESC, r.id DESC LIMIT 1) r ON true`;

/** Joins the item `i` of a mapping in the booking system. */
export const joinItem = `
  LEFT JOIN LATERAL ${itemsOf('i', 'm.reservation_type', 'm.reservation_id', 'm.resource_id')} ON true`;

/** The organiser in the booking system, otherwise the one who invited the room. */
export const organizer = `coalesce(nullif(i.organizer_name, ''), nullif(i.organizer_email, ''), m.outlook_organizer)`;

/** The state of the item `i`, by which both sides are compared. */
export const itemState = `bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)`;

/** By resource: the number `n` of removals that the brake holds. */
export const heldByResource = `
  SELECT m.resource_id, count(*) AS n FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
  WHERE ${isHeld} GROUP BY m.resource_id`;
