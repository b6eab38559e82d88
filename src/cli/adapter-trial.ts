/** Tests the functions of an adapter with one meeting: imports, reads, changes and cancels it. The caller rolls it back. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import type { Id } from '../id.ts';
import { attempt } from './adapter-stage.ts';
import {
  checkChangeOverlap,
  checkOverlaps,
  checkRooms,
  isActiveIn,
  isOfConstraint,
  undone,
} from './adapter-slots.ts';
import type { Report } from './doctor-findings.ts';
import { findRow, queryRow, queryRows, queryValue } from '../query.ts';

export interface Key {
  readonly type: string;
  readonly id: Id;
}

/** A free time of a room; free are the hour before it and the time until an hour after `later`, too. */
export interface Slot {
  readonly resource: number;
  /** Another room that is free at the same time; null: none was found. */
  readonly other: number | null;
  readonly starts_at: string;
  /** 90 minutes after the start. */
  readonly ends_at: string;
  /** 30 minutes after the end. */
  readonly later: string;
}

/** The repair of a missing privilege, also on a table that a trigger of the booking system writes. */
export const grant = 'Grant the privilege to our role, and add it to 00_rights.sql.';

/** Keys that every adapter must store; a booking system may lack the others. */
const required = new Set(['starts_at', 'ends_at', 'title', 'resource_ids']);

/** Needs the view, the functions and the triggers. */
export async function tryFunctions(
  client: pg.Client,
  timezone: string,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  const slots = await freeSlots(client, timezone);
  const [first] = slots;
  if (first === undefined) {
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
    await runSteps(client, (await withoutApproval(client, slots)) ?? first, abilities, counting);
  } finally {
    client.off('notice', onNotice);
  }
  await client.query("SET LOCAL TimeZone = 'UTC'");
  for (const warning of warnings)
    counting('problem', 'functions', `A WARNING was raised: ${warning}`, 'Fix the trigger that raises it.');
  if (problems.length === 0)
    report('ok', 'functions', 'a meeting was imported, read, changed, cancelled, and rolled back');
}

const itemIn = (slot: Slot) => ({
  starts_at: slot.starts_at,
  ends_at: slot.ends_at,
  all_day: false,
  title: 'Adapter check',
  description: 'Rolled back at once',
  organizer_name: 'Adapter check',
  organizer_email: 'adapter.check@example.org',
  is_private: true,
  resource_ids: [slot.resource],
});

/** The first slot in whose room a meeting needs no approval, so that it takes the time at once; null: none. */
async function withoutApproval(client: pg.Client, slots: readonly Slot[]): Promise<Slot | null> {
  for (const slot of slots) {
    const isTaken = await undone(client, async () => {
      const error = await attempt(client, 'SELECT bridge_import($1)', [JSON.stringify(itemIn(slot))]);
      return error === null && (await isActiveIn(client, itemIn(slot)));
    });
    if (isTaken) return slot;
  }
  return null;
}

async function runSteps(
  client: pg.Client,
  slot: Slot,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  const item = itemIn(slot);
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
  const isTaken = await isActiveIn(client, item);
  const again = await undone(client, () =>
    attempt(client, 'SELECT bridge_import($1)', [JSON.stringify(item)]),
  );
  // one that awaits approval takes no time; other times in the view are reported already
  if (isTaken && (again === null || sqlState(again) !== '23P01'))
    report(
      'problem',
      'functions',
      `A second meeting in the same slot ${again === null ? 'was imported' : `failed: ${failureInWords(again)}`}.`,
      "Unless item ->> 'overlap' is 'allow', bridge_import_item must raise ERRCODE '23P01' if the room is taken.",
    );
  if (isTaken) await checkOverlaps(client, slot, item, report);
  if (isTaken) await checkChangeOverlap(client, key, slot, item, report);
  await checkRooms(client, key, slot, item, abilities, report);
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
  const before = await readRow(client, key);
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
    reportOthers(before, await readRow(client, key), Object.keys(change), report);
    await checkRecorded(key, 'A changed meeting');
  }
  await checkUnknown(client, key, report);
  const isCancelled = await cancel(client, key, checkRecorded, report);
  if (!isCancelled) return;
  const reused = await undone(client, () =>
    attempt(client, 'SELECT bridge_import($1)', [JSON.stringify(item)]),
  );
  if (sqlState(reused) === '23P01')
    report(
      isOfConstraint(reused) ? 'warning' : 'problem',
      'functions',
      `A meeting in the time of a cancelled one was refused: ${failureInWords(reused)}.`,
      isOfConstraint(reused)
        ? 'The constraint of the booking system also counts cancelled reservations. Find out whether the system deletes them instead; if so, delete in bridge_cancel_item.'
        : 'In bridge_import_item, the test for overlap must ignore cancelled reservations.',
    );
}

type Row = Readonly<Record<string, unknown>>;

async function readRow(client: pg.Client, { type, id }: Key): Promise<Row> {
  const row = await findRow<{ item: Row }>(
    client,
    'SELECT to_jsonb(i) AS item FROM public.bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = $2 LIMIT 1',
    [type, id],
  );
  return row?.item ?? {};
}

/** Reports the columns of the view that changed without being requested. */
function reportOthers(before: Row, after: Row, requested: readonly string[], report: Report): void {
  const others = Object.keys(before).filter(
    (name) => !requested.includes(name) && JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  if (others.length === 0 || Object.keys(after).length === 0) return;
  report(
    'problem',
    'functions',
    `bridge_change_item was called with ${requested.join(', ')} and changed ${others.map((name) => `${name} from ${JSON.stringify(before[name])} to ${JSON.stringify(after[name])}`).join(', ')}.`,
    "An absent key means unchanged: column = CASE WHEN change ? 'description' THEN … ELSE b.column END",
  );
}

/** Checks the error for a reservation that does not exist, which must not be retried or count as a success. */
async function checkUnknown(client: pg.Client, { type }: Key, report: Report): Promise<void> {
  const calls = [
    ['bridge_change_item', JSON.stringify({ title: 'Adapter check' })],
    ['bridge_cancel_item', 'Adapter check'],
  ] as const;
  for (const [name, value] of calls) {
    const error = await attempt(client, `SELECT ${name}($1, $2::bigint, $3)`, [type, 0, value]);
    if (sqlState(error) === 'P0002') continue;
    report(
      'problem',
      'functions',
      `${name} of a reservation that does not exist ${error === null ? 'succeeded' : `failed: ${failureInWords(error)}`}.`,
      `In ${name}: RAISE EXCEPTION … USING ERRCODE = 'P0002' if no row is found.`,
    );
  }
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

/** Of each known room the first workday within 90 days with a free slot at 10:00 local time, 90 minutes long. */
async function freeSlots(client: pg.Client, timezone: string): Promise<readonly Slot[]> {
  const { rows: views } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_resources') IS NOT NULL AS there`,
  );
  return await queryRows<Slot>(
    client,
    `WITH rooms AS (
       (SELECT resource_id AS id, 1 AS rank FROM public.bridge_items WHERE resource_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 5)
       ${views[0]!.there ? 'UNION ALL (SELECT resource_id, 2 FROM public.bridge_resources WHERE active ORDER BY 1 LIMIT 5)' : ''}
     ), slots AS (
       SELECT (date_trunc('day', now() AT TIME ZONE $1) + make_interval(days => n, hours => 10)) AT TIME ZONE $1 AS at
       FROM generate_series(1, 90) n
     )
     SELECT resource, other, starts_at, ends_at, later FROM (SELECT DISTINCT ON (r.id) r.id AS resource, r.rank,
       (SELECT o.id FROM rooms o WHERE o.id <> r.id AND NOT EXISTS (
          SELECT FROM public.bridge_items i WHERE i.resource_id = o.id AND i.active
            AND i.starts_at < s.at + interval '3 hours' AND i.ends_at > s.at - interval '1 hour')
        ORDER BY o.rank, o.id LIMIT 1) AS other,
       to_json(s.at)#>>'{}' AS starts_at, to_json(s.at + interval '90 minutes')#>>'{}' AS ends_at,
       to_json(s.at + interval '2 hours')#>>'{}' AS later
     FROM rooms r CROSS JOIN slots s
     WHERE extract(isodow FROM s.at AT TIME ZONE $1) < 6 AND NOT EXISTS (
       SELECT FROM public.bridge_items i WHERE i.resource_id = r.id AND i.active
         AND i.starts_at < s.at + interval '3 hours' AND i.ends_at > s.at - interval '1 hour')
     ORDER BY r.id, r.rank, s.at) first ORDER BY rank, resource`,
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
  if (item['state'] === 'awaiting')
    report(
      'note',
      'functions',
      `After ${by}, ${type}/${id} awaits approval in each room that was tried, so overlaps were not tested.`,
    );
  else if (item['active'] !== true)
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
          ? `Fix ${by} in 20_functions.sql.${name === 'title' ? ' A system without titles: show another text as the title, or declare no-text in 40_defaults.sql (sql/README.md, "Abilities").' : ''}`
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

/** Cancels it, twice. Returns whether it is cancelled. */
async function cancel(
  client: pg.Client,
  key: Key,
  checkRecorded: CheckRecorded,
  report: Report,
): Promise<boolean> {
  const text = 'SELECT bridge_cancel_item($1, $2::bigint, $3) AS done';
  const values = [key.type, key.id, 'Adapter check'];
  const repair = 'Fix bridge_cancel_item in 20_functions.sql.';
  const rowsBefore = await writtenRows(client);
  const row = await callFunction<{ done: boolean | null }>(client, text, values, repair, report);
  if (row === null) return false;
  const rowsAfter = await writtenRows(client);
  if (row.done !== true)
    report(
      'problem',
      'functions',
      `bridge_cancel_item returned ${String(row.done)} for an active reservation.`,
      repair,
    );
  await checkRecorded(key, 'A cancelled meeting');
  const shown = await readRow(client, key);
  if (shown['active'] === true) {
    report('problem', 'functions', 'After bridge_cancel_item, the view still shows it as active.', repair);
    return false;
  }
  if (
    shown['active'] === undefined &&
    rowsAfter.changed > rowsBefore.changed &&
    rowsAfter.deleted === rowsBefore.deleted
  )
    report(
      'problem',
      'functions',
      'After bridge_cancel_item, the view does not show the reservation, although no row was deleted: a cancellation in the booking system would look like a deleted row, which the brake holds.',
      'In 10_view.sql, show cancelled reservations with active = false, instead of excluding them in a WHERE or a join.',
    );
  await cancelAgain(client, key, shown, report);
  return true;
}

/** `shown`: the row of the cancelled reservation; empty if it was deleted. */
async function cancelAgain(client: pg.Client, key: Key, shown: Row, report: Report): Promise<void> {
  const repair =
    'Return false if it is already cancelled, and change nothing: the note is added to the description once.';
  let done: boolean | null = null;
  await client.query('SAVEPOINT again');
  try {
    done = await queryValue<boolean | null>(client, 'SELECT bridge_cancel_item($1, $2::bigint, $3)', [
      key.type,
      key.id,
      'Adapter check',
    ]);
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO again');
    if (sqlState(error) === 'P0002' && shown['active'] === undefined) return;
    const failure = failureInWords(error);
    report(
      'problem',
      'functions',
      `bridge_cancel_item of a cancelled reservation failed: ${failure}.`,
      repair,
    );
    return;
  }
  const isChanged = JSON.stringify(await readRow(client, key)) !== JSON.stringify(shown);
  if (done !== false || isChanged)
    report(
      'problem',
      'functions',
      `bridge_cancel_item of a cancelled reservation ${isChanged ? 'changed it' : `returned ${String(done)}`}.`,
      repair,
    );
}

/** The rows that this transaction has written so far, outside of our tables. */
export async function writtenRows(client: pg.Client): Promise<{ changed: number; deleted: number }> {
  return await queryRow(
    client,
    `SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0)::integer AS changed, coalesce(sum(n_tup_del), 0)::integer AS deleted
     FROM pg_stat_xact_user_tables WHERE NOT (schemaname = 'public' AND relname LIKE 'bridge\\_%')`,
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
    report('problem', 'functions', `${failureInWords(error)}.`, sqlState(error) === '42501' ? grant : repair);
    return null;
  }
}
