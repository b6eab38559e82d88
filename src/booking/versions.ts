/** The version of the bridge that last set up a database. An older version does not change it, because newer daemons rely on it. */
import packageJson from '../../package.json' with { type: 'json' };
import type { Queryable } from '../database.ts';
import { Permanent } from '../errors.ts';

/** The version of this program, stored in `bridge_settings` under `version`. */
export const ourVersion = packageJson.version;

/** A newer version of the bridge set up this database. A daemon of this version may use it; `migrate` changes nothing. */
export class NewerDatabase extends Permanent {}

/**
 * Returns the error with both versions if the database has migrations unknown to this version, or was last set up by a higher
 * version; else null. `migrations`: the names of this version's migrations, in order. Needs our tables.
 */
export async function newerThanOurs(
  db: Queryable,
  migrations: readonly string[],
): Promise<NewerDatabase | null> {
  const { rows: unknown } = await db.query<{ name: string }>(
    'SELECT name FROM public.bridge_migrations WHERE name <> ALL ($1) ORDER BY id',
    [migrations],
  );
  const { rows } = await db.query<{ version: string | null }>(
    `SELECT to_jsonb(s) ->> 'value' AS version FROM public.bridge_settings s WHERE to_jsonb(s) ->> 'name' = 'version'`,
  );
  const version = rows[0]?.version ?? null;
  if (unknown.length === 0 && (version === null || compareVersions(version, ourVersion) <= 0)) return null;
  // builds of one version differ in their migrations only
  const isHigher = version !== null && compareVersions(version, ourVersion) > 0;
  const lacked =
    unknown.length > 0 ? `, with the migrations ${numbers(unknown.map(({ name }) => name))}` : '';
  return new NewerDatabase(
    `This database was migrated by ${isHigher ? `version ${version}` : 'a newer build'} of the bridge${lacked}; ` +
      `this is version ${ourVersion}, with migrations up to ${numbers(migrations.slice(-1))}.`,
    {
      hint: 'Nothing was changed. Upgrade this program and run its migrate; daemons of this version may work beside the newer ones until then.',
    },
  );
}

/** The numbers of migrations, as in `0220_unrecorded_creates`. */
const numbers = (names: readonly string[]) => names.map((name) => /^\d+/.exec(name)?.[0] ?? name).join(', ');

/** Negative, 0 or positive if `one` is older, equal or newer, by major, minor and patch. */
function compareVersions(one: string, other: string): number {
  const [ours, theirs] = [one, other].map((version) => version.split(/[.+-]/).map(Number));
  for (const at of [0, 1, 2]) {
    const difference = (ours![at] ?? 0) - (theirs![at] ?? 0);
    if (Number.isFinite(difference) && difference !== 0) return difference;
  }
  return 0;
}
