/** `explain TYPE/ID`: the life of one reservation: how it stands now, and what was done, when and why. */
import type { Database } from '../database.ts';
import { Invalid } from '../errors.ts';
import { sentence } from '../http/mappings.ts';
import { createMappingList, type ListedMapping } from '../sync/report/mapping-list.ts';
import { createReports, type LogLine } from '../sync/report/reports.ts';
import { oneLine, paint, say, sayJson } from './terminal.ts';
import { wholeNumber, withDatabase } from './with-database.ts';

/** The reservation as the booking system shows it, in one room. */
interface Item {
  readonly resource_id: number;
  readonly active: boolean;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly all_day: boolean;
  readonly title: string;
  readonly is_private: boolean;
}

interface Life {
  readonly mapping: ListedMapping;
  readonly lines: readonly LogLine[];
}

const mostRooms = 200;
const mostLines = 1_000;

export async function explain(what: string, options: { limit: string; json?: boolean }): Promise<number> {
  const [, type, number] = /^(\w[\w-]*)\/(\d{1,15})$/.exec(what) ?? [];
  if (type === undefined || number === undefined)
    throw new Invalid('TYPE/ID', `'${what}' is no reservation.`, 'Write its type and id: event/78268');
  const limit = wholeNumber('--limit', options.limit, mostLines);
  const id = Number(number);
  const { items, lives, zone } = await withDatabase('explain', async (db, config) => {
    const items = await readItems(db, type, id);
    const lives = await readLives(db, type, id, Math.max(1, limit));
    if (items.length === 0 && lives.length === 0) throw await nobodyKnows(db, what);
    return { items, lives, zone: config.timezone };
  });
  if (options.json === true)
    sayJson({
      success: true,
      reservation_type: type,
      reservation_id: id,
      items,
      mappings: lives.map(({ mapping, lines }) => ({
        ...mapping,
        lines: lines.map((line) => ({ ...line, text: sentence(line) })),
      })),
    });
  else print(what, items, lives, zone);
  return 0;
}

async function nobodyKnows(db: Database, what: string): Promise<Invalid> {
  const { rows } = await db.query<{ type: string }>(
    'SELECT DISTINCT reservation_type AS type FROM bridge_items ORDER BY 1',
  );
  const types = rows.map(({ type }) => type).join(', ');
  return new Invalid(
    'TYPE/ID',
    `Neither the booking system nor the bridge knows ${what}.`,
    types === ''
      ? 'The booking system shows no reservations at all.'
      : `It has reservations of these types: ${types}.`,
  );
}

async function readItems(db: Database, type: string, id: number): Promise<Item[]> {
  const { rows } = await db.query<Item>(
    `SELECT resource_id, active, starts_at, ends_at, all_day, title, is_private FROM bridge_items
     WHERE reservation_type = $1 AND reservation_id = $2 ORDER BY resource_id LIMIT $3`,
    [type, id, mostRooms],
  );
  return rows;
}

async function readLives(db: Database, type: string, reservationId: number, limit: number): Promise<Life[]> {
  const reports = createReports(db);
  const choice = { type, reservationId, resourceId: null, status: null, limit: mostRooms };
  const { mappings } = await createMappingList(db).list(choice);
  const lives: Life[] = [];
  for (const mapping of mappings)
    lives.push({ mapping, lines: (await reports.explain(mapping.id, limit))?.lines ?? [] });
  return lives;
}

function print(what: string, items: readonly Item[], lives: readonly Life[], zone: string): void {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  const at = (date: Date | null) => (date === null ? '-' : format.format(date));
  say(paint('bold', what));
  if (items.length === 0) say('  in the booking system: not there (its rows are gone, or it is in no room)');
  for (const item of items)
    say(
      `  in the booking system: ${item.active ? '' : 'cancelled, '}«${oneLine(item.title)}», resource ${item.resource_id}, ` +
        `${at(item.starts_at)} to ${at(item.ends_at)}${item.all_day ? ', all day' : ''}${item.is_private ? ', private' : ''}`,
    );
  if (lives.length === 0)
    say('  in Outlook: nothing. Its room is not mapped, it lies outside the window, or it was never active.');
  for (const { mapping, lines } of lives) {
    say(`\n  ${paint('bold', oneLine(mapping.room))} (mapping ${mapping.id}): ${mapping.sync_status}`);
    if (mapping.outlook_event_id !== null) say(`    event ${oneLine(mapping.outlook_event_id)}`);
    if (mapping.due_at !== null) say(`    due since or at ${at(mapping.due_at)}`);
    if (mapping.error_message !== null) say(paint('red', `    ${oneLine(mapping.error_message)}`));
    if (mapping.hint !== null) say(`    ${oneLine(mapping.hint)}`);
    for (const line of lines) say(`    ${at(line.at)}  ${oneLine(sentence(line))}`);
    if (lines.length === 0) say('    nothing was done yet');
  }
}
