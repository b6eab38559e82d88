/** The state of the triggers for /ready and the alerts: what the catalogue shows, what a trial found, and what was not migrated. */
import type { Queryable } from '../database.ts';
import type { Permanent } from '../errors.ts';
import { readCapture, type Capture } from './capture.ts';
import { hasOurFunctions } from './functions.ts';
import { NewerDatabase } from './versions.ts';

/** `failures`: of the last trial; `refused`: why the tables could not be migrated, null: they were. */
export async function readCaptureState(
  db: Queryable,
  failures: () => readonly string[],
  refused: Permanent | null,
): Promise<Capture> {
  const { missing, extra, repair } = await readCapture(db);
  // a trial adds nothing to what is known to be missing
  const found = missing.length === 0 ? failures() : missing;
  // beside a newer daemon its functions are in use
  if (refused === null || refused instanceof NewerDatabase) return { missing: found, extra, repair };
  const all = (await hasOurFunctions(db))
    ? found
    : [...found, 'the functions in the database are of another version'];
  // a repair that our role has no right to is for the DBA
  return { missing: all, extra, repair: all.length > 0 ? (refused.hint ?? null) : repair };
}
