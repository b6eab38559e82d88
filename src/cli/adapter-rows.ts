/** Checks the rows of an adapter's view: nulls, duplicates, times, zone. */
import type pg from 'pg';
import { readRelations } from '../booking/read-tables.ts';
import { reservationName } from './adapter-meeting.ts';
import type { Report } from './doctor-findings.ts';
import { queryColumn } from '../query.ts';

interface Fault {
  /** SQL condition on a row `i` of bridge_items. */
  readonly where: string;
  readonly problem: string;
  readonly repair: string;
}

/** Columns of the view that every row needs. */
export const notNull = [
  'reservation_type',
  'reservation_id',
  'resource_id',
  'priority_level',
  'active',
  'starts_at',
  'ends_at',
  'all_day',
  'title',
  'is_private',
];

const local = (column: string) =>
  `(i.${column} AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone'))`;

const faults: readonly Fault[] = [
  ...notNull.map((column) => ({
    where: `i.${column} IS NULL`,
    problem: `${column} is NULL`,
    repair:
      column === 'priority_level'
        ? 'Write 1::smallint in 10_view.sql, unless one type takes precedence over another.'
        : column === 'reservation_id' || column === 'resource_id'
          ? `Keys that are uuids or codes: put them into reservation_key and resource_key (sql/README.md, "Keys").${column === 'resource_id' ? ' A booking without a room: exclude it in 10_view.sql.' : ''}`
          : `Set a value in 10_view.sql, for example coalesce(…, …) AS ${column}, or exclude such rows.`,
  })),
  {
    where: "btrim(i.title) = ''",
    problem: 'the title is empty',
    repair: "In 10_view.sql: coalesce(nullif(btrim(…), ''), 'Booking ' || id) AS title",
  },
  {
    where: 'i.ends_at < i.starts_at',
    problem: 'it ends before it starts',
    repair:
      'In 10_view.sql: greatest(starts_at, ends_at) AS ends_at. Check that the two columns are not swapped, and the day of the end.',
  },
  {
    where: 'i.priority_level < 1',
    problem: 'priority_level is below 1',
    repair: 'The lowest value is 1, for the type that takes precedence.',
  },
  {
    where: String.raw`i.reservation_type !~ '^\w+$'`,
    problem: 'the type is not one word',
    repair: 'Use letters, digits and _ only, because reservations are written as type/id.',
  },
  {
    where: `i.all_day AND (${local('starts_at')}::time <> '00:00' OR ${local('ends_at')}::time <> '00:00' OR ${local('ends_at')} < ${local('starts_at')} + interval '1 day')`,
    problem: 'all_day, but not from midnight to midnight in BOOKING_TIMEZONE',
    repair:
      'Check that BOOKING_TIMEZONE is the zone of the booking system and the one that 10_view.sql uses.',
  },
];

const resourceName = `coalesce(to_jsonb(i) ->> 'resource_key', i.resource_id::text, 'NULL')`;

/** Limit of the rows that are read; systematic errors show in that many. */
const mostRows = 500_000;

/** Checks all rows of the view, which must have the columns of the contract. */
export async function checkRows(client: pg.Client, report: Report): Promise<void> {
  await client.query('SELECT public.bridge_number_resources(), public.bridge_number_keys(NULL)');
  const { rows: faulty } = await client.query<{ at: number; total: number; example: string }>(
    `WITH items AS MATERIALIZED (SELECT * FROM public.bridge_items LIMIT ${mostRows}),
     found AS (
       SELECT f.at, ${reservationName} || ' in resource ' || ${resourceName} AS example
       FROM items i CROSS JOIN LATERAL (VALUES ${faults.map(({ where }, at) => `(${at}, ${where})`).join(', ')}) AS f (at, found)
       WHERE f.found
       UNION ALL
       SELECT ${faults.length}, min(${reservationName} || ' in resource ' || ${resourceName})
       FROM items i GROUP BY reservation_type, reservation_id, resource_id HAVING count(*) > 1
     )
     SELECT at, count(*) AS total, min(example) AS example FROM found GROUP BY at ORDER BY at`,
  );
  for (const { at, total, example } of faulty) {
    const { problem, repair } = faults[at] ?? {
      problem: 'the view has several rows for one reservation in one room',
      repair: 'A join in 10_view.sql multiplies them: join by a key, or aggregate the child rows.',
    };
    report('problem', 'rows', `${total} of bridge_items: ${problem} (${example}).`, repair);
  }
  const { rows } = await client.query<{ total: number }>('SELECT count(*) AS total FROM public.bridge_items');
  const { total } = rows[0]!;
  if (total === 0) {
    const filled = await filledTables(client);
    report(
      'warning',
      'rows',
      `bridge_items has no rows, so its values could not be checked.${filled.length === 0 ? '' : ` These tables, which it reads, have rows: ${filled.join(', ')}.`}`,
      filled.length === 0
        ? 'Run it on a copy of the real database.'
        : 'Check the joins and the WHERE of 10_view.sql.',
    );
  } else if (faulty.length === 0) report('ok', 'rows', `${total} rows, all valid`);
}

/** A row that comes, goes or changes by the time of day has no trigger. */
export async function checkClock(client: pg.Client, report: Report): Promise<void> {
  const [moment] = await queryColumn<string>(
    client,
    `WITH RECURSIVE ${readRelations}
     SELECT substring(regexp_replace(pg_get_viewdef(r.id), '''[^'']*''', '', 'g') FROM
       '(?i)\\m(?:now\\(\\)|current_date\\M|current_time\\M|current_timestamp\\M|localtime\\M|localtimestamp\\M|(?:clock|statement|transaction)_timestamp\\(\\))') AS moment
     FROM reads r JOIN pg_class c ON c.oid = r.id WHERE c.relkind = 'v' ORDER BY 1 LIMIT 1`,
  );
  if (moment === undefined || moment === null) return;
  report(
    'problem',
    'rows',
    `bridge_items depends on the current time (${moment}). No trigger records such a change, and a row that is no longer shown counts as removed: its event would be deleted in Outlook.`,
    'Remove it from 10_view.sql. SYNC_PAST_DAYS and SYNC_FUTURE_DAYS limit what is synchronized.',
  );
}

/** The tables with rows that the view reads. */
async function filledTables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ table: string }>(
    `WITH RECURSIVE ${readRelations}
     SELECT c.oid::regclass::text AS "table" FROM reads r JOIN pg_class c ON c.oid = r.id
     WHERE c.relkind IN ('r', 'p', 'f', 'm') AND NOT (c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'bridge\\_%') ORDER BY 1`,
  );
  const filled: string[] = [];
  for (const { table } of rows) {
    const { rows: first } = await client.query(`SELECT FROM ${table} LIMIT 1`);
    if (first.length > 0) filled.push(table);
  }
  return filled;
}

/**
 * Checks that instants do not depend on the zone of the session, as a cast wall-clock time would, and prints the next five
 * bookings in local time for comparison by a person.
 */
export async function checkTimes(client: pg.Client, timezone: string, report: Report): Promise<void> {
  const seen = new Set<string | null>();
  for (const zone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
    await client.query(`SET LOCAL TimeZone = '${zone}'`);
    const { rows } = await client.query<{ times: string | null }>(
      `SELECT md5(string_agg(concat_ws(' ', extract(epoch FROM starts_at), extract(epoch FROM ends_at), all_day), ','
                 ORDER BY reservation_type, reservation_id, resource_id)) AS times
       FROM (SELECT * FROM public.bridge_items ORDER BY reservation_type, reservation_id, resource_id LIMIT 10000) i`,
    );
    seen.add(rows[0]!.times);
  }
  await client.query("SET LOCAL TimeZone = 'UTC'");
  if (seen.size > 1)
    report(
      'problem',
      'zone',
      'The times of bridge_items depend on the zone of the session: a wall-clock time is cast to an instant.',
      "In 10_view.sql: … AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone'), instead of ::timestamptz",
    );
  const { rows: night } = await client.query<{ total: number; early: number; odd: number }>(
    `SELECT count(*) AS total, count(*) FILTER (WHERE (i.starts_at AT TIME ZONE $1)::time < '05:00') AS early,
       count(*) FILTER (WHERE i.ends_at - i.starts_at NOT BETWEEN interval '2 minutes' AND interval '1 day') AS odd
     FROM (SELECT starts_at, ends_at FROM public.bridge_items WHERE active AND NOT all_day LIMIT 10000) i`,
    [timezone],
  );
  const { total, early, odd } = night[0]!;
  if (odd > total / 2)
    report(
      'warning',
      'zone',
      `${odd} of ${total} bookings are shorter than two minutes or longer than a day.`,
      'Check in 10_view.sql the unit of a duration or of seconds, and which columns are start and end.',
    );
  if (total >= 10 && early > total / 2)
    report(
      'warning',
      'zone',
      `${early} of ${total} bookings start between midnight and five in ${timezone}.`,
      'Check BOOKING_TIMEZONE, and whether the times in the tables are local, UTC or seconds.',
    );
  const { rows: views } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_resources') IS NOT NULL AS there`,
  );
  const room = views[0]!.there
    ? `(SELECT ' (' || min(r.name) || ')' FROM public.bridge_resources r WHERE r.resource_id = i.resource_id)`
    : 'NULL';
  const { rows } = await client.query<{ line: string }>(
    `SELECT format('%s to %s, resource %s%s: %s (%s)', to_char(i.starts_at AT TIME ZONE $1, 'YYYY-MM-DD HH24:MI'),
       to_char(i.ends_at AT TIME ZONE $1, CASE WHEN (i.ends_at AT TIME ZONE $1)::date = (i.starts_at AT TIME ZONE $1)::date THEN 'HH24:MI' ELSE 'YYYY-MM-DD HH24:MI' END), ${resourceName}, ${room}, i.title,
       ${reservationName}) AS line
     FROM public.bridge_items i WHERE i.active AND i.ends_at > now() ORDER BY i.starts_at LIMIT 5`,
    [timezone],
  );
  if (rows.length === 0) return;
  report(
    'note',
    'zone',
    `The next bookings in ${timezone}; compare them with the pages of the booking system.`,
    rows.map(({ line }) => line).join('\n'),
  );
}
