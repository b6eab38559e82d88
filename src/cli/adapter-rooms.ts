/** Tests meetings in several rooms, and the change from one room to another. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import { queryRows } from '../query.ts';
import { changeItem, undone } from './adapter-calls.ts';
import { minutes, roomsOf, type Item, type Key, type Slot } from './adapter-meeting.ts';
import type { Report } from './doctor-findings.ts';

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
