/** What each kind of test database holds. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { migrate } from '../../src/cli/migrate.ts';

/**
 * `empty`: nothing; `portico` and `mrbs`: the booking system's tables with a small seed; `bridge` and `mrbs-bridge`:
 * the same with the bridge installed, for Europe/Oslo.
 */
export type Schema = 'empty' | 'portico' | 'bridge' | 'mrbs' | 'mrbs-bridge';

const portico = ['src/sandbox/portico-tables.sql', 'src/sandbox/portico-seed.sql'];
const mrbs = ['sql/mrbs/test/tables.sql', 'sql/mrbs/test/seed.sql'];

const contents: Record<Schema, { readonly scripts: readonly string[]; readonly adapter?: string }> = {
  empty: { scripts: [] },
  portico: { scripts: portico },
  bridge: { scripts: portico, adapter: 'portico' },
  mrbs: { scripts: mrbs },
  'mrbs-bridge': { scripts: mrbs, adapter: 'mrbs' },
};

/** Fills the empty database at `url`. */
export async function fillDatabase(schema: Schema, url: string): Promise<void> {
  const { scripts, adapter } = contents[schema];
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const path of scripts)
      await client.query(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
  } finally {
    await client.end();
  }
  if (adapter === undefined) return;
  const database = { url, ssl: false } as const;
  const config = {
    database,
    adapter,
    timezone: 'Europe/Oslo',
    wake: 'adaptive',
    logLevel: 'silent',
  } as const;
  await migrate(config, () => undefined, new AbortController().signal);
}
