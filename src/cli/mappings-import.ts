/** `mappings import`: maps the rooms of a CSV file, all or none. */
import { inTransaction } from '../database.ts';
import { Invalid } from '../errors.ts';
import { recordCommand } from './audit.ts';
import { readCsv, type Row } from './csv.ts';
import {
  directionOf,
  mailboxOf,
  readResources,
  refuseUnknown,
  store,
  type Done,
  type Pair,
} from './mappings.ts';
import { openBar, say, sayJson, table } from './terminal.ts';
import { wholeNumber, withDatabase } from './with-database.ts';

/** The columns with their alternative names; `mappings match --csv` writes the same. */
export const columns = {
  resource_id: ['resource', 'resourceid'],
  outlook_item_id: ['mailbox', 'email', 'mail', 'upn', 'primarysmtpaddress'],
  outlook_item_name: ['name', 'room', 'displayname'],
  active: [],
  sync_direction: ['direction'],
} as const;

const mostPairs = 20_000;

export async function importMappings(
  file: string,
  options: { dryRun?: boolean; json?: boolean },
): Promise<number> {
  const pairs = pairsOf(file);
  const results = await withDatabase('mappings import', async (db) => {
    refuseUnknown(pairs, await readResources(db));
    if (options.dryRun !== true) await recordCommand(db, `mappings import ${file} (${pairs.length} pairs)`);
    const done: { pair: Pair; done: Done }[] = [];
    using bar = openBar('Importing');
    const undo = new Error('a dry run');
    const write = inTransaction(db, async (client) => {
      for (const pair of pairs) {
        done.push({ pair, done: await store(client, pair) });
        bar.at(done.length, pairs.length);
      }
      if (options.dryRun === true) throw undo;
    });
    await write.catch((error: unknown) => {
      if (error !== undo) throw error;
    });
    return done;
  });
  const count = (wanted: Done) => results.filter(({ done }) => done === wanted).length;
  const counts = { added: count('added'), changed: count('changed'), unchanged: count('unchanged') };
  if (options.json === true) {
    sayJson({
      success: true,
      dry_run: options.dryRun === true,
      ...counts,
      mappings: results.map(({ pair, done }) => ({ ...pair, done })),
    });
    return 0;
  }
  say(
    table(
      ['RESOURCE', 'MAILBOX', 'ROOM', ''],
      results.map(({ pair, done }) => [pair.resourceId, pair.mailbox, pair.name, done]),
    ),
  );
  const totals = `${counts.added} added, ${counts.changed} changed, ${counts.unchanged} unchanged`;
  say(`\n${totals}.${options.dryRun === true ? ' Nothing was written: this was a dry run.' : ''}`);
  return 0;
}

/** The pairs of all lines. Throws Invalid with all problems, each with its line number. */
function pairsOf(file: string): Pair[] {
  const rows = readCsv(file, columns, ['resource_id', 'outlook_item_id']);
  if (rows.length === 0 || rows.length > mostPairs)
    throw new Invalid(
      'file',
      `${file} has ${rows.length} rooms.`,
      `It must have 1 to ${mostPairs}, one on each line.`,
    );
  const problems: string[] = [];
  const seen = new Map<string, number>();
  const pairs = rows.flatMap((row) => {
    try {
      const pair = pairOf(row);
      for (const key of [`resource ${pair.resourceId}`, `mailbox ${pair.mailbox.toLowerCase()}`]) {
        const before = seen.get(key);
        if (before !== undefined && pair.active)
          problems.push(`line ${row.line}: ${key} is already in line ${before}`);
        if (pair.active) seen.set(key, row.line);
      }
      return [pair];
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      problems.push(`line ${row.line}: ${error.message} ${error.hint ?? ''}`);
      return [];
    }
  });
  if (problems.length === 0) return pairs;
  const shown = problems.slice(0, 50).map((problem) => `  - ${problem}`);
  throw new Invalid(
    'file',
    `Problems in ${file} (${problems.length}):\n${shown.join('\n')}`,
    'Nothing was written.',
  );
}

function pairOf(row: Row): Pair {
  return {
    resourceId: wholeNumber('resource_id', row.cell('resource_id')),
    mailbox: mailboxOf(row.cell('outlook_item_id')),
    name: row.cell('outlook_item_name') || null,
    active: activeOf(row.cell('active')),
    direction: directionOf(row.cell('sync_direction') || 'both'),
  };
}

function activeOf(text: string): boolean {
  if (['', '1', 'true', 'yes', 'ja'].includes(text.toLowerCase())) return true;
  if (['0', 'false', 'no', 'nei'].includes(text.toLowerCase())) return false;
  throw new Invalid('active', `active is '${text}'.`, 'Write 1 or 0.');
}
