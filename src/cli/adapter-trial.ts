/** Tests the functions of an adapter with one meeting: imports, reads, changes and cancels it. The caller rolls it back. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import type { Id } from '../id.ts';
import { attempt } from './adapter-stage.ts';
import type { Report } from './doctor-findings.ts';
import { findRow } from '../query.ts';

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

/** Keys that every adapter must store; a booking system may lack the others. */
const required = new Set(['starts_at', 'ends_at', 'title', 'resource_ids']);

/** Needs the view, the functions and the triggers. */
export async function tryFunctions(
  client: pg.Client,
  timezone: string,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  const slot = await freeSlot(client, timezone);
  if (slot === null) {
    report(
      'warning',
      'functions',
      'No room with a free slot was found, so no meeting was imported.',
      'Run it on a copy of the real database, or write the view bridge_resources (11_resources.sql).',
    );
    return;
  }
  const problems: string[] = [];
  const counting: Report = (state, check, message, repair) => {
    if (state === 'problem') problems.push(message);
    report(state, check, message, repair);
  };
  const warnings = new Set<string>();
  const onNotice = ({
    severity,
    message = '',
  }: {
    severity?: string | undefined;
    message?: string | undefined;
  }) => {
    if (severity === 'WARNING') warnings.add(message);
  };
  client.on('notice', onNotice);
  try {
    // an unusual zone reveals casts that depend on the zone of the session
    await client.query("SET LOCAL TimeZone = 'Pacific/Kiritimati'");
    await runSteps(client, slot, abilities, counting);
  } finally {
    client.off('notice', onNotice);
  }
  await client.query("SET LOCAL TimeZone = 'UTC'");
  for (const warning of warnings)
    counting('problem', 'functions', `A WARNING was raised: ${warning}`, 'Fix the trigger that raises it.');
  if (problems.length === 0)
    report('ok', 'functions', 'a meeting was imported, read, changed, cancelled, and rolled back');
}

async function runSteps(
  client: pg.Client,
  slot: Slot,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  const item = {
    starts_at: slot.starts_at,
    ends_at: slot.ends_at,
    all_day: false,
    title: 'Adapter check',
    description: 'Rolled back at once',
    organizer_name: 'Adapter check',
    organizer_email: 'adapter.check@example.org',
    is_private: true,
    resource_ids: [slot.resource],
  };
  const checkRecorded = await watchOutbox(client, report);
  const key = await imported(client, item, report);
  if (key === null) return;
  const expected = abilities.has('no-text') ? { ...item, title: undefined, description: undefined } : item;
  const stored = await compare(client, key, expected, 'bridge_import_item', report);
  if (!stored.includes('is_private') && !abilities.has('no-private'))
    undeclared(
      'no-private',
      'A meeting marked private in Outlook is not private in the view: the bridge would make it public in Outlook too.',
      report,
    );
  await checkRecorded(key, 'An imported meeting');
  const again = await attempt(client, 'SELECT bridge_import($1)', [JSON.stringify(item)]);
  if (again === null || sqlState(again) !== '23P01')
    report(
      'problem',
      'functions',
      `A second meeting in the same slot ${again === null ? 'was imported' : `failed: ${failureInWords(again)}`}.`,
      "Unless item ->> 'overlap' is 'allow', bridge_import_item must raise ERRCODE '23P01' if the room is taken.",
    );
  await checkRefusals(client, slot, item, report);
  await checkLongTexts(client, key, item, abilities, report);
  await client.query('SAVEPOINT on_top');
  const onTop = await attempt(client, 'SELECT bridge_import($1)', [
    JSON.stringify({ ...item, overlap: 'allow' }),
  ]);
  await client.query('ROLLBACK TO on_top; RELEASE on_top');
  if (sqlState(onTop) === '23P01' && !abilities.has('no-overlap'))
    undeclared('no-overlap', 'A meeting in a taken slot is refused although overlap is allowed.', report);
  const change = {
    ...(abilities.has('no-text') ? {} : { title: 'Adapter check, moved' }),
    ends_at: slot.later,
  };
  const changed = await callFunction<{ keys: string[] | null }>(
    client,
    'SELECT bridge_change_item($1, $2::bigint, $3) AS keys',
    [key.type, key.id, JSON.stringify(change)],
    'Fix bridge_change_item in 20_functions.sql.',
    report,
  );
  if (changed !== null) {
    const shown = await compare(client, key, change, 'bridge_change_item', report);
    const returned = changed.keys ?? [];
    if (returned.toSorted().join() !== shown.toSorted().join())
      report(
        'problem',
        'functions',
        `bridge_change_item returned ${returned.join(', ') || 'no keys'} as stored; in the view ${shown.join(', ') || 'no keys'} have the requested values.`,
        'End it with: RETURN public.bridge_stored_keys(type, id, change);',
      );
    await checkRecorded(key, 'A changed meeting');
  }
  await cancel(client, key, checkRecorded, report);
}

/**
 * Checks that impossible meetings are refused with an error that is not retried: other errors would be retried forever, and
 * no error would create the booking.
 */
async function checkRefusals(client: pg.Client, slot: Slot, item: object, report: Report): Promise<void> {
  const impossible: readonly (readonly [property: string, change: object])[] = [
    ['without a room', { resource_ids: [] }],
    ['in an unknown room', { resource_ids: [2_000_000_000] }],
    ['without a start', { starts_at: null }],
    ['that ends before it starts', { starts_at: slot.later, ends_at: slot.starts_at }],
  ];
  for (const [property, change] of impossible) {
    const error = await attempt(client, 'SELECT bridge_import($1)', [
      JSON.stringify({ ...item, ...change, overlap: 'allow' }),
    ]);
    if (error !== null && /^(22|23|P0001)/.test(sqlState(error) ?? '')) continue;
    report(
      'problem',
      'functions',
      `A meeting ${property} ${error === null ? 'was imported' : `failed: ${failureInWords(error)}`}.`,
      "In bridge_import_item: IF … THEN RAISE EXCEPTION '…' USING ERRCODE = '22023'; (an IF on NULL is not true).",
    );
  }
}

/** Texts as long as Outlook allows; the invitations of an online meeting have thousands of characters. */
const longTexts = {
  title: 'Adapter check '.padEnd(255, '.'),
  description: 'Adapter check '.padEnd(20_000, '.'),
  organizer_name: 'Adapter check '.padEnd(255, '.'),
};

/** Checks that long texts are shortened: an error would park each meeting with a long text. */
async function checkLongTexts(
  client: pg.Client,
  { type, id }: Key,
  item: object,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  if (abilities.has('no-text')) return;
  const calls = [
    ['bridge_import_item', 'SELECT bridge_import($1)', [{ ...item, ...longTexts, overlap: 'allow' }]],
    ['bridge_change_item', 'SELECT bridge_change_item($1, $2::bigint, $3)', [type, id, longTexts]],
  ] as const;
  for (const [name, text, values] of calls) {
    await client.query('SAVEPOINT long');
    const error = await attempt(client, text, values);
    await client.query('ROLLBACK TO long; RELEASE long');
    // a system without overlaps refuses the taken slot
    if (error === null || sqlState(error) === '23P01') continue;
    report(
      'problem',
      'functions',
      `A meeting with a long title and text failed: ${failureInWords(error)}.`,
      `Shorten texts to the length of their columns in ${name}: left(… ->> 'title', 100).`,
    );
  }
}

const undeclared = (ability: Ability, message: string, report: Report) =>
  report(
    'warning',
    'abilities',
    message,
    `If the booking system cannot support it, add the word ${ability} to the setting abilities in 40_defaults.sql (sql/README.md, "Abilities").`,
  );

/** The first workday with a free slot of a known room at 10:00 local time, 90 minutes long; null: none within 90 days. */
async function freeSlot(client: pg.Client, timezone: string): Promise<Slot | null> {
  const { rows: views } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_resources') IS NOT NULL AS there`,
  );
  return await findRow<Slot>(
    client,
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
}

async function imported(client: pg.Client, item: object, report: Report): Promise<Key | null> {
  const repair = 'Fix bridge_import_item in 20_functions.sql.';
  const values = [JSON.stringify(item)];
  const text = 'SELECT reservation_type AS type, reservation_id AS id FROM bridge_import($1)';
  const row = await callFunction<{ type: string | null; id: Id | null }>(
    client,
    text,
    values,
    repair,
    report,
  );
  if (row === null) return null;
  if (row.type !== null && row.id !== null) return { type: row.type, id: row.id };
  report(
    'problem',
    'functions',
    `bridge_import_item returned ${row.type ?? 'NULL'} as reservation_type and ${row.id ?? 'NULL'} as reservation_id.`,
    "Set both, for example: INSERT … RETURNING id INTO reservation_id; reservation_type := '…';",
  );
  return null;
}

/** Reports each key of `requested` whose value in the view differs. Returns the keys with the requested values. */
async function compare(
  client: pg.Client,
  { type, id }: Key,
  requested: Readonly<Record<string, unknown>>,
  by: string,
  report: Report,
): Promise<string[]> {
  const { rows } = await client.query<{
    keys: string[];
    item: Readonly<Record<string, unknown>> | null;
  }>(
    `SELECT public.bridge_stored_keys($1, $2::bigint, $3) AS keys,
       (json_agg(i) -> 0) AS item
     FROM public.bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = $2`,
    [type, id, JSON.stringify(requested)],
  );
  const { keys, item } = rows[0]!;
  if (item === null) {
    report(
      'problem',
      'functions',
      `After ${by}, bridge_items does not show ${type}/${id}.`,
      'Check the conditions and joins of 10_view.sql, and that it has the same type.',
    );
    return [];
  }
  if (item['active'] !== true)
    report(
      'problem',
      'functions',
      `After ${by}, ${type}/${id} is shown as cancelled.`,
      'Check the expression of active in 10_view.sql.',
    );
  for (const name of Object.keys(requested).filter((one) => !keys.includes(one))) {
    const shown = name === 'resource_ids' ? item['resource_id'] : item[name];
    const isTime = name === 'starts_at' || name === 'ends_at';
    const off = isTime ? (Date.parse(String(shown)) - Date.parse(String(requested[name]))) / 3_600_000 : 0;
    report(
      required.has(name) ? 'problem' : 'note',
      'functions',
      `${by} was called with ${name} ${JSON.stringify(requested[name])}; the view shows ${isTime ? `it ${Math.abs(off)} h ${off < 0 ? 'earlier' : 'later'}` : JSON.stringify(shown ?? null)}.`,
      isTime
        ? 'View and functions must convert between wall-clock times and instants with the same zone, and not with that of the session.'
        : required.has(name)
          ? `Fix ${by} in 20_functions.sql.`
          : null,
    );
  }
  return keys;
}

/** Reports a problem if the outbox has no row for the reservation since the previous call. `subject` begins the message. */
type CheckRecorded = (key: Key, subject: string) => Promise<void>;

/** A row without an id, which requests a comparison of everything, also counts. */
async function watchOutbox(client: pg.Client, report: Report): Promise<CheckRecorded> {
  const now = async () =>
    (await client.query<{ now: string }>('SELECT clock_timestamp()::text AS now')).rows[0]!.now;
  let since = await now();
  return async ({ type, id }, subject) => {
    const { rows } = await client.query<{ type: string | null; id: Id | null }>(
      `SELECT reservation_type AS type, coalesce(reservation_id, bridge_key_id(reservation_type, reservation_key)) AS id
       FROM public.bridge_changes WHERE changed_at >= $1::timestamptz`,
      [since],
    );
    since = await now();
    if (rows.some((row) => row.id === null || (row.type === type && row.id === id))) return;
    report(
      'problem',
      'triggers',
      `${subject} was not recorded in the outbox as ${type}/${id}.`,
      'Check in 30_watch.sql that the declaration of the table lists every column that the view reads, and the type of the view.',
    );
  };
}

async function cancel(
  client: pg.Client,
  key: Key,
  checkRecorded: CheckRecorded,
  report: Report,
): Promise<void> {
  const text = 'SELECT bridge_cancel_item($1, $2::bigint, $3) AS done';
  const values = [key.type, key.id, 'Adapter check'];
  const repair = 'Fix bridge_cancel_item in 20_functions.sql.';
  const row = await callFunction<{ done: boolean | null }>(client, text, values, repair, report);
  if (row === null) return;
  if (row.done !== true)
    report(
      'problem',
      'functions',
      `bridge_cancel_item returned ${String(row.done)} for an active reservation.`,
      repair,
    );
  await checkRecorded(key, 'A cancelled meeting');
  const { rows } = await client.query(
    'SELECT FROM public.bridge_items WHERE reservation_type = $1 AND reservation_id = $2 AND active',
    values.slice(0, 2),
  );
  if (rows.length > 0)
    report('problem', 'functions', 'After bridge_cancel_item, the view still shows it as active.', repair);
  const gone = await attempt(client, text, [key.type, 0, 'Adapter check']);
  if (gone === null || sqlState(gone) !== 'P0002')
    report(
      'problem',
      'functions',
      `bridge_cancel_item of a reservation that does not exist ${gone === null ? 'succeeded' : `failed: ${failureInWords(gone)}`}.`,
      "RAISE EXCEPTION … USING ERRCODE = 'P0002' if no row is found.",
    );
}

/** The row of one call; null if it failed, which is reported with SQLSTATE, function and line. */
async function callFunction<Row extends object>(
  client: pg.Client,
  text: string,
  values: readonly unknown[],
  repair: string,
  report: Report,
): Promise<Row | null> {
  await client.query('SAVEPOINT call');
  try {
    return await findRow<Row>(client, text, [...values]);
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO call');
    report(
      'problem',
      'functions',
      `${failureInWords(error)}.`,
      // also of a table that a trigger of the booking system writes
      sqlState(error) === '42501' ? 'Grant the privilege to our role, and add it to 00_rights.sql.' : repair,
    );
    return null;
  }
}
