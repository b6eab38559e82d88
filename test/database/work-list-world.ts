/** Rooms 101 and 102 in a database of their own, and our functions as the daemon calls them. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { untilTrue } from '../support/until.ts';

/** Rooms 101 and 102, both compared with Outlook and with the booking system already, and nothing due. */
export async function open(): Promise<TestDatabase> {
  const db = await openTestDatabase({ schema: 'bridge' });
  await db.query(`INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id, outlook_item_name)
      VALUES (1, 101, 'a@x', 'A'), (2, 102, 'b@x', 'B')`);
  await rested(db);
  return db;
}

const rested = (db: TestDatabase) =>
  db.query('UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now(), push_due_at = NULL');

interface Slot {
  /** Hours of the day after tomorrow, local. */
  readonly from?: number;
  readonly to?: number;
  readonly room?: number;
}

export const at = (hour: number) =>
  `((now() AT TIME ZONE 'Europe/Oslo')::date + 2 + interval '${hour} hours')`;

export const event = (id: number, { from = 10, to = 11, room = 101 }: Slot = {}) => `
  INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (${id}, 1, 'Event ${id}', ${at(from)}, ${at(to)}, 'b', 'c', 'e', 'p', 's');
  INSERT INTO bb_event_resource (event_id, resource_id) VALUES (${id}, ${room});`;

export const booking = (id: number, { from = 10, to = 11, room = 101 }: Slot = {}) => `
  INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
  VALUES (${id}, 1, 1, 1, ${at(from)}, ${at(to)}, 's');
  INSERT INTO bb_booking_resource VALUES (${id}, ${room});`;

export const allocation = (id: number, { from = 10, to = 11, room = 101 }: Slot = {}) => `
  INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_) VALUES (${id}, 1, 1, ${at(from)}, ${at(to)});
  INSERT INTO bb_allocation_resource VALUES (${id}, ${room});`;

export const fold = async (db: TestDatabase, most = 1000) =>
  (await db.query<{ n: number }>('SELECT bridge_fold(7, 365, $1) AS n', [most]))[0]!.n;

interface Row {
  readonly id: number;
  readonly key: string;
  readonly due: boolean;
  readonly present: boolean;
  readonly status: string;
  readonly revision: number;
  readonly lane: number;
}

export const rows = (db: TestDatabase) =>
  db.query<
    Row & pg.QueryResultRow
  >(`SELECT id, reservation_type || ' ' || reservation_id || ' in ' || resource_id AS key,
      due_at IS NOT NULL AS due, present, sync_status AS status, revision, lane
    FROM bridge_mappings ORDER BY reservation_type, reservation_id, resource_id`);

export const due = async (db: TestDatabase) =>
  (await rows(db)).filter((row) => row.due).map((row) => row.key);

/** Marks everything as shown in Outlook as it is now, and what lies beneath as examined. */
export async function allSynced(db: TestDatabase): Promise<void> {
  await db.query(`UPDATE bridge_mappings m SET sync_status = 'synced', revision = revision + 1, sent_states = NULL,
      outlook_event_id = 'event-' || id,
      booking_seen = (SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
                      FROM bridge_items i WHERE (i.reservation_type, i.reservation_id, i.resource_id)
                        = (m.reservation_type, m.reservation_id, m.resource_id))`);
  await db.query('UPDATE bridge_mappings SET due_at = NULL, revision = revision + 1');
}

interface DueItem {
  readonly reservationType: string;
  readonly reservationId: number;
  readonly revision: number;
  readonly active: boolean | null;
  readonly inWindow: boolean | null;
  readonly covered: boolean;
  readonly coverConfirmed: boolean;
  readonly booking: { readonly title: string } | null;
}

export const dueItems = async (db: TestDatabase, room = 101, most = 100) =>
  (
    await db.query<{ d: DueItem }>(
      'SELECT d FROM bridge_window(7, 365) w, bridge_due_items($1, $2, w.opens, w.closes) d',
      [room, most],
    )
  ).map((row) => row.d);

interface Taken {
  readonly folded: number;
  readonly more: boolean;
  readonly stopped: readonly number[];
  readonly rooms: readonly {
    readonly id: number;
    readonly epoch: number;
    readonly due: readonly DueItem[];
    readonly pulls: boolean;
    readonly abandoned: boolean;
  }[];
}

interface Asked {
  readonly held?: readonly number[];
  readonly rooms?: number;
  readonly anyLane?: boolean;
  readonly askedOnly?: boolean;
  readonly changedFirst?: boolean;
}

export async function take(session: Pick<pg.ClientBase, 'query'>, asked: Asked = {}): Promise<Taken> {
  const { held = [], rooms = 10, anyLane = true, askedOnly = false, changedFirst = false } = asked;
  const { rows: answer } = await session.query<{ answer: Taken }>(
    `WITH lease AS MATERIALIZED (SELECT * FROM bridge_lease_one($1, $2, $3, 50, 7, 365, 1000, $4, $5, $6))
     SELECT answer FROM lease
     UNION ALL SELECT bridge_record_one($1, mapping_id, present_, priority, begins, ends, digest, state, since, places, room_id) FROM lease WHERE room_id IS NOT NULL`,
    [randomUUID(), held, rooms, anyLane, askedOnly, changedFirst],
  );
  return answer[0]!.answer;
}

export const result = (row: Row, more: object = {}) => ({
  id: row.id,
  revision: row.revision,
  status: 'synced',
  eventId: `event-${row.id}`,
  generation: 0,
  bookingBase: {},
  outlookBase: {},
  bookingSeen: {},
  attempt: 0,
  action: 'created',
  ...more,
});

export const settle = (db: TestDatabase, room: number, epoch: number, results: readonly object[]) =>
  db.query('SELECT bridge_settle($1, $2, $3) AS s', [room, epoch, JSON.stringify(results)]);

export const epochOf = async (db: TestDatabase, room: number) =>
  (
    await db.query<{ e: number }>(
      'SELECT lease_epoch AS e FROM bridge_room_state WHERE resource_mapping_id = $1',
      [room],
    )
  )[0]!.e;

/** Until a session of this database waits for a lock that the backend `holder` has. */
export async function untilWaiting(db: TestDatabase, holder: number): Promise<void> {
  await untilTrue(
    db,
    `EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND ${holder} = ANY (pg_blocking_pids(pid)))`,
  );
}
