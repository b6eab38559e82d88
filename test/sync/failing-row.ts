/** A booking view with a row that fails. */
import type { Rooms } from './two-way-world.ts';

/**
 * Makes the row of each reservation with the title 'bad' fail, as a cast in an adapter's view may. Returns the function that undoes it.
 */
export async function spoil(
  w: { readonly db: Pick<Rooms['db'], 'query'> },
  title = `(1 / (length(title) - 3))::text`,
  replaces = '',
): Promise<() => Promise<void>> {
  const [{ view }] = (await w.db.query<{ view: string }>(
    `SELECT rtrim(pg_get_viewdef('bridge_items'), ';') AS view`,
  )) as [{ view: string }];
  await w.db.query(`CREATE OR REPLACE VIEW bridge_items AS
    SELECT reservation_type, reservation_id, resource_id, priority_level, active, starts_at, ends_at, all_day,
      CASE WHEN title = 'bad' THEN ${title} ELSE title END AS title, description, organizer_name, organizer_email, is_private
      ${replaces && `, ${replaces}`}
    FROM (${view}) items`);
  return async () => void (await w.db.query(`CREATE OR REPLACE VIEW bridge_items AS ${view}`));
}
