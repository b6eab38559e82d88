/** Addresses of reservations in the booking system, if the adapter has them (`url`). */
import type { Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import { queryRows, queryValue } from '../../query.ts';
import { itemsOf } from '../store/readable-items.ts';

interface Named {
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
}

/** The address of each reservation that has one, by `type/id`. */
export async function linksOf(
  db: Queryable,
  reservations: readonly Named[],
): Promise<ReadonlyMap<string, string>> {
  const isKnown = await queryValue<boolean>(db, {
    name: 'links_known',
    text: `SELECT bridge_view_has('{url}')`,
  });
  if (!isKnown || reservations.length === 0) return new Map();
  const rows = await queryRows<{ key: string; url: string }>(db, {
    name: 'links',
    text: `SELECT DISTINCT u.type || '/' || u.id AS key, i.url
      FROM jsonb_to_recordset($1) AS u (type text, id bigint)
      CROSS JOIN LATERAL ${itemsOf('i', 'u.type', 'u.id', 'NULL')}
      -- pages link to it
      WHERE i.url ~* '^https?://'`,
    values: [
      JSON.stringify(
        reservations.flatMap(({ reservation_type: type, reservation_id: id }) =>
          type === null || id === null ? [] : [{ type, id }],
        ),
      ),
    ],
  });
  return new Map(rows.map(({ key, url }) => [key, url]));
}

export const linkOf = (links: ReadonlyMap<string, string>, { reservation_type, reservation_id }: Named) =>
  links.get(`${reservation_type}/${reservation_id}`) ?? null;
