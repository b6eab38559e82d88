/** The adapters that are checked: those of sql/, or with ADAPTER=/path/to/folder the one that lies there. */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const own = fileURLToPath(new URL('../../sql/', import.meta.url));
export const campus = fileURLToPath(new URL('../fixtures/campus', import.meta.url));
const elsewhere = process.env['ADAPTER'] ?? '';

/** Names of folders under sql/, or one path. */
export const adapters: readonly string[] =
  elsewhere === ''
    ? readdirSync(own, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .toSorted()
        // one with everything that an adapter may have beside the first contract
        .concat(campus)
    : [resolve(elsewhere)];

export const folderOfAdapter = (adapter: string) => resolve(own, adapter);

/** The scripts that make a booking system of it: `test/tables.sql` and `test/seed.sql` of the adapter's folder. */
export function tablesOf(adapter: string): readonly string[] {
  if (adapter === 'portico')
    // the demo and the container need these too
    return ['portico-tables.sql', 'portico-seed.sql'].map((name) => join(own, '../src/sandbox', name));
  return ['tables.sql', 'seed.sql']
    .map((name) => join(folderOfAdapter(adapter), 'test', name))
    .filter(existsSync);
}
