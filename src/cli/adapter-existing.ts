/**
 * Tests the functions of an adapter with existing reservations, one of each type: a change or a cancellation must reach that one
 * and leave all others as they are. A meeting that the check imported itself is never part of a series. The caller rolls it back.
 */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import type { Id } from '../id.ts';
import { attempt, writtenRows } from './adapter-calls.ts';
import { grant } from './adapter-repairs.ts';
import { reservationName } from './adapter-meeting.ts';
import type { Report } from './doctor-findings.ts';
import { queryValue } from '../query.ts';

interface Sample {
  readonly type: string;
  readonly id: Id;
  /** As users refer to it: type and key or number. */
  readonly name: string;
  readonly title: string;
  readonly later: string;
  /** Another room that has reservations; null: there is none. */
  readonly other: number | null;
}

interface Call {
  readonly name: 'bridge_change_item' | 'bridge_cancel_item';
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Needs the view and the functions. */
export async function tryExisting(
  client: pg.Client,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  // reservations that share their title are probably dates of a series
  const { rows: samples } = await client.query<Sample>(
    `SELECT s.type, s.id, s.name, s.title, s.later, (SELECT r.resource_id FROM public.bridge_items r
       WHERE r.resource_id <> ALL (ARRAY(SELECT o.resource_id FROM public.bridge_items o WHERE o.reservation_type = s.type AND o.reservation_id = s.id))
       ORDER BY 1 LIMIT 1) AS other
     FROM (SELECT DISTINCT ON (type) type, id, name, title, later
       FROM (SELECT reservation_type AS type, reservation_id AS id, ${reservationName} AS name, title, to_json(ends_at + interval '15 minutes')#>>'{}' AS later, starts_at,
               count(*) OVER (PARTITION BY reservation_type, title) AS alike
             FROM public.bridge_items i WHERE active AND reservation_id IS NOT NULL AND NOT all_day) i
       ORDER BY type, starts_at > now() DESC, alike DESC, starts_at) s`,
  );
  // several changes may be refused for the same reason
  const said = new Set<string>();
  const once: Report = (state, check, message, repair) => {
    if (!said.has(message)) report(state, check, message, repair);
    said.add(message);
  };
  for (const { type, id, name, title, later, other } of samples) {
    const changes = [
      ...(abilities.has('no-text') ? [] : [{ title: `${title.slice(0, 60)}, adapter check` }]),
      { ends_at: later, overlap: 'allow' },
      ...(other === null ? [] : [{ resource_ids: [other], overlap: 'allow' }]),
    ];
    const calls: readonly Call[] = [
      ...changes.map(
        (change) =>
          ({
            name: 'bridge_change_item',
            text: 'SELECT bridge_change_item($1, $2::bigint, $3)',
            values: [type, id, JSON.stringify(change)],
          }) as const,
      ),
      {
        name: 'bridge_cancel_item',
        text: 'SELECT bridge_cancel_item($1, $2::bigint, $3)',
        values: [type, id, 'Adapter check'],
      },
    ];
    await tryLock(client, { type, id, name }, once);
    for (const call of calls) await tryCall(client, call, { type, id, name }, once);
  }
}

type Key = Pick<Sample, 'type' | 'id' | 'name'>;

const repairOf = (state: string, name: string) =>
  state === '42501' ? grant : `Fix ${name} in 20_functions.sql.`;

/** The locks of rows or of their tables that this transaction has; FOR UPDATE takes RowShareLock on its table. */
const locks = `SELECT count(*)::integer AS held FROM pg_locks WHERE pid = pg_backend_pid() AND granted
  AND (locktype = 'advisory' OR (locktype = 'relation' AND mode IN ('RowShareLock', 'RowExclusiveLock')
    AND relation NOT IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'bridge\\_%')))`;

/** An empty change must lock the reservation and write nothing. Needs a transaction that holds no such locks yet. */
async function tryLock(client: pg.Client, { type, id, name }: Key, report: Report): Promise<void> {
  const observe = async () => ({
    held: await queryValue<number>(client, locks),
    written: await writtenRows(client),
  });
  await client.query('SAVEPOINT empty_change');
  const before = await observe();
  const error = await attempt(client, "SELECT bridge_change_item($1, $2::bigint, '{}')", [type, id]);
  const after = await observe();
  await client.query('ROLLBACK TO empty_change; RELEASE empty_change');
  if (error !== null)
    report(
      'problem',
      'functions',
      `bridge_change_item of ${name} with an empty change failed: ${failureInWords(error)}.`,
      sqlState(error) === '42501'
        ? repairOf('42501', 'bridge_change_item')
        : "After locking the row: IF change = '{}' THEN RETURN '{}'; END IF;",
    );
  else if (after.written.changed + after.written.deleted > before.written.changed + before.written.deleted)
    report(
      'problem',
      'functions',
      `bridge_change_item of ${name} with an empty change writes to the booking system.`,
      "After locking the row: IF change = '{}' THEN RETURN '{}'; END IF;",
    );
  else if (after.held === before.held)
    report(
      'problem',
      'functions',
      `bridge_change_item of ${name} with an empty change does not lock the reservation.`,
      'First read its row with FOR UPDATE; a change of the booking system at the same time would be lost otherwise.',
    );
}

async function tryCall(client: pg.Client, call: Call, key: Key, report: Report): Promise<void> {
  const before = await fingerprint(client, key);
  await client.query('SAVEPOINT existing');
  const error = await attempt(client, call.text, call.values);
  const after = error === null ? await fingerprint(client, key) : before;
  const isShown = error === null && call.name === 'bridge_cancel_item' ? await isActive(client, key) : false;
  await client.query('ROLLBACK TO existing; RELEASE existing');
  if (error !== null) {
    const state = sqlState(error) ?? '';
    if (state === '23P01') return; // the booking system has no overlaps
    report(
      // a system may refuse to change a type
      /^(22|23|P0001)/.test(state) ? 'note' : 'problem',
      'functions',
      `${call.name} of ${key.name}, an existing reservation, failed: ${failureInWords(error)}.`,
      /^(22|23|P0001)/.test(state) ? null : repairOf(state, call.name),
    );
    return;
  }
  if (isShown)
    report(
      'problem',
      'functions',
      `After bridge_cancel_item of ${key.name}, an existing reservation, the view still shows it as active.`,
      'Fix bridge_cancel_item in 20_functions.sql.',
    );
  if (before !== after) await nameOthers(client, call, key, report);
}

/** All rows of the view except those of one reservation and of the one that replaces it. */
const others = `FROM (SELECT i.reservation_type, i.reservation_id, ${reservationName} AS name, i.active, to_jsonb(i) AS row FROM public.bridge_items i) i
  WHERE (i.reservation_type, i.reservation_id) IS DISTINCT FROM ($1, $2::bigint)
    AND (i.row ->> 'replaces') IS DISTINCT FROM ($1 || '/' || coalesce((
      SELECT k.key FROM public.bridge_key k WHERE k.kind = $1 AND k.id = $2::bigint), $2::text))`;

async function fingerprint(client: pg.Client, { type, id }: Key): Promise<string> {
  return await queryValue<string>(
    client,
    `SELECT concat(count(*), ' ', sum(hashtextextended(i.row::text, 0)::numeric)) AS sum ${others}`,
    [type, String(id)],
  );
}

async function isActive(client: pg.Client, { type, id }: Key): Promise<boolean> {
  const { rows } = await client.query(
    'SELECT FROM public.bridge_items WHERE reservation_type = $1 AND reservation_id = $2 AND active LIMIT 1',
    [type, id],
  );
  return rows.length > 0;
}

/** Repeats the call and reports which other reservations it changes. */
async function nameOthers(client: pg.Client, call: Call, key: Key, report: Report): Promise<void> {
  const before = await readOthers(client, key);
  await client.query('SAVEPOINT existing');
  await attempt(client, call.text, call.values);
  const after = await readOthers(client, key);
  await client.query('ROLLBACK TO existing; RELEASE existing');
  const names = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name)?.hash !== after.get(name)?.hash,
  );
  const lost = names.filter((name) => before.get(name)?.active === true && after.get(name)?.active !== true);
  const shown = lost.length > 0 ? lost : names;
  const list = shown.slice(0, 3).join(', ');
  report(
    lost.length > 0 ? 'problem' : 'warning',
    'functions',
    `${call.name} of ${key.name} also ${lost.length > 0 ? 'cancels' : 'changes'} ${shown.length} other reservations: ${list}${shown.length > 3 ? ' and more' : ''}.`,
    `Limit ${call.name} in 20_functions.sql to the one reservation. In a series, first remove its date from the series, as the booking system does for "only this one".`,
  );
}

interface Other {
  readonly hash: string;
  readonly active: boolean;
}

async function readOthers(client: pg.Client, { type, id }: Key): Promise<ReadonlyMap<string, Other>> {
  const { rows } = await client.query<Other & { name: string }>(
    `SELECT i.name, bool_or(i.active) AS active,
       md5(string_agg(i.row::text, ',' ORDER BY i.row::text)) AS hash ${others} GROUP BY 1`,
    [type, String(id)],
  );
  return new Map(rows.map((row) => [row.name, row]));
}
