/**
 * Tests the rules for taken times and for several rooms of an adapter's functions. A meeting of the test has its time and room
 * already; each further call is rolled back by itself.
 */
import pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import { queryRow, queryRows } from '../query.ts';
import { attempt } from './adapter-stage.ts';
import type { Key, Slot } from './adapter-trial.ts';
import type { Report } from './doctor-findings.ts';

type Item = Readonly<Record<string, unknown>>;

const minutes = (at: string, add: number) => new Date(Date.parse(at) + add * 60_000).toISOString();

/** Runs `work` and rolls back what it did. */
export async function undone<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  await client.query('SAVEPOINT undone');
  const result = await work();
  await client.query('ROLLBACK TO undone; RELEASE undone');
  return result;
}

const importItem = async (client: pg.Client, item: Item) =>
  await attempt(client, 'SELECT bridge_import($1)', [JSON.stringify(item)]);

const changeItem = async (client: pg.Client, { type, id }: Key, change: Item) =>
  await attempt(client, 'SELECT bridge_change_item($1, $2::bigint, $3)', [type, id, JSON.stringify(change)]);

/** Whether the booking system itself refuses it, and not the function. */
export const isOfConstraint = (error: Error | null) =>
  error instanceof pg.DatabaseError && error.constraint !== undefined;

/** `item`: the meeting that has the slot. */
export async function checkOverlaps(
  client: pg.Client,
  { starts_at: starts, ends_at: ends, other }: Slot,
  item: Item,
  report: Report,
): Promise<void> {
  const overlapping: readonly (readonly [property: string, starts: string, ends: string])[] = [
    ['that begins during another one', minutes(ends, -30), minutes(ends, 30)],
    ['that ends during another one', minutes(starts, -30), minutes(starts, 30)],
    ['within the time of another one', minutes(starts, 30), minutes(ends, -30)],
    ['around the time of another one', minutes(starts, -30), minutes(ends, 30)],
  ];
  for (const [property, starts_at, ends_at] of overlapping) {
    const error = await undone(client, () => importItem(client, { ...item, starts_at, ends_at }));
    if (sqlState(error) === '23P01') continue;
    report(
      'problem',
      'functions',
      `A meeting ${property} in its room ${error === null ? 'was imported' : `failed: ${failureInWords(error)}`}.`,
      "In bridge_import_item, compare the start with the other's end, and the end with the other's start: b.starts < ends AND b.ends > starts",
    );
  }
  const adjacent: readonly (readonly [property: string, starts: string, ends: string])[] = [
    ['that begins when another one ends', ends, minutes(ends, 30)],
    ['that ends when another one begins', minutes(starts, -30), starts],
  ];
  for (const [property, starts_at, ends_at] of adjacent) {
    const error = await undone(client, () => importItem(client, { ...item, starts_at, ends_at }));
    if (sqlState(error) !== '23P01') continue;
    report(
      isOfConstraint(error) ? 'note' : 'problem',
      'functions',
      `A meeting ${property} was refused: ${failureInWords(error)}.`,
      isOfConstraint(error)
        ? null
        : 'In bridge_import_item, the end is exclusive: compare with < and >, not with <= and >=. Buffers belong in setup_minutes and teardown_minutes.',
    );
  }
  if (other === null) return;
  const error = await undone(client, () => importItem(client, { ...item, resource_ids: [other] }));
  if (sqlState(error) === '23P01')
    report(
      'problem',
      'functions',
      `A meeting in room ${other}, which is free, was refused because of one in another room: ${failureInWords(error)}.`,
      'In bridge_import_item, the test for overlap must compare the room.',
    );
}

/** A change with `overlap: refuse` must be refused where the room is taken, and must not collide with the reservation itself. */
export async function checkChangeOverlap(
  client: pg.Client,
  key: Key,
  { starts_at: starts, later, other }: Slot,
  item: Item,
  report: Report,
): Promise<void> {
  const change = async (values: Item) => await changeItem(client, key, { ...values, overlap: 'refuse' });
  const own = await undone(client, () => change({ starts_at: minutes(starts, 15) }));
  if (sqlState(own) === '23P01')
    report(
      'problem',
      'functions',
      `bridge_change_item with overlap refuse failed on a time that only the reservation itself takes: ${failureInWords(own)}.`,
      'In bridge_change_item, exclude the reservation from its own test for overlap: b.id <> $2',
    );
  const after = { ...item, starts_at: later, ends_at: minutes(later, 60) };
  const taken: (readonly [what: string, neighbour: Item, change: Item])[] = [
    ['time', after, { starts_at: minutes(starts, 60), ends_at: minutes(later, 30) }],
  ];
  if (other !== null) taken.push(['room', { ...item, resource_ids: [other] }, { resource_ids: [other] }]);
  for (const [what, neighbour, values] of taken) {
    const { isTaken, error } = await undone(client, async () => ({
      isTaken: (await importItem(client, neighbour)) === null && (await isActiveIn(client, neighbour)),
      error: await change(values),
    }));
    // a neighbour that waits for approval takes no time; a change may be refused for another reason
    if (!isTaken || (error !== null && /^(22|23|P0001)/.test(sqlState(error) ?? ''))) continue;
    report(
      'problem',
      'functions',
      `bridge_change_item with overlap refuse ${error === null ? `moved a reservation to a ${what} that is taken` : `failed: ${failureInWords(error)}`}.`,
      "In bridge_change_item: IF change ->> 'overlap' = 'refuse' AND EXISTS (…) THEN RAISE EXCEPTION '…' USING ERRCODE = '23P01'",
    );
  }
}

/** Whether the view shows a reservation with the times of the item as active in its room. */
export async function isActiveIn(client: pg.Client, item: Item): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT FROM public.bridge_items i WHERE i.resource_id = ($1::jsonb -> 'resource_ids' ->> 0)::integer AND i.active
       AND i.starts_at = ($1::jsonb ->> 'starts_at')::timestamptz AND i.ends_at = ($1::jsonb ->> 'ends_at')::timestamptz`,
    [JSON.stringify(item)],
  );
  return rows.length > 0;
}

/** A meeting in two rooms, unless each reservation has one, and the change from one room to another. */
export async function checkRooms(
  client: pg.Client,
  key: Key,
  { resource, other, later }: Slot,
  item: Item,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  if (other === null) {
    report(
      'note',
      'functions',
      'No second room with the same free slot was found, so meetings in several rooms were not tested.',
    );
    return;
  }
  await undone(client, () => checkMove(client, key, other, report));
  // the test's meeting takes the slot, which a system without overlaps refuses to give twice
  const both = { ...item, starts_at: later, ends_at: minutes(later, 60), resource_ids: [resource, other] };
  if (!abilities.has('one-room'))
    await undone(client, () => checkBoth(client, both, [resource, other], report));
}

async function checkBoth(
  client: pg.Client,
  item: Item,
  [first, second]: readonly [number, number],
  report: Report,
): Promise<void> {
  const rooms = `rooms ${first} and ${second}`;
  await client.query('SAVEPOINT call');
  let made: Key | undefined;
  try {
    [made] = await queryRows<Key>(
      client,
      'SELECT reservation_type AS type, reservation_id AS id FROM bridge_import($1)',
      [JSON.stringify(item)],
    );
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO call');
    report(
      'problem',
      'functions',
      `A meeting in ${rooms} failed: ${failureInWords(error)}.`,
      'If a reservation of the booking system has one room, add the word one-room to the setting abilities in 40_defaults.sql (sql/README.md, "Abilities"). Otherwise bridge_import_item must store every room of resource_ids.',
    );
    return;
  }
  const shown = await roomsOf(client, made!);
  if (shown.length !== 2) {
    report(
      'problem',
      'functions',
      `After bridge_import_item with ${rooms}, the view shows ${shown.join(' and ') || 'none'}.`,
      'bridge_import_item must store every room of resource_ids, and the view must show a row for each. If a reservation of the booking system has one room, refuse several with 22023 and declare one-room.',
    );
    return;
  }
  const error = await changeItem(client, made!, { resource_ids: [first] });
  const left = error === null ? await roomsOf(client, made!) : [];
  if (left.join() !== String(first))
    report(
      'problem',
      'functions',
      `bridge_change_item from ${rooms} to room ${first} ${error === null ? `left rooms ${left.join(' and ') || 'none'}` : `failed: ${failureInWords(error)}`}.`,
      'resource_ids is the full list of rooms: add missing ones and remove the others.',
    );
}

async function checkMove(client: pg.Client, { type, id }: Key, other: number, report: Report): Promise<void> {
  const error = await changeItem(client, { type, id }, { resource_ids: [other] });
  if (error !== null) {
    const isRefused = /^(22|23|P0001)/.test(sqlState(error) ?? '');
    report(
      isRefused ? 'note' : 'problem',
      'functions',
      `bridge_change_item to room ${other} failed: ${failureInWords(error)}.`,
      isRefused ? null : 'Fix bridge_change_item in 20_functions.sql.',
    );
    return;
  }
  const rooms = await roomsOf(client, { type, id });
  if (rooms.join() !== String(other))
    report(
      rooms.length === 1 ? 'warning' : 'problem',
      'functions',
      `After bridge_change_item with resource_ids [${other}], the view shows room ${rooms.join(' and ') || 'none'}.`,
      'bridge_change_item must store resource_ids, unless the booking system cannot change the room of a reservation.',
    );
}

/** The rooms in which the view shows the reservation as active. */
async function roomsOf(client: pg.Client, { type, id }: Key): Promise<readonly number[]> {
  const { rooms } = await queryRow<{ rooms: readonly number[] }>(
    client,
    `SELECT ARRAY(SELECT DISTINCT i.resource_id FROM public.bridge_items i
       WHERE i.reservation_type = $1 AND i.reservation_id = $2 AND i.active ORDER BY 1) AS rooms`,
    [type, id],
  );
  return rooms;
}
