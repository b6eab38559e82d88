/** Tests bridge_cancel_item with the test's meeting. */
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import { sqlState } from '../database.ts';
import { queryValue } from '../query.ts';
import {
  callFunction,
  changeItem,
  importItem,
  isOfConstraint,
  undone,
  writtenRows,
} from './adapter-calls.ts';
import { readRow, type Item, type Key, type Named, type Row, type Slot } from './adapter-meeting.ts';
import type { CheckRecorded } from './adapter-outbox.ts';
import type { Report } from './doctor-findings.ts';

/** Cancels it, twice. Returns whether it is cancelled. */
export async function cancel(
  client: pg.Client,
  key: Named,
  checkRecorded: CheckRecorded,
  report: Report,
): Promise<boolean> {
  const text = 'SELECT bridge_cancel_item($1, $2::bigint, $3) AS done';
  const values = [key.type, key.id, 'Adapter check'];
  const repair = 'Fix bridge_cancel_item in 20_functions.sql.';
  const rowsBefore = await writtenRows(client);
  const row = await callFunction<{ done: boolean | null }>(client, text, values, repair, report);
  if (row === null) return false;
  const rowsAfter = await writtenRows(client);
  if (row.done !== true)
    report(
      'problem',
      'functions',
      `bridge_cancel_item returned ${String(row.done)} for an active reservation.`,
      repair,
    );
  await checkRecorded(key, 'A cancelled meeting');
  const shown = await readRow(client, key);
  if (shown['active'] === true) {
    report('problem', 'functions', 'After bridge_cancel_item, the view still shows it as active.', repair);
    return false;
  }
  if (
    shown['active'] === undefined &&
    rowsAfter.changed > rowsBefore.changed &&
    rowsAfter.deleted === rowsBefore.deleted
  )
    report(
      'problem',
      'functions',
      'After bridge_cancel_item, the view does not show the reservation, although no row was deleted: a cancellation in the booking system would look like a deleted row, which the brake holds.',
      'In 10_view.sql, show cancelled reservations with active = false, instead of excluding them in a WHERE or a join.',
    );
  await cancelAgain(client, key, shown, report);
  return true;
}

/** `shown`: the row of the cancelled reservation; empty if it was deleted. */
async function cancelAgain(client: pg.Client, key: Key, shown: Row, report: Report): Promise<void> {
  const repair =
    'Return false if it is already cancelled, and change nothing: the note is added to the description once.';
  let done: boolean | null = null;
  await client.query('SAVEPOINT again');
  try {
    done = await queryValue<boolean | null>(client, 'SELECT bridge_cancel_item($1, $2::bigint, $3)', [
      key.type,
      key.id,
      'Adapter check',
    ]);
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO again');
    if (sqlState(error) === 'P0002' && shown['active'] === undefined) return;
    const failure = failureInWords(error);
    report(
      'problem',
      'functions',
      `bridge_cancel_item of a cancelled reservation failed: ${failure}.`,
      repair,
    );
    return;
  }
  const isChanged = JSON.stringify(await readRow(client, key)) !== JSON.stringify(shown);
  if (done !== false || isChanged)
    report(
      'problem',
      'functions',
      `bridge_cancel_item of a cancelled reservation ${isChanged ? 'changed it' : `returned ${String(done)}`}.`,
      repair,
    );
}

/** A cancelled reservation may be changed; it stays cancelled. */
export async function checkStaysCancelled(
  client: pg.Client,
  key: Key,
  slot: Slot,
  report: Report,
): Promise<void> {
  const { active } = await undone(client, async () => {
    await changeItem(client, key, { ends_at: slot.ends_at });
    return await readRow(client, key);
  });
  if (active === true)
    report(
      'problem',
      'functions',
      'bridge_change_item of a cancelled reservation makes it active again.',
      'In bridge_change_item, leave the state as it is.',
    );
}

/** The meeting again, in the slot of the cancelled one. */
export async function checkReuse(client: pg.Client, key: Key, item: Item, report: Report): Promise<void> {
  const { error, isSame } = await undone(client, async () => {
    const before = await readRow(client, key);
    const failed = await importItem(client, item);
    const after = await readRow(client, key);
    return { error: failed, isSame: before['active'] !== true && after['active'] === true };
  });
  if (isSame)
    report(
      'problem',
      'functions',
      'bridge_import_item gave a new meeting the id of a cancelled reservation.',
      'Ids are never used again: take them from the sequence of the booking system.',
    );
  if (sqlState(error) !== '23P01') return;
  report(
    isOfConstraint(error) ? 'warning' : 'problem',
    'functions',
    `A meeting in the time of a cancelled one was refused: ${failureInWords(error)}.`,
    isOfConstraint(error)
      ? 'The constraint of the booking system also counts cancelled reservations. Find out whether the system deletes them instead; if so, delete in bridge_cancel_item.'
      : 'In bridge_import_item, the test for overlap must ignore cancelled reservations.',
  );
}
