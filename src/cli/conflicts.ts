/** `conflicts`: lists open conflicts; `--keep` chooses one side for all that are listed. Works on the database only. */
import { Invalid } from '../errors.ts';
import { effectsOf } from '../sync/manual/conflict-effects.ts';
import { chooseSides, readConflicts, type OpenConflict } from '../sync/manual/conflicts.ts';
import { fieldsInWords } from '../item.ts';
import { spanIn } from '../sync/report/item-words.ts';
import { recordCommand } from './audit.ts';
import { oneLine, paint, say, sayJson } from './terminal.ts';
import { createKeys } from '../sync/report/keys.ts';
import { resourceNumber, wholeNumber, withDatabase } from './with-database.ts';

export interface ConflictOptions {
  readonly room?: string;
  readonly find?: string;
  readonly limit: string;
  readonly keep?: string;
  readonly json?: boolean;
}

const most = 100;

/** Lists the matching conflicts; with `keep`, chooses that side for each of them that has not changed since it was read. */
export async function conflictsCommand(options: ConflictOptions): Promise<number> {
  const { keep } = options;
  if (keep !== undefined && keep !== 'booking' && keep !== 'outlook')
    throw new Invalid('--keep', `'${keep}' is not a side.`, 'Write booking or outlook.');
  const limit = wholeNumber('--limit', options.limit, most);
  const { open, done, zone } = await withDatabase('conflicts', async (db, { timezone }) => {
    const resourceId = options.room === undefined ? null : await resourceNumber(db, '--room', options.room);
    const filter = { resourceId, kind: null, text: options.find ?? null };
    const found = await createKeys(db).add(await readConflicts(db, limit, null, filter));
    if (keep === undefined || found.length === 0) return { open: found, done: [], zone: timezone };
    const narrowed = options.find === undefined ? '' : ` --find ${options.find}`;
    await recordCommand(db, `conflicts --keep ${keep}${narrowed}`, resourceId);
    const chosen = await chooseSides(db, found, keep);
    if (chosen.length > 0) await db.query('SELECT bridge_wake()');
    return { open: found, done: chosen, zone: timezone };
  });
  const count = done.filter(({ state }) => state === 'chosen').length;
  if (options.json === true)
    sayJson({
      success: true,
      count: open.length,
      conflicts: open.map((one) => ({ ...one, effects: effectsOf(one) })),
      chosen: keep === undefined ? null : count,
    });
  else {
    for (const conflict of open) print(conflict, zone);
    if (open.length === 0) say('No conflict is open.');
    else if (keep === undefined)
      say('\nTo keep one side of all listed conflicts: --keep booking or --keep outlook');
    else say(`\n${count} of ${open.length} chosen: ${keep} is kept. A daemon applies the choices.`);
  }
  return 0;
}

function print(conflict: OpenConflict, zone: string): void {
  const { booking, outlook, organizer, message, taken_by: there } = conflict;
  const effects = effectsOf(conflict);
  const title = booking?.title ?? outlook?.title ?? `conflict ${conflict.id}`;
  const fields = fieldsInWords(conflict.fields);
  say(
    `${paint('bold', `«${oneLine(title)}»`)} in ${oneLine(conflict.room)}${organizer === null ? '' : `, ${oneLine(organizer)}`}`,
  );
  say(`  ${oneLine(message ?? '')}${fields === '' ? '' : ` (${fields})`}`);
  if (there !== null) say(`  The time is taken by «${oneLine(there)}».`);
  for (const [name, side] of [
    ['booking', booking],
    ['outlook', outlook],
  ] as const) {
    const shown = side === null ? 'not there' : `${spanIn(zone, side)} «${oneLine(side.title)}»`;
    const mail = effects.mail[name] === null ? 'no mail' : `mail to ${oneLine(effects.mail[name])}`;
    say(`  ${name.padEnd(7)} ${shown}`);
    say(`          keep it: ${effects[name]} (${mail})`);
  }
}
