/** What one row of the booking system, or a person's open transaction, cannot keep the others from. */
import { describe, expect, test } from 'vitest';
import { reconcileRoom, type LeasedRoom } from '../../../src/sync/store/work-list.ts';
import { untilTrue } from '../../support/until.ts';
import { spoil, spoilColumn } from '../failing-row.ts';
import {
  at,
  both,
  conflicts,
  heard,
  imported,
  open,
  other,
  room,
  shown,
  titles,
  type Rooms,
} from '../two-way-world.ts';

const book = (w: Rooms, title: string, hour: number, resource = 101) =>
  w.desk.book(resource, { title, from: w.day(3, `${hour}:00`), to: w.day(3, `${hour + 1}:00`) });
const unfolded = (w: Rooms) =>
  w.db.query('SELECT reservation_id AS id, code, attempt FROM bridge_unfolded ORDER BY 1');
const retry = (w: Rooms) => w.db.query('UPDATE bridge_unfolded SET retry_at = now()');

test('a row that cannot be read delays no other change; it is reported, and followed once it can be read', async () => {
  await using w = await open({}, both);
  const mend = await spoil(w);
  const bad = await book(w, 'bad', 10);
  await book(w, 'good', 12);
  await book(w, 'fine', 10, 102);
  await w.settle();
  expect([w.outlook.titles(room), w.outlook.titles(other)]).toEqual([['good'], ['fine']]);
  expect(await unfolded(w)).toEqual([{ id: bad.id, code: '22012', attempt: 1 }]);

  await mend();
  await retry(w);
  expect(await w.foldAgain()).toBe(true);
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['bad', 'good']);
  expect(await unfolded(w)).toEqual([]);
});

test('a row that fails again waits longer, and the takes in between do not read it', async () => {
  await using w = await open();
  await spoil(w);
  await book(w, 'bad', 10);
  await w.settle();
  await retry(w);
  expect([await w.foldAgain(), await w.foldAgain()]).toEqual([true, false]);
  expect(await unfolded(w)).toMatchObject([{ attempt: 2 }]);
});

test('a reservation in Outlook that can no longer be read is parked, and its event stays as it is', async () => {
  await using w = await open();
  const { reservation } = await shown(w);
  const mend = await spoil(w);
  await w.db.query(`UPDATE bb_event SET name = 'bad'`);
  await book(w, 'good', 12);
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'good']);
  expect(await w.mapping(reservation)).toMatchObject({
    sync_status: 'error',
    error_message: expect.stringContaining('division by zero (SQLSTATE 22012)'),
    hint: expect.stringContaining('bridge_items'),
  });

  await mend();
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['bad', 'good']);
});

describe.each(['starts_at', 'ends_at', 'active'] as const)('a row whose %s fails', (column) => {
  /** A reservation that was shown and fails now, and one that no trigger recorded. */
  async function openSpoiled() {
    const w = await open();
    const { reservation } = await shown(w);
    const mend = await spoilColumn(w, column);
    await w.db.query(`UPDATE bb_event SET name = 'bad'`);
    await w.settle();
    await unguarded(w, 'good', 12);
    await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    return { w, reservation, mend };
  }

  test('does not keep the others from being compared, and is compared once it can be read', async () => {
    const { w, reservation, mend } = await openSpoiled();
    await using _ = w;
    await w.settle();
    expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'good']);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'error' });
    await mend();
    await w.db.query('DELETE FROM bridge_unfolded');
    await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await w.settle();
    expect(w.outlook.titles(room).toSorted()).toEqual(['bad', 'good']);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced' });
  });

  test('does not keep the others from following a move in Outlook', async () => {
    const { w, mend } = await openSpoiled();
    await using _ = w;
    await w.settle();
    const good = w.outlook.in(room).find(({ item }) => item?.title === 'good')!;
    w.outlook.edit(good.id, { startsAt: at(3, '08:00'), endsAt: at(3, '09:00') });
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    await mend();
    const found = (await w.reserved()).map(({ item }) => [item.title, item.startsAt]);
    expect(found).toContainEqual(['good', at(3, '08:00')]);
  });
});

/** Books without triggers. */
async function unguarded(w: Rooms, title: string, hour: number): Promise<void> {
  await w.db.query(
    'ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_resource DISABLE TRIGGER USER',
  );
  await book(w, title, hour);
  await w.db.query(
    'ALTER TABLE bb_event ENABLE TRIGGER USER; ALTER TABLE bb_event_resource ENABLE TRIGGER USER',
  );
}

test.each(['both', 'booking_to_outlook', 'outlook_to_booking'])(
  'in a room of direction %s a comparison finds a row that can be read again',
  async (direction) => {
    await using w = await open();
    const { reservation } = await (direction === 'outlook_to_booking' ? imported(w) : shown(w));
    await w.db.query('UPDATE bridge_resource_mappings SET sync_direction = $1', [direction]);
    await w.settle();
    const mend = await spoil(w);
    await w.db.query(`UPDATE bb_event SET name = 'bad'`);
    await w.settle();
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'error' });

    await mend();
    await w.db.query('DELETE FROM bridge_unfolded');
    await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await w.settle();
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', error_message: null });
  },
);

test('a corrected row is tried soon, also if there is no time for it now', async () => {
  await using w = await open();
  await spoil(w, `CASE WHEN pg_sleep(0.3) IS NULL THEN '' ELSE title END`);
  const bad = await book(w, 'corrected', 10);
  await w.db
    .query(`INSERT INTO bridge_unfolded (reservation_type, reservation_id, changed_at, code, error_message, retry_at)
    VALUES ('event', ${bad.id}, now(), '22012', 'division by zero', now() + interval '5 minutes')`);
  await book(w, 'bad', 12); // is read for longer than the others have to wait
  await w.db.query('SELECT bridge_fold_each(7, 365, 1000)');
  expect(await w.db.query('SELECT retry_at <= now() AS now FROM bridge_unfolded')).toEqual([{ now: true }]);
});

test('a change that is folded separately leaves the rest of the outbox alone, and gets no errors of other changes', async () => {
  await using w = await open();
  await spoil(w);
  const good = await book(w, 'good', 10);
  await w.db.query('DELETE FROM bridge_changes');
  const bad = await book(w, 'bad', 12);
  const alone = (id: number) =>
    w.db.query(`SELECT bridge_fold_alone('event', $1, NULL, now(), 7, 365) AS folded`, [id]);
  const waiting = () =>
    w.db.query('SELECT ctid::text, xmin::text, xmax::text FROM bridge_changes ORDER BY 1');
  const before = await waiting();
  expect(await alone(good.id)).toEqual([{ folded: true }]);
  expect(await waiting()).toEqual(before);
  expect(await unfolded(w)).toEqual([]);
  expect(await w.db.query('SELECT DISTINCT reservation_id AS id FROM bridge_changes')).toEqual([
    { id: bad.id },
  ]);
  await w.settle();
  expect(w.outlook.titles(room)).toEqual(['good']);
  expect(await unfolded(w)).toMatchObject([{ id: bad.id }]);
});

test('a daemon of the previous version, which does not know unreadable rows, leaves the event as it is', async () => {
  await using w = await open();
  const { reservation } = await shown(w);
  const [{ known }] = (await w.db.query<{ known: string }>(
    `SELECT pg_get_functiondef('bridge_work_of'::regproc) AS known`,
  )) as [{ known: string }];
  const [told, never] = [`item -> 'unreadable'`, 'NULL'];
  expect(known).toContain(told);
  await w.db.query(known.replace(told, never));
  await spoil(w);
  await w.db.query(`UPDATE bb_event SET name = 'bad'`);
  await book(w, 'good', 12);
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'good']);
  expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', present: true });
  // and after a daemon of this version has parked it
  await w.db.query(known);
  const due = `UPDATE bridge_mappings SET due_at = now(), sync_status = 'pending', revision = revision + 1
      WHERE reservation_id = ${reservation.id};
    UPDATE bridge_room_state SET push_due_at = now()`;
  await w.db.query(due);
  await w.settle();
  expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'error' });
  await w.db.query(known.replace(told, never));
  await w.db.query(due);
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'good']);
});

test('a comparison of the room skips an unreadable row', async () => {
  await using w = await open();
  const { reservation } = await shown(w);
  await w.db.query(
    'ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_resource DISABLE TRIGGER USER',
  );
  await spoil(w);
  await w.db.query(`UPDATE bb_event SET name = 'bad'`);
  await book(w, 'good', 12);
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'good']);
  expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', present: true });
});

test('so does a comparison with a view that has the column replaces', async () => {
  await using w = await open();
  await shown(w);
  await spoil(
    w,
    `(1 / (length(title) - 3))::text`,
    `CASE title WHEN 'bad' THEN (1 / (length(title) - 3))::text END AS replaces`,
  );
  await w.db.query(
    'ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_resource DISABLE TRIGGER USER',
  );
  await w.db.query(`UPDATE bb_event SET name = 'bad'`);
  await book(w, 'good', 12);
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'good']);
});

/** Extends the view by `replaces`: a reservation with the title 'replaces event/1' does so. */
const byTitle = `CASE WHEN title LIKE 'replaces %' THEN substr(title, 10) END AS replaces`;

test('a reservation takes over the event of the one it replaces although another row fails', async () => {
  await using w = await open();
  const { reservation, event } = await shown(w);
  await spoil(w, `(1 / (length(title) - 3))::text`, byTitle);
  await w.db.query(
    'ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_resource DISABLE TRIGGER USER',
  );
  await book(w, 'bad', 10);
  await book(w, `replaces event/${reservation.id}`, 12);
  await w.db.query(`UPDATE bb_event SET active = 0 WHERE id = $1`, [reservation.id]);
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await w.settle();
  expect(w.outlook.in(room).map(({ id, item }) => [id, item?.title])).toEqual([
    [event.id, `replaces event/${reservation.id}`],
  ]);
});

test('a fold does not wait while a comparison reads', async () => {
  await using w = await open();
  await shown(w);
  await w.db.query(`CREATE FUNCTION wait_for_test() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_advisory_xact_lock_shared(CASE WHEN current_query() LIKE '%bridge_reconcile%' THEN 2 ELSE 1 END);
      RETURN NULL; END $$`);
  const isWaiting = (step: number) => `EXISTS (SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 0 AND objid = ${step} AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`;
  await spoil(w, 'title', `coalesce(wait_for_test(), CASE WHEN title = '' THEN title END) AS replaces`);
  const [{ view }] = (await w.db.query<{ view: string }>(
    `SELECT rtrim(pg_get_viewdef('bridge_items'), ';') AS view`,
  )) as [{ view: string }];
  await w.db.query(`CREATE OR REPLACE VIEW bridge_items AS
    SELECT reservation_type, reservation_id, resource_id, priority_level, active, starts_at, ends_at, all_day,
      coalesce(wait_for_test(), title) AS title, description, organizer_name, organizer_email, is_private, replaces
    FROM (${view}) items`);
  const [{ id, epoch }] = (await w.db.query(
    'SELECT resource_mapping_id AS id, lease_epoch AS epoch FROM bridge_room_state',
  )) as [{ id: number; epoch: number }];
  const person = await w.db.pool.connect();
  try {
    await person.query('SELECT pg_advisory_lock(1), pg_advisory_lock(2)');
    const compared = reconcileRoom(w.db.pool, { id, epoch, resourceId: 101 } as LeasedRoom, {
      pastDays: 7,
      futureDays: 365,
    });
    for (const step of [1, 2]) {
      await untilTrue(w.db, isWaiting(step));
      expect(await w.db.query('SELECT pg_try_advisory_xact_lock(7230912, 2) AS free')).toEqual([
        { free: true },
      ]);
      await person.query('SELECT pg_advisory_unlock($1)', [step]);
    }
    expect(await compared).toMatchObject({ added: 0, gone: 0 });
  } finally {
    person.release(true);
  }
});

test('a full scan skips an unreadable row, and a write-back of another row succeeds', async () => {
  await using w = await open();
  await spoil(w);
  await book(w, 'good', 10);
  await w.settle();
  await w.db.query(
    'ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_resource DISABLE TRIGGER USER',
  );
  const bad = await book(w, 'bad', 12);
  await w.db.query(
    'INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, starts_at, ends_at) SELECT $1, $2, 101, $3, $4, $5',
    [bad.type, bad.id, room, at(3, '11:00'), at(3, '12:00')],
  );
  await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
  const event = w.outlook.in(room)[0]!;
  w.outlook.edit(event.id, { endsAt: at(3, '11:30'), title: 'better' });
  await w.settle();
  expect((await w.db.query(`SELECT name FROM bb_event ORDER BY 1`)).map(({ name }) => name)).toEqual([
    'bad',
    'better',
  ]);
});

test('two rows of one reservation in one room count as one', async () => {
  await using w = await open();
  const [{ view }] = (await w.db.query<{ view: string }>(
    `SELECT rtrim(pg_get_viewdef('bridge_items'), ';') AS view`,
  )) as [{ view: string }];
  await w.db.query(`CREATE OR REPLACE VIEW bridge_items AS
    SELECT items.* FROM (${view}) items CROSS JOIN LATERAL generate_series(1, CASE title WHEN 'twice' THEN 2 ELSE 1 END)`);
  await book(w, 'twice', 10);
  await book(w, 'good', 12);
  await w.settle();
  expect((await titles(w)).outlook.toSorted()).toEqual(['good', 'twice']);
  expect(await unfolded(w)).toEqual([]);
});

test('an open transaction on a mapping delays only that mapping, and is named', async () => {
  await using w = await open({}, both);
  const { reservation } = await shown(w);
  const person = await w.db.pool.connect();
  try {
    await person.query(`SET application_name = 'DBeaver'; BEGIN; UPDATE bridge_mappings SET hint = 'mine'`);
    await w.db.query(`UPDATE bb_event SET name = 'Orchestra'`);
    await book(w, 'good', 12);
    await book(w, 'fine', 10, 102);
    await w.settle();
    expect([w.outlook.titles(room).toSorted(), w.outlook.titles(other)]).toEqual([
      ['Choir', 'good'],
      ['fine'],
    ]);
    expect(
      await w.db.query('SELECT reservation_id AS id, error_message AS why FROM bridge_unfolded'),
    ).toEqual([{ id: reservation.id, why: expect.stringContaining('DBeaver') }]);
    await person.query('COMMIT');
  } finally {
    person.release(true);
  }
  await retry(w);
  await w.foldAgain();
  await w.settle();
  expect(w.outlook.titles(room).toSorted()).toEqual(['Orchestra', 'good']);
});

test('an open transaction on a room delays only that room', async () => {
  await using w = await open({}, both);
  const person = await w.db.pool.connect();
  try {
    await person.query(
      `BEGIN; UPDATE bridge_resource_mappings SET outlook_item_name = 'Hall' WHERE resource_id = 101`,
    );
    await book(w, 'good', 12);
    await book(w, 'fine', 10, 102);
    await w.settle();
    expect([w.outlook.titles(room), w.outlook.titles(other)]).toEqual([[], ['fine']]);
    await person.query('COMMIT');
  } finally {
    person.release(true);
  }
  await retry(w);
  await w.foldAgain();
  await w.settle();
  expect(w.outlook.titles(room)).toEqual(['good']);
});

test('a write is settled after an open transaction on its mapping, and the others of its batch are settled before', async () => {
  await using w = await open();
  const { reservation } = await shown(w);
  const person = await w.db.pool.connect();
  const settling = `SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%bridge_settle%'`;
  try {
    w.outlook.meanwhile(async () => {
      await person.query('BEGIN');
      await person.query(`UPDATE bridge_mappings SET hint = 'mine' WHERE reservation_id = $1`, [
        reservation.id,
      ]);
    });
    await w.db.query(`UPDATE bb_event SET name = 'Orchestra'`);
    await book(w, 'good', 12);
    const worked = w.settle();
    await expect.poll(async () => (await w.db.query(settling)).length, { timeout: 20_000 }).toBe(1);
    await expect
      .poll(
        () => w.db.query(`SELECT sync_status FROM bridge_mappings WHERE reservation_id <> ${reservation.id}`),
        {
          timeout: 20_000,
        },
      )
      .toEqual([{ sync_status: 'synced' }]);
    await person.query('COMMIT');
    await worked;
  } finally {
    person.release(true);
  }
  expect(w.outlook.titles(room).toSorted()).toEqual(['Orchestra', 'good']);
  expect(await w.db.query('SELECT DISTINCT sync_status AS status FROM bridge_mappings')).toEqual([
    { status: 'synced' },
  ]);
});
