/** Checks that the two filters on an adapter's view use indexes, independent of the size of the tables. */
import type pg from 'pg';
import type { Report } from './doctor-findings.ts';

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
      'A cast column (id::bigint) cannot use its index, also in a join; the comment at the top of sql/portico/10_view.sql shows the solution.',
  },
  {
    where: 'resource_id = $1',
    types: 'integer',
    values: '1',
    state: 'warning',
    repair:
      "In 15_indexes.sql: SELECT public.bridge_index('schema.table', 'column'); for the column that names the room. For an expression: sql/indico/15_indexes.sql.",
  },
] as const;

/**
 * Plans both filters with parameters and with bitmap scans only, which need a condition on the index: a table that is still read
 * completely has no index for the filter. A scan of a whole index, which costs the same as a condition on a table of few rows, is
 * no choice then.
 */
export async function checkPlans(client: pg.Client, report: Report): Promise<void> {
  await client.query(
    'SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL plan_cache_mode = force_generic_plan',
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
    if (whole.size === 0) report('ok', 'plans', `WHERE ${where} uses indexes`);
    else report(state, 'plans', `WHERE ${where} reads all rows of ${[...whole].join(', ')}.`, repair);
  }
  await client.query(
    'SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on',
  );
}

/** The tables that a plan reads completely. */
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
