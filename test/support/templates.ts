/** What each kind of test database holds. */
import { existsSync, readFileSync } from 'node:fs';
import pg from 'pg';

/**
 * `empty`: nothing; `portico`: the booking system's tables with a small municipality; `bridge`: the same with the
 * bridge installed as `migrate` does.
 */
export type Schema = 'empty' | 'portico' | 'bridge';

const fileOf = (path: string) => new URL(`../../${path}`, import.meta.url);

/** Fills the empty database at `url`. */
export async function templateScripts(schema: Schema, url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const path of scripts[schema]) {
      if (!existsSync(fileOf(path))) continue;
      const text = readFileSync(fileOf(path), 'utf8').split('-- Down Migration')[0]!;
      try {
        await client.query(text);
        if (path.startsWith('database/'))
          await client.query(
            `INSERT INTO bridge_settings (name, value) VALUES ('timezone', 'Europe/Oslo'), ('adapter', 'portico')`,
          );
      } catch (error) {
        throw new Error(`${path}: ${describe(error, text)}`, { cause: error });
      }
    }
  } finally {
    await client.end();
  }
}

function describe(error: unknown, text: string): string {
  if (!(error instanceof pg.DatabaseError)) return String(error);
  const before = error.position === undefined ? '' : text.slice(0, Number(error.position));
  return `${error.message} (line ${before.split('\n').length}) ${error.where ?? ''} ${error.hint ?? ''}`;
}

const booking = ['src/sandbox/portico-tables.sql', 'src/sandbox/portico-seed.sql'];
const scripts: Record<Schema, readonly string[]> = {
  empty: [],
  portico: booking,
  bridge: [
    ...booking,
    'database/migrations/0001_bridge.sql',
    'sql/portico/10_view.sql',
    'sql/portico/20_functions.sql',
    'sql/portico/30_triggers.sql',
  ],
};
