/** Which adapter BOOKING_ADAPTER names: a folder of SQL that knows one booking system (sql/README.md). */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Invalid } from './errors.ts';

/** The folder of an adapter: a name below sql/, or a path of the operator's own. Throws Invalid if it is none. */
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
      .join(', ')}, or to the path of a folder like them.`,
  );
}
