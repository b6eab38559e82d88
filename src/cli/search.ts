/** `search WORDS`: finds reservations and events of both sides by title, person, room, date or id. */
import { searched } from '../http/search.ts';
import { createSearch } from '../sync/report/search.ts';
import { oneLine, paint, say, sayJson, table } from './terminal.ts';
import { createKeys, reservationName } from '../sync/report/keys.ts';
import { wholeNumber, withDatabase } from './with-database.ts';

const mostResults = 1_000;

export async function search(
  words: readonly string[],
  options: { limit: string; json?: boolean },
): Promise<number> {
  const query = words.join(' ');
  const limit = Math.max(1, wholeNumber('--limit', options.limit, mostResults));
  const found = searched(
    query,
    await withDatabase('search', async (db) =>
      createKeys(db).add(await createSearch(db).search(query, limit)),
    ),
  );
  if (options.json === true) {
    sayJson(found);
    return 0;
  }
  const { understood, results, total, remark, timezone } = found;
  const interpreted = [
    understood.text === '' ? null : `«${understood.text}»`,
    understood.reservation_id === null
      ? null
      : `${understood.reservation_type ?? 'any reservation'} ${understood.reservation_id}`,
    understood.date === null
      ? null
      : understood.date === understood.to
        ? `on ${understood.date}`
        : `from ${understood.date} to ${understood.to}`,
    understood.time === null ? null : `at ${understood.time}`,
  ].filter((part) => part !== null);
  if (interpreted.length > 0) say(paint('bold', interpreted.map(oneLine).join(' ')));
  if (remark !== null) say(remark);
  if (results.length === 0) {
    say('Nothing found: neither side has such a reservation or event in a mapped room.');
    return 0;
  }
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: timezone,
    dateStyle: 'short',
    timeStyle: 'short',
  });
  const at = (date: Date | null) => (date === null ? null : format.format(date));
  say(
    table(
      ['MAPPING', 'RESERVATION', 'FROM', 'TO', 'ROOM', 'STATUS', 'TITLE', 'ORGANISER'],
      results.map((one) => [
        one.mapping_id,
        reservationName(one),
        at(one.starts_at),
        at(one.ends_at),
        one.room,
        one.status,
        one.title,
        one.organizer,
      ]),
    ),
  );
  if (total > results.length) say(`and ${total - results.length} more (--limit)`);
  const first = results.find((one) => one.reservation_id !== null);
  if (first !== undefined) say(`\nDetails: explain ${first.reservation_type}/${first.reservation_id}`);
  return 0;
}
