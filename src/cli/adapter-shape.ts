/** Checks the columns, types and signatures of an adapter against the contract in sql/README.md. */
import type pg from 'pg';
import { abilityWords, readAbilities } from '../abilities.ts';
import type { Queryable } from '../database.ts';
import { Permanent } from '../errors.ts';
import { isBusy } from '../booking/install.ts';
import { stageAdapter, stageOurs } from './adapter-stage.ts';
import type { Report } from './doctor-findings.ts';
import { queryValue } from '../query.ts';

/** The columns of bridge_items in their order, with their types. */
const viewColumns: Readonly<Record<string, string>> = {
  reservation_type: 'text',
  reservation_id: 'bigint',
  resource_id: 'integer',
  priority_level: 'smallint',
  active: 'boolean',
  starts_at: 'timestamp with time zone',
  ends_at: 'timestamp with time zone',
  all_day: 'boolean',
  title: 'text',
  description: 'text',
  organizer_name: 'text',
  organizer_email: 'text',
  is_private: 'boolean',
};

/** Optional columns after these. */
const optionalColumns: Readonly<Record<string, string>> = {
  state: 'text',
  replaces: 'text',
  url: 'text',
  setup_minutes: 'integer',
  teardown_minutes: 'integer',
  reservation_key: 'text',
  resource_key: 'text',
};

const functions = [
  {
    name: 'bridge_import_item',
    takes: 'jsonb',
    gives: ['reservation_type text, reservation_id bigint', 'reservation_type text, reservation_key text'],
    write: 'bridge_import_item(item jsonb, OUT reservation_type text, OUT reservation_id bigint)',
  },
  {
    name: 'bridge_change_item',
    takes: 'text, bigint, jsonb',
    gives: ['text[]'],
    write: 'bridge_change_item(type text, id bigint, change jsonb) RETURNS text[]',
  },
  {
    name: 'bridge_cancel_item',
    takes: 'text, bigint, text',
    gives: ['boolean'],
    write: 'bridge_cancel_item(type text, id bigint, note text) RETURNS boolean',
  },
] as const satisfies readonly {
  readonly name: string;
  readonly takes: string;
  readonly gives: readonly string[];
  readonly write: string;
}[];

/** Returns whether view, abilities and functions keep the contract, so that the adapter can be used. */
export async function checkShape(db: Queryable, report: Report): Promise<boolean> {
  const columns = await checkColumns(db, report);
  return (await checkAbilities(db, report)) && columns;
}

async function checkColumns(db: Queryable, report: Report): Promise<boolean> {
  const { rows } = await db.query<{ name: string; type: string }>(
    `SELECT attname::text AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = to_regclass('public.bridge_items') AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  );
  if (rows.length === 0) {
    report('problem', 'view', 'There is no view bridge_items.', 'Write it in 10_view.sql (sql/README.md).');
    return false;
  }
  const found = new Map(rows.map(({ name, type }) => [name, type]));
  let isRight = true;
  const wrong = (message: string, repair: string) => {
    isRight = false;
    report('problem', 'view', message, repair);
  };
  for (const [name, type] of Object.entries(viewColumns)) {
    const is = found.get(name);
    if (is === undefined)
      wrong(`bridge_items has no column ${name}.`, `Add it in 10_view.sql: … AS ${name}, of type ${type}`);
    else if (is !== type)
      wrong(`The column ${name} of bridge_items is ${is}, not ${type}.`, castOf(name, is, type));
  }
  for (const [name, type] of Object.entries(optionalColumns)) {
    const is = found.get(name) ?? type;
    if (is !== type)
      wrong(`The column ${name} of bridge_items is ${is}, not ${type}.`, castOf(name, is, type));
  }
  const known = { ...viewColumns, ...optionalColumns };
  for (const { name } of rows.filter((row) => !Object.hasOwn(known, row.name)))
    wrong(`bridge_items has an unknown column ${name}.`, 'Remove it from 10_view.sql.');
  const order = Object.keys(viewColumns).join(', ');
  const names = rows.map(({ name }) => name);
  if (isRight && names.slice(0, Object.keys(viewColumns).length).join(', ') !== order)
    wrong(
      'The columns of bridge_items are in another order.',
      `The order is as follows, with optional columns at the end: ${order}`,
    );
  if (isRight) report('ok', 'view', 'bridge_items has the columns and types of the contract');
  return isRight;
}

const castOf = (name: string, is: string, type: string) =>
  is === 'timestamp without time zone' && type === 'timestamp with time zone'
    ? `It is a wall-clock time without a zone. In 10_view.sql: … AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone') AS ${name}`
    : `In 10_view.sql: (…)::${type} AS ${name}`;

/** A one-way adapter, from which the bridge only reads, needs no functions. */
async function checkAbilities(db: Queryable, report: Report): Promise<boolean> {
  const { known, unknown } = await readAbilities(db);
  if (unknown.length > 0)
    report(
      'problem',
      'abilities',
      `The setting abilities has unknown words: ${unknown.join(', ')}.`,
      `The words allowed in 40_defaults.sql are ${abilityWords}`,
    );
  if (known.size > 0) report('ok', 'abilities', `declared: ${[...known].join(', ')}`);
  if (known.has('one-way')) return unknown.length === 0;
  return (await checkFunctions(db, report)) && unknown.length === 0;
}

async function checkFunctions(db: Queryable, report: Report): Promise<boolean> {
  const { rows } = await db.query<{ name: string; takes: string; gives: string }>(
    `SELECT p.proname::text AS name, oidvectortypes(p.proargtypes) AS takes,
       coalesce((SELECT string_agg(a.name || ' ' || format_type(a.type, NULL), ', ' ORDER BY a.place)
                 FROM unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY AS a (name, type, mode, place)
                 WHERE a.mode IN ('o', 'b', 't')), pg_get_function_result(p.oid)) AS gives
     FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY ($1)`,
    [functions.map(({ name }) => name)],
  );
  const wrong = functions.filter(
    ({ name, takes, gives }) =>
      !rows.some((row) => row.name === name && row.takes === takes && gives.some((one) => row.gives === one)),
  );
  for (const { name, write } of wrong) {
    const found = rows.find((row) => row.name === name);
    const isByKey = found?.takes.startsWith('text, text') === true;
    report(
      'problem',
      'functions',
      found === undefined
        ? `There is no function ${name}.`
        : `${name} takes (${found.takes}) and returns ${found.gives}.`,
      isByKey
        ? 'A function that takes a key needs a variant that takes its number: end 20_functions.sql with SELECT public.bridge_by_key();'
        : `The signature is: CREATE OR REPLACE FUNCTION public.${write}`,
    );
  }
  if (wrong.length === 0) report('ok', 'functions', 'parameters and results match the contract');
  return wrong.length === 0;
}

const mostTries = 20;

/**
 * Throws Permanent if the adapter's SQL fails or does not keep the contract. Installs it in a transaction that is rolled back,
 * without locks on booking tables.
 */
export async function requireContract(
  client: pg.Client,
  folder: string,
  texts: readonly string[],
  timezone: string,
  signal: AbortSignal,
): Promise<void> {
  const lost = await queryValue<boolean>(
    client,
    `SELECT to_regclass('public.bridge_migrations') IS NOT NULL AND to_regclass('public.bridge_settings') IS NULL AS lost`,
  );
  if (lost) return; // the view needs bridge_settings, which migrate recreates first
  for (let attempt = 1; ; attempt += 1) {
    const problems: string[] = [];
    try {
      await client.query('BEGIN');
      await stageOurs(client, texts, timezone);
      const report: Report = (state, _check, message, repair = null) => {
        if (state === 'problem') problems.push(`${message}\n  ${repair ?? ''}`);
      };
      await stageAdapter(client, folder, 'definitions', report, signal);
      if (problems.length === 0) await checkShape(client, report);
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      if (!isBusy(cause) || attempt >= mostTries) throw error;
      continue; // each attempt has already waited for lock_timeout
    } finally {
      await client.query('ROLLBACK');
    }
    if (problems.length === 0) return;
    throw new Permanent(`The adapter in ${folder} does not keep the contract. Nothing was changed.`, {
      hint: problems.join('\n'),
    });
  }
}
