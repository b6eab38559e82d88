/** Tests the change of one key alone, and meetings of other lengths: whole days, and past midnight. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import { sqlState } from '../database.ts';
import { queryRow } from '../query.ts';
import { changeItem, undone } from './adapter-calls.ts';
import { minutes, nameOf, readRow, type Item, type Key, type Named, type Slot } from './adapter-meeting.ts';
import { compare, reportOthers } from './adapter-stored.ts';
import type { Report } from './doctor-findings.ts';

const isRefusal = (error: unknown) => /^(22|23|P0001)/.test(sqlState(error) ?? '');

/** Each key that bridge_import_item stored must be changed alone, and the others must stay. `stored`: these keys. */
export async function checkFields(
  client: pg.Client,
  key: Named,
  slot: Slot,
  stored: readonly string[],
  report: Report,
): Promise<void> {
  const changes: readonly Item[] = [
    { starts_at: minutes(slot.starts_at, 15) },
    { description: 'Adapter check, changed' },
    { is_private: false },
  ].filter((change) => Object.keys(change).every((name) => stored.includes(name)));
  for (const change of changes) await undone(client, () => tryChange(client, key, change, report));
}

/** Changes the reservation, and reports requested values that the view does not show, and others that changed. */
async function tryChange(client: pg.Client, key: Named, change: Item, report: Report): Promise<void> {
  const names = Object.keys(change);
  const before = await readRow(client, key);
  const error = await changeItem(client, key, change);
  if (error !== null) {
    report(
      isRefusal(error) ? 'note' : 'problem',
      'functions',
      `bridge_change_item with ${names.join(', ')} failed: ${failureInWords(error)}.`,
      isRefusal(error) ? null : 'Fix bridge_change_item in 20_functions.sql.',
    );
    return;
  }
  // what an import stores, a change must store as well
  await compare(client, key, change, 'bridge_change_item', report, new Set(names));
  reportOthers(before, await readRow(client, key), names, report);
}

/** Two whole days and a meeting past midnight, on the day of the slot; the first is changed as well. */
export async function checkSpans(
  client: pg.Client,
  slot: Slot,
  item: Item,
  timezone: string,
  report: Report,
): Promise<void> {
  const at = await queryRow<Readonly<Record<'first' | 'third' | 'fourth' | 'evening' | 'night', string>>>(
    client,
    `SELECT to_json(d AT TIME ZONE $2)#>>'{}' AS first, to_json((d + interval '2 days') AT TIME ZONE $2)#>>'{}' AS third,
       to_json((d + interval '3 days') AT TIME ZONE $2)#>>'{}' AS fourth,
       to_json((d + interval '22 hours') AT TIME ZONE $2)#>>'{}' AS evening, to_json((d + interval '25 hours') AT TIME ZONE $2)#>>'{}' AS night
     FROM date_trunc('day', $1::timestamptz AT TIME ZONE $2) d`,
    [slot.starts_at, timezone],
  );
  const days = { all_day: true, starts_at: minutes(at.first, 0), ends_at: minutes(at.third, 0) };
  await undone(client, async () => {
    const key = await tryImport(client, item, days, 'of two whole days', report);
    if (key === null) return;
    await undone(client, () => tryChange(client, key, { ends_at: minutes(at.fourth, 0) }, report));
    const timed = { all_day: false, starts_at: slot.starts_at, ends_at: slot.ends_at };
    await tryChange(client, key, timed, report);
  });
  const night = { starts_at: minutes(at.evening, 0), ends_at: minutes(at.night, 0) };
  await undone(client, () => tryImport(client, item, night, 'that ends after midnight', report));
}

/** Imports a meeting, and reports times that the view does not show. Returns null if it was refused or is shown otherwise. */
async function tryImport(
  client: pg.Client,
  item: Item,
  times: Item,
  property: string,
  report: Report,
): Promise<Named | null> {
  await client.query('SAVEPOINT span');
  let made: Key;
  try {
    made = await queryRow<Key>(
      client,
      'SELECT reservation_type AS type, reservation_id AS id FROM bridge_import($1)',
      [JSON.stringify({ ...item, ...times, overlap: 'allow' })],
    );
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO span');
    // a system without overlaps may have another booking on these days
    if (sqlState(error) === '23P01') return null;
    report(
      isRefusal(error) ? 'note' : 'problem',
      'functions',
      `A meeting ${property} ${isRefusal(error) ? 'is refused, so such events wait for a person' : 'failed'}: ${failureInWords(error)}.`,
      isRefusal(error) ? null : 'Fix bridge_import_item in 20_functions.sql.',
    );
    return null;
  }
  const names = Object.keys(times);
  const key = { ...made, name: await nameOf(client, made) };
  const by = `bridge_import_item of a meeting ${property}`;
  const shown = await compare(client, key, times, by, report, new Set(names));
  return shown.length === names.length ? key : null;
}
