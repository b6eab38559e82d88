/** What Outlook says is written into the booking system and settled in one transaction. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { event, epochOf, fold, open, result, rows, settle, take } from './work-list-world.ts';

const thisVersion = `SELECT bridge_settle(1, $1, w.settlements) || w.answer AS answer
  FROM bridge_write_booking(1, $1, 'cancel', '{}', $2, $3) w`;
const versionBefore = `SELECT bridge_write_back(1, $1, 'cancel', '{}', $2, $3) AS answer`;

/** A reservation that was shown, and is cancelled from Outlook by this statement: what is known of it then. */
async function cancelled(statement: string) {
  await using db = await open();
  await db.query(event(1));
  await fold(db);
  await take(db.pool);
  const epoch = await epochOf(db, 1);
  await settle(db, 1, epoch, [result((await rows(db))[0]!)]);
  const row = (await rows(db))[0]!;
  const [item] = await db.query<{ expected: object }>(
    `SELECT bridge_item_state(starts_at, ends_at, all_day, title, description, is_private) AS expected FROM bridge_items`,
  );
  const gone = {
    status: 'cancelled',
    agreement: 'never',
    bookingBase: null,
    outlookBase: null,
    intent: null,
  };
  const settled = result(row, { ...gone, bookingSeen: null, action: 'booking-cancelled', written: [] });
  const [done] = await db.query<{ answer: { reservationType: string; joined: boolean } }>(statement, [
    epoch,
    JSON.stringify(item!.expected),
    JSON.stringify(settled),
  ]);
  const known =
    await db.query(`SELECT m.sync_status, m.present, m.agreement, m.booking_base, m.due_at, m.revision, e.active,
      (SELECT array_agg(l.action ORDER BY l.id) FROM bridge_log l) AS log
    FROM bridge_mappings m JOIN bb_event e ON e.id = m.reservation_id`);
  return { type: done!.answer.reservationType, joined: done!.answer.joined, known };
}

test('a cancellation is written and settled by one statement', async () => {
  const { known } = await cancelled(thisVersion);
  assert.partialDeepStrictEqual(known[0], {
    sync_status: 'cancelled',
    present: false,
    agreement: 'never',
    active: 0,
    log: ['created', 'booking-cancelled'],
  });
});

test('a daemon of the version before writes and settles as this one does', async () =>
  assert.deepEqual(await cancelled(versionBefore), await cancelled(thisVersion)));
