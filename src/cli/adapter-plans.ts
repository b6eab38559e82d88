/** Whether the two filters on the view of an adapter reach indexes, however small the tables are. */
import type pg from 'pg';
import type { Find } from './doctor-findings.ts';

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Recheck Cond'?: string;
  readonly Plans?: readonly Node[];
}

const filters = [
  {
    where: 'reservation_type = $1 AND reservation_id = $2',
    types: 'text, bigint',
    values: "'x', 1",
    state: 'problem',
    repair:
      'A cast id (id::bigint) uses no index on an integer: the top of sql/portico/10_view.sql says how to lead it there.',
  },
  {
    where: 'resource_id = $1',
    types: 'integer',
    values: '1',
    state: 'warning',
    repair:
      "In 15_indexes.sql: SELECT public.bridge_index('public.…', '…'); for the column that names the room.",
  },
] as const;

/**
 * Plans both filters with parameters, and with what reads whole tables made dear: a table that is read as a whole even so
 * has no index that the filter reaches.
 */
export async function checkPlans(client: pg.Client, find: Find): Promise<void> {
  await client.query(
    'SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL plan_cache_mode = force_generic_plan',
  );
  for (const { where, types, values, state, repair } of filters) {
    await client.query(
      `PREPARE adapter_filter (${types}) AS SELECT * FROM public.bridge_items WHERE ${where}`,
    );
    const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: Node }[] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE adapter_filter (${values})`,
    );
    await client.query('DEALLOCATE adapter_filter');
    const whole = new Set(wholeReads(rows[0]!['QUERY PLAN'][0]!.Plan));
    if (whole.size === 0) find('ok', 'plans', `WHERE ${where} reaches indexes`);
    else find(state, 'plans', `WHERE ${where} reads the whole of ${[...whole].join(', ')}.`, repair);
  }
  await client.query(
    'SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on',
  );
}

/** The tables that a plan reads from one end to the other. */
function wholeReads(node: Node): string[] {
  const table = node['Relation Name'];
  const below = (node.Plans ?? []).flatMap(wholeReads);
  const isWhole =
    table !== undefined &&
    !table.startsWith('bridge_') &&
    node['Index Cond'] === undefined &&
    node['Recheck Cond'] === undefined;
  return isWhole ? [table, ...below] : below;
}
