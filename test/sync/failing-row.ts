/** A booking view with a row that fails. */
import type { Rooms } from './two-way-world.ts';

/** Makes this column of each reservation with the title 'bad' fail. Returns the function that undoes it. */
export async function spoilColumn(
  w: Rooms,
  column: 'starts_at' | 'ends_at' | 'active',
): Promise<() => Promise<void>> {
  const fails = '(1 / (length(title) - 3))';
  const failing = column === 'active' ? `${fails} = 1` : `to_timestamp(${fails})`;
  return await spoil(w, 'title', '', { [column]: failing });
}

/**
 * Makes the row of each reservation with the title 'bad' fail, as a cast in an adapter's view may. Returns the function that undoes it.
 */
export async function spoil(
  w: { readonly db: Pick<Rooms['db'], 'query'> },
  title = `(1 / (length(title) - 3))::text`,
  replaces = '',
  columns: Readonly<Record<string, string>> = {},
): Promise<() => Promise<void>> {
  const of = (column: string) =>
    columns[column] === undefined
      ? column
      : `CASE WHEN title = 'bad' THEN ${columns[column]} ELSE ${column} END AS ${column}`;
  const [{ view }] = (await w.db.query<{ view: string }>(
    `SELECT rtrim(pg_get_viewdef('bridge_items'), ';') AS view`,
  )) as [{ view: string }];
  await w.db.query(`CREATE OR REPLACE VIEW bridge_items AS
    SELECT reservation_type, reservation_id, resource_id, priority_level, ${of('active')}, ${of('starts_at')}, ${of('ends_at')}, all_day,
      CASE WHEN title = 'bad' THEN ${title} ELSE title END AS title, description, organizer_name, organizer_email, is_private
      ${replaces && `, ${replaces}`}
    FROM (${view}) items`);
  return async () => void (await w.db.query(`CREATE OR REPLACE VIEW bridge_items AS ${view}`));
}
