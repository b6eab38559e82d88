/**
 * Tests the rules for taken times. A meeting of the test has its time and room already; each further call is rolled back by itself.
 */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import type { Ability } from '../abilities.ts';
import { sqlState } from '../database.ts';
import { changeItem, importItem, isOfConstraint, undone } from './adapter-calls.ts';
import { isActiveIn, minutes, type Item, type Key, type Slot } from './adapter-meeting.ts';
import { undeclared } from './adapter-repairs.ts';
import type { Report } from './doctor-findings.ts';

/** The same meeting again, in the slot that it has. */
export async function checkSameTime(client: pg.Client, item: Item, report: Report): Promise<void> {
  const error = await undone(client, () => importItem(client, item));
  if (sqlState(error) === '23P01') return;
  report(
    'problem',
    'functions',
    `A second meeting in the same slot ${error === null ? 'was imported' : `failed: ${failureInWords(error)}`}.`,
    "Unless item ->> 'overlap' is 'allow', bridge_import_item must raise ERRCODE '23P01' if the room is taken.",
  );
}

/** The same meeting again, with overlap allowed. */
export async function checkAllowed(
  client: pg.Client,
  item: Item,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  const error = await undone(client, () => importItem(client, { ...item, overlap: 'allow' }));
  if (sqlState(error) === '23P01' && !abilities.has('no-overlap'))
    undeclared('no-overlap', 'A meeting in a taken slot is refused although overlap is allowed.', report);
}

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
