/** `explain TYPE/ID`: the life of one reservation: how it stands now, and what was done, when and why. */
import type { Database } from '../database.ts';
import type { Id } from '../id.ts';
import { createKeys } from '../sync/report/keys.ts';
import { fieldInWords, type Item as Shown } from '../item.ts';
import { Invalid } from '../errors.ts';
import { printed } from '../http/mappings.ts';
import { createMappingReports, type Explained, type ListedMapping } from '../sync/report/mapping-reports.ts';
import { spanIn } from '../sync/report/item-words.ts';
import { oneLine, paint, say, sayJson, table } from './terminal.ts';
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
  readonly known: Explained;
}

const mostRooms = 200;
const mostLines = 1_000;

export async function explain(what: string, options: { limit: string; json?: boolean }): Promise<number> {
  const [, type, named] = /^(\w[\w-]*)\/(.{1,200})$/s.exec(what) ?? [];
  if (type === undefined || named === undefined) throw noReservation(what);
  const limit = wholeNumber('--limit', options.limit, mostLines);
  const { answer, items, lives, zone } = await withDatabase('explain', async (db, config) => {
    const keys = createKeys(db);
    const id = await keys.reservation(type, named);
    if (id === null) throw noReservation(what);
    const items = await readItems(db, type, id);
    const lives = await readLives(db, type, id, Math.max(1, limit));
    if (items.length === 0 && lives.length === 0) throw await nobodyKnows(db, what);
    const zone = config.timezone;
    const mappings = lives.map(({ mapping, known }) => {
      const { standing, lines } = printed(known, zone);
      return { ...mapping, standing, lines };
    });
    const answer = await keys.add({ reservation_type: type, reservation_id: id, items, mappings });
    return { answer, items, lives, zone };
  });
  if (options.json === true) sayJson({ success: true, ...answer });
  else print(what, items, lives, zone);
  return 0;
}

const noReservation = (what: string) =>
  new Invalid('TYPE/ID', `'${what}' is no reservation.`, 'Write its type and id: event/78268');

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

async function readItems(db: Database, type: string, id: Id): Promise<Item[]> {
  const { rows } = await db.query<Item>(
    `SELECT resource_id, active, starts_at, ends_at, all_day, title, is_private FROM bridge_items
     WHERE reservation_type = $1 AND reservation_id = $2 ORDER BY resource_id LIMIT $3`,
    [type, id, mostRooms],
  );
  return rows;
}

async function readLives(db: Database, type: string, reservationId: Id, limit: number): Promise<Life[]> {
  const reports = createMappingReports(db);
  const choice = { type, reservationId, resourceId: null, status: null, limit: mostRooms };
  const { mappings } = await reports.list(choice);
  const lives: Life[] = [];
  for (const mapping of mappings) {
    const known = await reports.explain(mapping.id, limit);
    if (known !== null) lives.push({ mapping, known });
  }
  return lives;
}

function print(what: string, items: readonly Item[], lives: readonly Life[], zone: string): void {
  say(paint('bold', what));
  if (items.length === 0) say('  in the booking system: not there (its rows are gone, or it is in no room)');
  const told = new Set(lives.map(({ mapping }) => mapping.resource_id));
  for (const item of items.filter(({ active, resource_id: resource }) => !active || !told.has(resource)))
    say(
      `  in the booking system: ${item.active ? '' : 'cancelled, '}«${oneLine(item.title)}», resource ${item.resource_id}, ` +
        `${spanIn(zone, timesOf(item))}${item.is_private ? ', private' : ''}`,
    );
  if (lives.length === 0)
    say('  in Outlook: nothing. Its room is not mapped, it lies outside the window, or it was never active.');
  for (const life of lives) printLife(life, zone);
}

const timesOf = ({ starts_at, ends_at, all_day: allDay }: Item) => ({
  startsAt: starts_at.toISOString(),
  endsAt: ends_at.toISOString(),
  allDay,
});

function printLife({ mapping, known }: Life, zone: string): void {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  const at = (date: Date | null) => (date === null ? '-' : format.format(date));
  const { standing } = known;
  const paused = standing?.paused === true ? paint('yellow', ', its room is paused: nothing is done') : '';
  say(
    `\n  ${paint('bold', oneLine(mapping.room))} (resource ${mapping.resource_id}): ${mapping.sync_status}${paused}`,
  );
  if (mapping.due_at !== null) say(`    due since or at ${at(mapping.due_at)}`);
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
  const { lines } = printed(known, zone);
  for (const line of lines) say(`    ${at(line.at)}  ${oneLine(line.text)}`);
  if (lines.length === 0) say('    nothing was done yet');
}

const longestText = 60;

/** Both sides, a line for each field; what differs has a sign before it. */
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
    booking === null ? (word === 'time' ? 'not there' : '') : of(booking),
    outlook === null ? (word === 'time' ? 'not there' : '') : of(outlook),
  ];
  return [
    row('time', (side) => spanIn(zone, side)),
    row('title', ({ title }) => short(title)),
    row('text', ({ description }) => short(description)),
    row('privacy', ({ isPrivate }) => (isPrivate ? 'private' : 'public')),
  ];
}
