/** `explain TYPE/ID`: the state of one reservation on both sides, and its history with times and reasons. */
import type { Database } from '../database.ts';
import type { Id } from '../id.ts';
import { createKeys } from '../sync/report/keys.ts';
import { fieldInWords, type Item as Shown } from '../item.ts';
import { Invalid } from '../errors.ts';
import { printed } from '../http/mappings.ts';
import { createMappingReports, type Explained, type ListedMapping } from '../sync/report/mapping-reports.ts';
import { itemsOf, unreadableHint, unreadableText } from '../sync/store/readable-items.ts';
import { spanIn } from '../sync/report/item-words.ts';
import { oneLine, paint, say, sayJson, table } from './terminal.ts';
import { wholeNumber, withDatabase } from './with-database.ts';
import { queryRows } from '../query.ts';

/** The reservation in the booking system, in one room. */
type Item = {
  readonly resource_id: number;
} & (
  | {
      readonly unreadable: null;
      readonly active: boolean;
      readonly starts_at: Date;
      readonly ends_at: Date;
      readonly all_day: boolean;
      readonly title: string;
      readonly is_private: boolean;
    }
  | {
      /** Why it cannot be read. */
      readonly unreadable: string;
      readonly active: null;
    }
);

/** The mapping of the reservation in one room, with its state and log. */
interface History {
  readonly mapping: ListedMapping;
  readonly explained: Explained;
}

const mostRooms = 200;
const mostLines = 1_000;

export async function explain(name: string, options: { limit: string; json?: boolean }): Promise<number> {
  const [, type, named] = /^(\w[\w-]*)\/(.{1,200})$/s.exec(name) ?? [];
  if (type === undefined || named === undefined) throw notReservation(name);
  const limit = wholeNumber('--limit', options.limit, mostLines);
  const { answer, items, histories, zone } = await withDatabase('explain', async (db, config) => {
    const keys = createKeys(db);
    const id = await keys.reservation(type, named);
    if (id === null) throw notReservation(name);
    const items = await readItems(db, type, id);
    const histories = await readHistories(db, type, id, Math.max(1, limit));
    if (items.length === 0 && histories.length === 0) throw await unknownReservation(db, name);
    const zone = config.timezone;
    const mappings = histories.map(({ mapping, explained }) => {
      const { standing, lines } = printed(explained, zone);
      return { ...mapping, standing, lines };
    });
    const answer = await keys.add({ reservation_type: type, reservation_id: id, items, mappings });
    return { answer, items, histories, zone };
  });
  if (options.json === true) sayJson({ success: true, ...answer });
  else print(name, items, histories, zone);
  return 0;
}

const notReservation = (name: string) =>
  new Invalid('TYPE/ID', `'${name}' is not a reservation.`, 'Write its type and id, for example event/78268');

async function unknownReservation(db: Database, name: string): Promise<Invalid> {
  const { rows } = await db.query<{ type: string }>(
    'SELECT DISTINCT reservation_type AS type FROM bridge_items ORDER BY 1',
  );
  const types = rows.map(({ type }) => type).join(', ');
  return new Invalid(
    'TYPE/ID',
    `Neither the booking system nor the bridge has ${name}.`,
    types === ''
      ? 'The booking system shows no reservations at all.'
      : `It has reservations of these types: ${types}.`,
  );
}

async function readItems(db: Database, type: string, id: Id): Promise<Item[]> {
  return await queryRows<Item>(
    db,
    `SELECT i.resource_id, i.active, i.starts_at, i.ends_at, i.all_day, i.title, i.is_private, ${unreadableText('i')} AS unreadable
     FROM ${itemsOf('i', '$1', '$2::bigint', 'NULL')} ORDER BY i.resource_id LIMIT $3`,
    [type, id, mostRooms],
  );
}

async function readHistories(
  db: Database,
  type: string,
  reservationId: Id,
  limit: number,
): Promise<History[]> {
  const reports = createMappingReports(db);
  const choice = { type, reservationId, resourceId: null, status: null, limit: mostRooms };
  const { mappings } = await reports.list(choice);
  const histories: History[] = [];
  for (const mapping of mappings) {
    const explained = await reports.explain(mapping.id, limit);
    if (explained !== null) histories.push({ mapping, explained });
  }
  return histories;
}

function print(name: string, items: readonly Item[], histories: readonly History[], zone: string): void {
  say(paint('bold', name));
  if (items.length === 0)
    say('  in the booking system: not found (its rows were deleted, or it is in no room)');
  const mapped = new Set(histories.map(({ mapping }) => mapping.resource_id));
  for (const item of items)
    if (item.unreadable !== null)
      say(`  resource ${item.resource_id}: ${oneLine(item.unreadable)}\n    ${unreadableHint}`);
    else if (!item.active || !mapped.has(item.resource_id))
      say(
        `  in the booking system: ${item.active ? '' : 'cancelled, '}«${oneLine(item.title)}», resource ${item.resource_id}, ` +
          `${spanIn(zone, timesOf(item))}${item.is_private ? ', private' : ''}`,
      );
  if (histories.length === 0)
    say(
      '  in Outlook: no event. Its room is not mapped, it is outside of the window, or it was never active.',
    );
  for (const history of histories) printHistory(history, zone);
}

const timesOf = ({
  starts_at,
  ends_at,
  all_day: allDay,
}: Pick<Extract<Item, { active: boolean }>, 'starts_at' | 'ends_at' | 'all_day'>) => ({
  startsAt: starts_at.toISOString(),
  endsAt: ends_at.toISOString(),
  allDay,
});

function printHistory({ mapping, explained }: History, zone: string): void {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  const at = (date: Date | null) => (date === null ? '-' : format.format(date));
  const { standing } = explained;
  const paused = standing?.paused === true ? paint('yellow', ', but its room is paused') : '';
  say(
    `\n  ${paint('bold', oneLine(mapping.room))} (resource ${mapping.resource_id}): ${mapping.sync_status}${paused}`,
  );
  if (mapping.due_at !== null)
    say(`    ${mapping.sync_status === 'error' ? 'tried again' : 'due'} at ${at(mapping.due_at)}`);
  if (mapping.error_message !== null) say(paint('red', `    ${oneLine(mapping.error_message)}`));
  if (mapping.hint !== null) say(`    ${oneLine(mapping.hint)}`);
  if (standing !== null) {
    const asOf =
      standing.outlook_as_of === null ? 'OUTLOOK, never read' : `OUTLOOK, read ${at(standing.outlook_as_of)}`;
    const rows = sideRows(standing, zone);
    for (const line of table(['', '', 'BOOKING SYSTEM', asOf], rows).split('\n')) say(`    ${line}`);
    if (standing.organizer !== null) say(`    organiser ${oneLine(standing.organizer)}`);
    if (standing.url !== null) say(`    ${oneLine(standing.url)}`);
  }
  if (mapping.outlook_event_id !== null) say(`    event ${oneLine(mapping.outlook_event_id)}`);
  const { lines } = printed(explained, zone);
  for (const line of lines) say(`    ${at(line.at)}  ${oneLine(line.text)}`);
  if (lines.length === 0) say('    no actions yet');
}

const longestText = 60;

/** Both sides, one row for each field, with ≠ in front of fields that differ. */
function sideRows(
  { booking, outlook, fields }: NonNullable<Explained['standing']>,
  zone: string,
): string[][] {
  const differing = new Set(fields.map(fieldInWords));
  const short = (text: string) => {
    const one = oneLine(text);
    return one.length > longestText ? `${one.slice(0, longestText - 1)}…` : one;
  };
  const row = (word: string, of: (side: Shown) => string): string[] => [
    differing.has(word) ? '≠' : '',
    word,
    booking === null ? (word === 'time' ? 'none' : '') : of(booking),
    outlook === null ? (word === 'time' ? 'none' : '') : of(outlook),
  ];
  return [
    row('time', (side) => spanIn(zone, side)),
    row('title', ({ title }) => short(title)),
    row('text', ({ description }) => short(description)),
    row('privacy', ({ isPrivate }) => (isPrivate ? 'private' : 'public')),
  ];
}
