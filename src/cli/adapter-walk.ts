/** One meeting through the functions of an adapter: imported, shown, changed, cancelled. The caller takes it back. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import type { Id } from '../id.ts';
import { attempt } from './adapter-stage.ts';
import type { Find } from './doctor-findings.ts';

interface Key {
  readonly type: string;
  readonly id: Id;
}

interface Slot {
  readonly resource: number;
  readonly starts_at: string;
  readonly ends_at: string;
  readonly later: string;
}

/** Without these a meeting is not the same on both sides; the other keys may have no place in a system. */
const needed = new Set(['starts_at', 'ends_at', 'title', 'resource_ids']);

/** Needs the view, the functions and the triggers. */
export async function walk(
  client: pg.Client,
  timezone: string,
  abilities: ReadonlySet<Ability>,
  find: Find,
): Promise<void> {
  const slot = await freeSlot(client, timezone);
  if (slot === null) {
    find(
      'warning',
      'functions',
      'No room with a free hour is known, so no meeting was imported.',
      'Run it on a copy of the real database, or write the view bridge_resources (11_resources.sql).',
    );
    return;
  }
  const problems: string[] = [];
  const watching: Find = (state, check, message, repair) => {
    if (state === 'problem') problems.push(message);
    find(state, check, message, repair);
  };
  const warned = new Set<string>();
  const listen = ({
    severity,
    message = '',
  }: {
    severity?: string | undefined;
    message?: string | undefined;
  }) => {
    if (severity === 'WARNING') warned.add(message);
  };
  client.on('notice', listen);
  try {
    // a cast that depends on the zone of the session must show
    await client.query("SET LOCAL TimeZone = 'Pacific/Kiritimati'");
    await steps(client, slot, abilities, watching);
  } finally {
    client.off('notice', listen);
  }
  await client.query("SET LOCAL TimeZone = 'UTC'");
  for (const warning of warned)
    watching('problem', 'functions', `A WARNING came with it: ${warning}`, 'Mend the trigger that says so.');
  if (problems.length === 0)
    find('ok', 'functions', 'a meeting was imported, shown, changed, cancelled, and taken back');
}

async function steps(
  client: pg.Client,
  slot: Slot,
  abilities: ReadonlySet<Ability>,
  find: Find,
): Promise<void> {
  const item = {
    starts_at: slot.starts_at,
    ends_at: slot.ends_at,
    all_day: false,
    title: 'Adapter check',
    description: 'Taken back at once',
    organizer_name: 'Adapter check',
    organizer_email: 'adapter.check@example.org',
    is_private: true,
    resource_ids: [slot.resource],
  };
  const noted = await watchOutbox(client, find);
  const key = await imported(client, item, find);
  if (key === null) return;
  const shownOf = abilities.has('no-text') ? { ...item, title: undefined, description: undefined } : item;
  const shows = await compare(client, key, shownOf, 'bridge_import_item', find);
  if (!shows.includes('is_private') && !abilities.has('no-private'))
    undeclared(
      'no-private',
      'What is marked private in Outlook is not shown as private: the bridge would make it public there, too.',
      find,
    );
  await noted(key, 'An imported meeting');
  const again = await attempt(client, 'SELECT bridge_import($1)', [JSON.stringify(item)]);
  if (again === null || sqlState(again) !== '23P01')
    find(
      'problem',
      'functions',
      `A second meeting in the same slot ${again === null ? 'was imported' : `failed with ${failureInWords(again)}`}.`,
      "Unless item ->> 'overlap' is 'allow', bridge_import_item raises ERRCODE '23P01' when the room is taken.",
    );
  await refuseImpossible(client, slot, item, find);
  await client.query('SAVEPOINT on_top');
  const onTop = await attempt(client, 'SELECT bridge_import($1)', [
    JSON.stringify({ ...item, overlap: 'allow' }),
  ]);
  await client.query('ROLLBACK TO on_top; RELEASE on_top');
  if (sqlState(onTop) === '23P01' && !abilities.has('no-overlap'))
    undeclared('no-overlap', 'A meeting on a taken slot is refused although overlap is allowed.', find);
  const change = {
    ...(abilities.has('no-text') ? {} : { title: 'Adapter check, moved' }),
    ends_at: slot.later,
  };
  const changed = await ask<{ keys: string[] | null }>(
    client,
    'SELECT bridge_change_item($1, $2::bigint, $3) AS keys',
    [key.type, key.id, JSON.stringify(change)],
    'Mend bridge_change_item in 20_functions.sql.',
    find,
  );
  if (changed !== null) {
    const shown = await compare(client, key, change, 'bridge_change_item', find);
    const stored = changed.keys ?? [];
    if (stored.toSorted().join() !== shown.toSorted().join())
      find(
        'problem',
        'functions',
        `bridge_change_item says that it stored ${stored.join(', ') || 'nothing'}; the view shows ${shown.join(', ') || 'nothing'} of what was asked for.`,
        'Let it end with: RETURN public.bridge_stored_keys(type, id, change);',
      );
    await noted(key, 'A changed meeting');
  }
  await cancel(client, key, noted, find);
}

/** Meetings that cannot be are refused for good: another error is tried again for ever, and none makes a booking of them. */
async function refuseImpossible(client: pg.Client, slot: Slot, item: object, find: Find): Promise<void> {
  const impossible: readonly (readonly [what: string, change: object])[] = [
    ['without a room', { resource_ids: [] }],
    ['in a room that is none', { resource_ids: [2_000_000_000] }],
    ['without a start', { starts_at: null }],
    ['that ends before it starts', { starts_at: slot.later, ends_at: slot.starts_at }],
  ];
  for (const [what, change] of impossible) {
    const error = await attempt(client, 'SELECT bridge_import($1)', [
      JSON.stringify({ ...item, ...change, overlap: 'allow' }),
    ]);
    if (error !== null && /^(22|23|P0001)/.test(sqlState(error) ?? '')) continue;
    find(
      'problem',
      'functions',
      `A meeting ${what} ${error === null ? 'was imported' : `failed with ${failureInWords(error)}`}.`,
      "In bridge_import_item: IF … THEN RAISE EXCEPTION '…' USING ERRCODE = '22023'; (an IF on NULL is not true).",
    );
  }
}

const undeclared = (ability: Ability, message: string, find: Find) =>
  find(
    'warning',
    'abilities',
    message,
    `If that cannot be, declare it in 40_defaults.sql: the setting abilities with the word ${ability} (sql/README.md, "Abilities").`,
  );

/** The first hour and a half at ten on a workday in which a room has nothing; null: no room is known. */
async function freeSlot(client: pg.Client, timezone: string): Promise<Slot | null> {
  const { rows: views } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_resources') IS NOT NULL AS there`,
  );
  const { rows } = await client.query<Slot>(
    `WITH rooms AS (
       (SELECT resource_id AS id, 1 AS rank FROM public.bridge_items WHERE resource_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 5)
       ${views[0]!.there ? 'UNION ALL (SELECT resource_id, 2 FROM public.bridge_resources WHERE active ORDER BY 1 LIMIT 5)' : ''}
     ), slots AS (
       SELECT (date_trunc('day', now() AT TIME ZONE $1) + make_interval(days => n, hours => 10)) AT TIME ZONE $1 AS at
       FROM generate_series(1, 90) n
     )
     SELECT r.id AS resource, to_json(s.at)#>>'{}' AS starts_at, to_json(s.at + interval '90 minutes')#>>'{}' AS ends_at,
       to_json(s.at + interval '2 hours')#>>'{}' AS later
     FROM rooms r CROSS JOIN slots s
     WHERE extract(isodow FROM s.at AT TIME ZONE $1) < 6 AND NOT EXISTS (
       SELECT FROM public.bridge_items i WHERE i.resource_id = r.id AND i.active
         AND i.starts_at < s.at + interval '3 hours' AND i.ends_at > s.at - interval '1 hour')
     ORDER BY r.rank, s.at LIMIT 1`,
    [timezone],
  );
  return rows[0] ?? null;
}

async function imported(client: pg.Client, item: object, find: Find): Promise<Key | null> {
  const repair = 'Mend bridge_import_item in 20_functions.sql.';
  const values = [JSON.stringify(item)];
  const text = 'SELECT reservation_type AS type, reservation_id AS id FROM bridge_import($1)';
  const row = await ask<{ type: string | null; id: Id | null }>(client, text, values, repair, find);
  if (row === null) return null;
  if (row.type !== null && row.id !== null) return { type: row.type, id: row.id };
  find(
    'problem',
    'functions',
    `bridge_import_item returned ${row.type ?? 'NULL'} as reservation_type and ${row.id ?? 'NULL'} as reservation_id.`,
    "Set both before it ends, as in: INSERT … RETURNING id INTO reservation_id; reservation_type := '…';",
  );
  return null;
}

/** Says what of `asked` the view does not show. Returns the keys that it shows. */
async function compare(
  client: pg.Client,
  { type, id }: Key,
  asked: Readonly<Record<string, unknown>>,
  by: string,
  find: Find,
): Promise<string[]> {
  const { rows } = await client.query<{
    keys: string[];
    item: Readonly<Record<string, unknown>> | null;
  }>(
    `SELECT public.bridge_stored_keys($1, $2::bigint, $3) AS keys,
       (json_agg(i) -> 0) AS item
     FROM public.bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = $2`,
    [type, id, JSON.stringify(asked)],
  );
  const { keys, item } = rows[0]!;
  if (item === null) {
    find(
      'problem',
      'functions',
      `After ${by}, bridge_items does not show ${type}/${id}.`,
      'Which condition or join of 10_view.sql leaves it out, or is the type another word there?',
    );
    return [];
  }
  if (item['active'] !== true)
    find(
      'problem',
      'functions',
      `After ${by}, ${type}/${id} is shown as cancelled.`,
      'What does active depend on in 10_view.sql?',
    );
  for (const name of Object.keys(asked).filter((one) => !keys.includes(one))) {
    const shown = name === 'resource_ids' ? item['resource_id'] : item[name];
    const isTime = name === 'starts_at' || name === 'ends_at';
    const off = isTime ? (Date.parse(String(shown)) - Date.parse(String(asked[name]))) / 3_600_000 : 0;
    find(
      needed.has(name) ? 'problem' : 'note',
      'functions',
      `${by} was asked for ${name} ${JSON.stringify(asked[name])}; the view shows ${isTime ? `it ${Math.abs(off)} h ${off < 0 ? 'earlier' : 'later'}` : JSON.stringify(shown ?? null)}.`,
      isTime
        ? 'View and functions must turn a wall-clock time into an instant with one zone, and none with that of the session.'
        : needed.has(name)
          ? `Mend ${by} in 20_functions.sql.`
          : null,
    );
  }
  return keys;
}

type Noted = (key: Key, what: string) => Promise<void>;

/** Asks of each step whether the outbox got the reservation, or a comparison of everything, since the step before. */
async function watchOutbox(client: pg.Client, find: Find): Promise<Noted> {
  const now = async () =>
    (await client.query<{ now: string }>('SELECT clock_timestamp()::text AS now')).rows[0]!.now;
  let since = await now();
  return async ({ type, id }, what) => {
    const { rows } = await client.query<{ type: string | null; id: Id | null }>(
      `SELECT reservation_type AS type, coalesce(reservation_id, bridge_key_id(reservation_type, reservation_key)) AS id
       FROM public.bridge_changes WHERE changed_at >= $1::timestamptz`,
      [since],
    );
    since = await now();
    if (rows.some((row) => row.id === null || (row.type === type && row.id === id))) return;
    find(
      'problem',
      'triggers',
      `${what} was not noted as ${type}/${id}.`,
      'In 30_watch.sql: does the declaration of that table name every column that the view reads, and the type of the view?',
    );
  };
}

async function cancel(client: pg.Client, key: Key, noted: Noted, find: Find): Promise<void> {
  const text = 'SELECT bridge_cancel_item($1, $2::bigint, $3) AS done';
  const values = [key.type, key.id, 'Adapter check'];
  const repair = 'Mend bridge_cancel_item in 20_functions.sql.';
  const row = await ask<{ done: boolean | null }>(client, text, values, repair, find);
  if (row === null) return;
  if (row.done !== true)
    find(
      'problem',
      'functions',
      `bridge_cancel_item returned ${String(row.done)} for an active reservation.`,
      repair,
    );
  await noted(key, 'A cancelled meeting');
  const { rows } = await client.query(
    'SELECT FROM public.bridge_items WHERE reservation_type = $1 AND reservation_id = $2 AND active',
    values.slice(0, 2),
  );
  if (rows.length > 0)
    find('problem', 'functions', 'After bridge_cancel_item, the view still shows it as active.', repair);
  const gone = await attempt(client, text, [key.type, 0, 'Adapter check']);
  if (gone === null || sqlState(gone) !== 'P0002')
    find(
      'problem',
      'functions',
      `bridge_cancel_item of a reservation that is not there ${gone === null ? 'succeeded' : `failed with ${failureInWords(gone)}`}.`,
      "RAISE EXCEPTION … USING ERRCODE = 'P0002' where no row is found.",
    );
}

/** The row of one call; null where it failed, which is said with SQLSTATE, function and line. */
async function ask<Row extends object>(
  client: pg.Client,
  text: string,
  values: readonly unknown[],
  repair: string,
  find: Find,
): Promise<Row | null> {
  await client.query('SAVEPOINT ask');
  try {
    const { rows } = await client.query<Row>(text, [...values]);
    return rows[0] ?? null;
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO ask');
    find('problem', 'functions', `${failureInWords(error)}.`, repair);
    return null;
  }
}
