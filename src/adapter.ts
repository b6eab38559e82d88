/** Finds the adapter of BOOKING_ADAPTER: a folder of SQL for one booking system (sql/README.md). */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Invalid } from './errors.ts';

/** The folder of an adapter, given by its name below sql/ or by a path. Throws Invalid if it has no 10_view.sql. */
export function adapterFolder(adapter: string): string {
  const ours = fileURLToPath(new URL('../sql/', import.meta.url));
  const folder = /[/\\]/.test(adapter) ? resolve(adapter) : join(ours, adapter);
  if (adapter !== '' && existsSync(join(folder, '10_view.sql'))) return folder;
  const known = readdirSync(ours, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  throw new Invalid(
    'BOOKING_ADAPTER',
    `There is no adapter '${adapter}' (no file ${join(folder, '10_view.sql')}).`,
    `Set BOOKING_ADAPTER to ${known
      .map((entry) => entry.name)
      .toSorted()
      .join(', ')}, or to the path of such a folder.`,
  );
}
