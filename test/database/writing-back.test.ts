/** What Outlook says is written into the booking system and settled in one transaction. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { booking, event, epochOf, fold, open, result, rows, settle, take } from './work-list-world.ts';

interface Version {
  readonly statement: string;
  /** Its settlement of a change of title and times, of which a booking has no title of its own. */
  readonly change: object;
}

const written = [
  { field: 'title', key: 'title' },
  { field: 'endsAt', key: 'ends_at' },
];

const later = new Date(Math.ceil(Date.now() / 86_400_000 + 4) * 86_400_000).toISOString();

const thisVersion: Version = {
  statement: `SELECT bridge_settle(1, $1, w.settlements) || w.answer AS answer
    FROM bridge_write_booking(1, $1, $4, $5, $2, $3) w`,
  change: {
    merge: {
      written,
      unagreed: ['allDay', 'description'],
      kept: { allDay: true },
      partly: { dueInMs: 0 },
      lostReason: 'endsAt; not possible here: ',
    },
  },
};
const versionBefore: Version = {
  statement: 'SELECT bridge_write_back(1, $1, $4, $5, $2, $3) AS answer',
  change: { written, open: ['allDay'], kept: { allDay: true, description: 'x' }, hidden: ['description'] },
};
/** A daemon of the version before may call this statement itself. */
const beforeByItself: Version = { ...versionBefore, statement: thisVersion.statement };

/** A reservation that was shown, and is written to by this statement: what is known of it then. */
async function writtenBack(
  made: string,
  { statement }: Version,
  what: 'cancel' | 'change',
  item: object,
  settled: object,
) {
  await using db = await open();
  await db.query(made);
  await fold(db);
  await take(db.pool);
  const epoch = await epochOf(db, 1);
  await settle(db, 1, epoch, [result((await rows(db))[0]!)]);
  const row = (await rows(db))[0]!;
  const [there] = await db.query<{ expected: object }>(
    `SELECT bridge_item_state(starts_at, ends_at, all_day, title, description, is_private) AS expected FROM bridge_items`,
  );
  const [done] = await db.query<{ answer: { reservationType: string; joined: boolean } }>(statement, [
    epoch,
    JSON.stringify(there!.expected),
    JSON.stringify(result(row, settled)),
    what,
    JSON.stringify(item),
  ]);
  const known = await db.query(`
    SELECT m.sync_status, m.present, m.agreement, m.booking_base, m.booking_seen, m.due_at IS NOT NULL AS due, m.revision,
      (SELECT bool_or(i.active) FROM bridge_items i) AS active,
      (SELECT jsonb_agg(ARRAY[l.action, l.reason] ORDER BY l.id) FROM bridge_log l) AS log
    FROM bridge_mappings m`);
  return { type: done!.answer.reservationType, joined: done!.answer.joined, known };
}

const cancelled = (version: Version) =>
  writtenBack(
    event(1),
    version,
    'cancel',
    {},
    {
      status: 'cancelled',
      agreement: 'never',
      bookingBase: null,
      outlookBase: null,
      bookingSeen: null,
      intent: null,
      action: 'booking-cancelled',
      written: [],
    },
  );

const changed = async (version: Version) => {
  const item = { title: 'Choir', ends_at: later };
  const settled = { status: 'synced', action: 'booking-updated', reason: 'endsAt', ...version.change };
  return await writtenBack(booking(1), version, 'change', item, settled);
};

test('a cancellation is written and settled by one statement', async () => {
  const { known } = await cancelled(thisVersion);
  assert.partialDeepStrictEqual(known[0], {
    sync_status: 'cancelled',
    present: false,
    agreement: 'never',
    booking_seen: null,
    active: false,
    log: [
      ['created', null],
      ['booking-cancelled', null],
    ],
  });
});

test('a change is agreed on but for what is not stored, which is due again', async () => {
  const { known } = await changed(thisVersion);
  const { booking_base: base, booking_seen: seen } = known[0] as Record<string, object>;
  const { title: _title, description: _description, ...agreed } = seen as Record<string, unknown>;
  assert.deepEqual(base, { ...agreed, allDay: true });
  assert.partialDeepStrictEqual(known[0], {
    agreement: 'partly',
    due: true,
    log: [
      ['created', null],
      ['booking-updated', 'endsAt; not possible here: title'],
    ],
  });
});

test('a daemon of the version before writes and settles as this one does', async () => {
  for (const before of [versionBefore, beforeByItself]) {
    assert.deepEqual(await cancelled(before), await cancelled(thisVersion));
    assert.deepEqual(await changed(before), await changed(thisVersion));
  }
});
