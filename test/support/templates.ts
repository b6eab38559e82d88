/** What each kind of test database holds. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { migrate } from '../../src/cli/migrate.ts';
import { tablesOf } from './adapters.ts';
import { recordTransitions } from './transitions.ts';

/**
 * `empty`: nothing; `portico`: PorticoEstate's tables with a small seed; `bridge`: the same with the bridge installed,
 * for Europe/Oslo; the others: the same two of any adapter, by its name or path.
 */
export type Schema = 'empty' | 'portico' | 'bridge' | `bare ${string}` | `installed ${string}`;

/** Whether the bridge is in it. */
export const isInstalled = (schema: Schema): boolean => contentsOf(schema).adapter !== null;

interface Contents {
  readonly scripts: readonly string[];
  readonly adapter: string | null;
}

function contentsOf(schema: Schema): Contents {
  if (schema === 'empty') return { scripts: [], adapter: null };
  if (schema === 'portico') return contentsOf('bare portico');
  if (schema === 'bridge') return contentsOf('installed portico');
  const [what, adapter = ''] = schema.split(/ (.*)/s);
  return { scripts: tablesOf(adapter), adapter: what === 'installed' ? adapter : null };
}

/** Fills the empty database at `url`. `records`: with triggers that record the transitions of states, as the tests want. */
export async function fillDatabase(schema: Schema, url: string, records = true): Promise<void> {
  const { scripts, adapter } = contentsOf(schema);
  await runScripts(
    url,
    scripts.map((path) => readFileSync(path, 'utf8')),
  );
  if (adapter === null) return;
  const database = { url, ssl: false } as const;
  const config = {
    database,
    adapter,
    timezone: 'Europe/Oslo',
    wake: 'adaptive',
    logLevel: 'silent',
  } as const;
  await migrate(config, () => undefined, new AbortController().signal);
  if (records) await runScripts(url, [recordTransitions]);
}

/** Runs scripts of SQL on the database at `url`. */
export async function runScripts(url: string, scripts: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const script of scripts) await client.query(script);
  } finally {
    await client.end();
  }
}
