/** `conflicts`: lists open conflicts; `--keep` chooses one side for all that are listed. Works on the database only. */
import { command } from '../command-name.ts';
import { Invalid } from '../errors.ts';
import { effectsOf } from '../sync/manual/conflict-effects.ts';
import { chooseSides, readConflicts, type OpenConflict } from '../sync/manual/conflicts.ts';
import { readHeld } from '../sync/manual/held-removals.ts';
import { fieldsInWords } from '../item.ts';
import { spanIn } from '../sync/report/item-words.ts';
import { recordCommand } from './audit.ts';
import { counted, oneLine, paint, say, sayJson } from './terminal.ts';
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

interface Listed {
  readonly open: readonly OpenConflict[];
  /** There are more than the limit. */
  readonly more: boolean;
  /** The number of removals that the brake holds. */
  readonly held: number;
}

/** Lists the matching conflicts; with `keep`, chooses that side for each of them that has not changed since it was read. */
export async function conflictsCommand(options: ConflictOptions): Promise<number> {
  const { keep } = options;
  if (keep !== undefined && keep !== 'booking' && keep !== 'outlook')
    throw new Invalid('--keep', `'${keep}' is not a side.`, 'Write booking or outlook.');
  const limit = wholeNumber('--limit', options.limit, most, 1);
  const { listed, done, zone } = await withDatabase('conflicts', async (db, { timezone }) => {
    const resourceId = options.room === undefined ? null : await resourceNumber(db, '--room', options.room);
    const filter = { resourceId, kind: null, text: options.find ?? null };
    const read = await readConflicts(db, limit + 1, null, filter);
    const found = await createKeys(db).add(read.slice(0, limit));
    const held = (await readHeld(db, resourceId)).reduce((sum, { n }) => sum + n, 0);
    const listed = { open: found, more: read.length > limit, held };
    if (keep === undefined || found.length === 0) return { listed, done: [], zone: timezone };
    const narrowed = options.find === undefined ? '' : ` --find ${options.find}`;
    await recordCommand(db, `conflicts --keep ${keep}${narrowed}`, resourceId);
    const chosen = await chooseSides(db, found, keep);
    if (chosen.length > 0) await db.query('SELECT bridge_wake()');
    return { listed, done: chosen, zone: timezone };
  });
  const { open, more, held } = listed;
  const count = done.filter(({ state }) => state === 'chosen').length;
  if (options.json === true)
    sayJson({
      success: true,
      count: open.length,
      more,
      held,
      conflicts: open.map((one) => ({ ...one, effects: effectsOf(one) })),
      chosen: keep === undefined ? null : count,
    });
  else {
    for (const conflict of open) print(conflict, zone);
    if (keep === undefined || open.length === 0) printSummary(listed, options);
    else {
      say(`\n${count} of ${open.length} chosen: ${keep} is kept. A daemon applies the choices.`);
      if (more) say('More conflicts are open: run the command again for the next ones.');
    }
  }
  return 0;
}

function printSummary({ open, more, held }: Listed, { find, room, limit }: ConflictOptions): void {
  if (more) say(`\nMore conflicts are open; --limit ${limit} lists the earliest ones.`);
  else if (open.length === 0) say(find === undefined ? 'No conflict is open.' : 'No open conflict matches.');
  if (open.length > 0) say('\nTo keep one side of all listed conflicts: --keep booking or --keep outlook');
  if (held > 0)
    say(
      `${counted(held, 'removal')} held by the brake ${held === 1 ? 'needs' : 'need'} a decision, too: ` +
        `${command} brake${room === undefined ? '' : ` --room ${room}`}`,
    );
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
