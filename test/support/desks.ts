/** How each booking system's own people book: what an adapter's tests do without the bridge. */
import type { Schema, TestDatabase } from './database.ts';

interface Booked {
  readonly type: string;
  readonly id: number;
}

/** Times are wall-clock times of Europe/Oslo: '2027-05-01 10:00'. */
export interface Desk {
  readonly adapter: string;
  /** A database without the bridge, and one with it. */
  readonly bare: Schema;
  readonly installed: Schema;
  readonly rooms: readonly [number, number];
  book(db: TestDatabase, room: number, from: string, to: string, title: string): Promise<Booked>;
  move(db: TestDatabase, key: Booked, from: string, to: string): Promise<void>;
  /** Writes to the booking without changing anything the bridge shows. */
  touch(db: TestDatabase, key: Booked): Promise<void>;
  cancel(db: TestDatabase, key: Booked): Promise<void>;
  /** All data of the bookings. */
  everything(db: TestDatabase): Promise<unknown>;
}

const portico: Desk = {
  adapter: 'portico',
  bare: 'portico',
  installed: 'bridge',
  rooms: [101, 102],
  async book(db, room, from, to, title) {
    const [row] = await db.query<{ id: number }>(
      `WITH e AS (
         INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
         VALUES (1, $1, $2, $3, 'Rådhuset', 'Kari', 'kari@example.org', '', 's') RETURNING id, from_, to_),
       d AS (INSERT INTO bb_event_date (event_id, from_, to_) SELECT id, from_, to_ FROM e)
       INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, $4 FROM e RETURNING event_id AS id`,
      [title, from, to, room],
    );
    return { type: 'event', id: row!.id };
  },
  async move(db, { id }, from, to) {
    await db.query('UPDATE bb_event SET from_ = $2, to_ = $3 WHERE id = $1', [id, from, to]);
    await db.query('UPDATE bb_event_date SET from_ = $2, to_ = $3 WHERE event_id = $1', [id, from, to]);
  },
  async touch(db, { id }) {
    await db.query('UPDATE bb_event SET cost = cost + 1, name = name WHERE id = $1', [id]);
  },
  async cancel(db, { id }) {
    await db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [id]);
  },
  everything: (db) =>
    db.query(`SELECT (SELECT jsonb_agg(e ORDER BY e.id) FROM bb_event e) AS events,
                     (SELECT jsonb_agg(d ORDER BY d.id) FROM bb_event_date d) AS dates,
                     (SELECT jsonb_agg(r ORDER BY r.event_id, r.resource_id) FROM bb_event_resource r) AS rooms`),
};

const mrbs: Desk = {
  adapter: 'mrbs',
  bare: 'mrbs',
  installed: 'mrbs-bridge',
  rooms: [11, 12],
  async book(db, room, from, to, title) {
    const [row] = await db.query<{ id: number }>(
      `INSERT INTO mrbs_entry (room_id, start_time, end_time, name, create_by, modified_by)
       VALUES ($1, extract(epoch FROM $2::timestamp AT TIME ZONE 'Europe/Oslo'),
               extract(epoch FROM $3::timestamp AT TIME ZONE 'Europe/Oslo'), $4, 'kari', 'kari') RETURNING id`,
      [room, from, to, title],
    );
    return { type: 'entry', id: row!.id };
  },
  async move(db, { id }, from, to) {
    await db.query(
      `UPDATE mrbs_entry SET start_time = extract(epoch FROM $2::timestamp AT TIME ZONE 'Europe/Oslo'),
                             end_time = extract(epoch FROM $3::timestamp AT TIME ZONE 'Europe/Oslo') WHERE id = $1`,
      [id, from, to],
    );
  },
  async touch(db, { id }) {
    await db.query('UPDATE mrbs_entry SET reminded = 1, name = name WHERE id = $1', [id]);
  },
  async cancel(db, { id }) {
    await db.query('DELETE FROM mrbs_entry WHERE id = $1', [id]);
  },
  everything: (db) => db.query('SELECT * FROM mrbs_entry ORDER BY id'),
};

export const desks: readonly Desk[] = [portico, mrbs];
