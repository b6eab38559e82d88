/** `demo --sql`: runs one statement in the booking database of a demo in another terminal; psql is not needed. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Permanent, messageOf } from '../errors.ts';
import { say, table } from './terminal.ts';

/** In the folder of the demo's PostgreSQL, which is deleted with it. */
const fileName = 'demo-url';
const mostRows = 50;

/** Writes the address of the demo's database for `runSql`. */
export const leaveAddress = (folder: string, url: string): Promise<void> =>
  writeFile(join(folder, fileName), url, { mode: 0o600 });

/**
 * Runs the statement in the demo that was started last and prints its rows. Returns 0; throws an error with a hint if that
 * fails.
 */
export async function runSql(statement: string): Promise<number> {
  const url = await newestAddress();
  if (url === null)
    throw new Permanent('No demo runs on this machine.', {
      hint: 'Start it in another terminal, as this user and with the same TMPDIR, and leave it running.',
    });
  const client = new pg.Client({ connectionString: url, statement_timeout: 10_000 });
  try {
    await client.connect();
    // without parameters one text may hold several statements
    for (const result of [await client.query<Record<string, unknown>>(statement)].flat()) print(result);
    return 0;
  } catch (error) {
    throw new Permanent(`PostgreSQL reports: ${messageOf(error)}`, {
      hint: 'Put the statement in double quotes and strings in it in single quotes.',
      cause: error,
    });
  } finally {
    await client.end();
  }
}

async function newestAddress(): Promise<string | null> {
  const folders = (await readdir(tmpdir())).filter((name) => name.startsWith('bridge-postgres-'));
  const found = await Promise.all(
    folders.map(async (folder) => {
      const file = join(tmpdir(), folder, fileName);
      // belongs to another user or a test, or has just ended
      return await stat(file).then(
        ({ mtimeMs }) => ({ file, mtimeMs }),
        () => null,
      );
    }),
  );
  const [newest] = found.filter((one) => one !== null).toSorted((a, b) => b.mtimeMs - a.mtimeMs);
  return newest === undefined ? null : await readFile(newest.file, 'utf8').catch(() => null);
}

function print({ command, rowCount, rows, fields }: pg.QueryResult<Record<string, unknown>>): void {
  if (fields.length > 0) {
    const cells = rows.slice(0, mostRows).map((row) => fields.map(({ name }) => cellOf(row[name])));
    say(
      table(
        fields.map(({ name }) => name),
        cells,
      ),
    );
  }
  const rest = rows.length > mostRows ? `, of which ${mostRows} are shown` : '';
  say(`${command} ${rowCount ?? 0}${rest}`);
}

const cellOf = (value: unknown): string | null =>
  value === null
    ? null
    : value instanceof Date
      ? value.toISOString()
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
