/**
 * Rows of the booking view for reports and lists, as SQL: one row that fails is reported as `unreadable`, and the others are read
 * (database/functions/26_readable.sql).
 */
import type { QueryResultRow } from 'pg';
import { concernsRows, type Queryable } from '../../database.ts';
import { queryRows } from '../../query.ts';

const recordset = (items: string, alias: string) => `
  jsonb_to_recordset(${items}) AS ${alias} (reservation_type text, reservation_id bigint, resource_id integer, active boolean,
    starts_at timestamptz, ends_at timestamptz, all_day boolean, title text, description text, organizer_name text,
    organizer_email text, is_private boolean, priority_level smallint, state text, setup_minutes integer, teardown_minutes integer, url text,
    reservation_key text, unreadable text)`;

/** The items of one reservation in one room (`NULL`: in all rooms). An unreadable one has only its ids and `unreadable`. */
export const itemsOf = (alias: string, type: string, id: string, room: string): string =>
  recordset(`bridge_items_of(${type}, ${id}, ${room})`, alias);

/** The active items of one room between two instants, with unreadable ones that may belong there. */
export const itemsIn = (alias: string, room: string, opens: string, closes: string): string =>
  recordset(`bridge_items_in(${room}, ${opens}, ${closes})`, alias);

/** The message about an unreadable item. NULL: it can be read. */
export const unreadableText = (alias: string): string =>
  `'the booking system cannot show this reservation: ' || ${alias}.unreadable`;

/** The remedy for it. */
export const unreadableHint =
  'Correct the reservation in the booking system, or the view bridge_items of the adapter.';

/** Where a query reads items. */
export interface ItemSource {
  /** A subquery for the items of one mapping, by the alias of the mapping. */
  readonly of: (mapping: string) => string;
  /** The items of all mappings, and perhaps others. */
  readonly all: string;
}

const idsOf = (m: string) => [`${m}.reservation_type`, `${m}.reservation_id`, `${m}.resource_id`] as const;

const atOnce: ItemSource = {
  of: (m) => `(
    SELECT v.*, NULL::text AS unreadable FROM bridge_items v
    WHERE v.reservation_type = ${m}.reservation_type AND v.reservation_id = ${m}.reservation_id AND v.resource_id = ${m}.resource_id)`,
  all: 'bridge_items',
};
const oneByOne: ItemSource = {
  of: (m) => `(SELECT * FROM ${itemsOf('v', ...idsOf(m))})`,
  all: `(SELECT v.* FROM bridge_mappings m CROSS JOIN LATERAL ${itemsOf('v', ...idsOf('m'))})`,
};

/**
 * A query about the items of many mappings, which a join reads fastest. If it fails, it is repeated with each item read by itself.
 * Not for use in a transaction.
 */
export async function queryItems<Row extends QueryResultRow>(
  db: Queryable,
  values: unknown[],
  text: (items: ItemSource) => string,
): Promise<Row[]> {
  const query = (items: ItemSource) => queryRows<Row>(db, text(items), values);
  try {
    return await query(atOnce);
  } catch (error) {
    // any other error occurs again
    if (!concernsRows(error)) throw error;
    return await query(oneByOne);
  }
}
