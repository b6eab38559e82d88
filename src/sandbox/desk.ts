/**
 * A clerk at the counter of the booking system: writes reservations straight into its tables, as PorticoEstate does,
 * in one transaction each. Times are local wall-clock texts ('2026-12-01 18:00'), as in the tables.
 */
import type pg from 'pg';
import type { Database } from '../database.ts';
import { inTransaction } from '../database.ts';

type Kind = 'event' | 'booking' | 'allocation';

/** A reservation as the tables know it. */
export interface Reservation {
  readonly type: Kind;
  readonly id: number;
}

export interface Wish {
  readonly title?: string;
  readonly description?: string;
  readonly from: string;
  readonly to: string;
  readonly isPublic?: boolean;
  /** Of a booking: its group (1-3 in the seed). Of an allocation: its organisation (1-2). */
  readonly of?: number;
}

export function createDesk(db: Database) {
  const one = async (client: pg.PoolClient, text: string, values: readonly unknown[]) =>
    (await client.query<{ id: number }>(text, [...values])).rows[0]!.id;

  /** Books an event in one room or several. */
  async function book(resources: number | readonly number[], wish: Wish): Promise<Reservation> {
    return inTransaction(db, async (client) => ({
      type: 'event',
      id: await insertEvent(client, resources, wish),
    }));
  }

  async function insertEvent(
    client: pg.PoolClient,
    resources: number | readonly number[],
    wish: Wish,
  ): Promise<number> {
    const id = await one(
      client,
      `INSERT INTO bb_event (activity_id, name, description, from_, to_, building_id, building_name, contact_name,
         contact_email, contact_phone, is_public, secret)
       VALUES (1, $1, $2, $3, $4, 10, 'Rådhuset', 'Kari Nordmann', 'kari@bergen.example', '55555555', $5, 'demo') RETURNING id`,
      [wish.title ?? 'Møte', wish.description ?? '', wish.from, wish.to, wish.isPublic === false ? 0 : 1],
    );
    await client.query('INSERT INTO bb_event_date (event_id, from_, to_) VALUES ($1, $2, $3)', [
      id,
      wish.from,
      wish.to,
    ]);
    await client.query('INSERT INTO bb_event_resource (event_id, resource_id) SELECT $1, unnest($2::int[])', [
      id,
      [resources].flat(),
    ]);
    return id;
  }

  /** Books a group's training or rehearsal. */
  async function bookGroup(resources: number | readonly number[], wish: Wish): Promise<Reservation> {
    return inTransaction(db, async (client) => {
      const id = await one(
        client,
        `INSERT INTO bb_booking (group_id, from_, to_, season_id, activity_id, secret) VALUES ($1, $2, $3, 1, 1, 'demo') RETURNING id`,
        [wish.of ?? 1, wish.from, wish.to],
      );
      await client.query(
        'INSERT INTO bb_booking_resource (booking_id, resource_id) SELECT $1, unnest($2::int[])',
        [id, [resources].flat()],
      );
      return { type: 'booking', id };
    });
  }

  /** Gives an organisation its time. */
  async function allocate(resources: number | readonly number[], wish: Wish): Promise<Reservation> {
    return inTransaction(db, async (client) => {
      const id = await one(
        client,
        `INSERT INTO bb_allocation (organization_id, from_, to_, season_id) VALUES ($1, $2, $3, 1) RETURNING id`,
        [wish.of ?? 1, wish.from, wish.to],
      );
      await client.query(
        'INSERT INTO bb_allocation_resource (allocation_id, resource_id) SELECT $1, unnest($2::int[])',
        [id, [resources].flat()],
      );
      return { type: 'allocation', id };
    });
  }

  /** Moves a reservation to other times; of an event with its date row. */
  async function move({ type, id }: Reservation, from: string, to: string): Promise<void> {
    await inTransaction(db, async (client) => {
      if (type === 'event')
        await client.query(
          `UPDATE bb_event_date d SET from_ = $2, to_ = $3 FROM bb_event e
           WHERE e.id = $1 AND d.event_id = e.id AND d.from_ = e.from_ AND d.to_ = e.to_`,
          [id, from, to],
        );
      await client.query(`UPDATE bb_${type} SET from_ = $2, to_ = $3 WHERE id = $1`, [id, from, to]);
    });
  }

  /** Gives a reservation other rooms. */
  async function moveTo({ type, id }: Reservation, resources: number | readonly number[]): Promise<void> {
    await inTransaction(db, async (client) => {
      const rooms = [resources].flat();
      await client.query(
        `DELETE FROM bb_${type}_resource WHERE ${type}_id = $1 AND resource_id <> ALL ($2)`,
        [id, rooms],
      );
      await client.query(
        `INSERT INTO bb_${type}_resource (${type}_id, resource_id) SELECT $1, unnest($2::int[]) ON CONFLICT DO NOTHING`,
        [id, rooms],
      );
    });
  }

  async function retitle({ id }: Reservation, title: string): Promise<void> {
    await db.query('UPDATE bb_event SET name = $2 WHERE id = $1', [id, title]);
  }

  async function describe({ id }: Reservation, description: string): Promise<void> {
    await db.query('UPDATE bb_event SET description = $2 WHERE id = $1', [id, description]);
  }

  async function cancel({ type, id }: Reservation): Promise<void> {
    await db.query(`UPDATE bb_${type} SET active = 0 WHERE id = $1`, [id]);
  }

  async function reenable({ type, id }: Reservation): Promise<void> {
    await db.query(`UPDATE bb_${type} SET active = 1 WHERE id = $1`, [id]);
  }

  /** Deletes the rows themselves. */
  async function erase({ type, id }: Reservation): Promise<void> {
    await inTransaction(db, async (client) => {
      await client.query(`DELETE FROM bb_${type}_resource WHERE ${type}_id = $1`, [id]);
      if (type === 'event') await client.query('DELETE FROM bb_event_date WHERE event_id = $1', [id]);
      await client.query(`DELETE FROM bb_${type} WHERE id = $1`, [id]);
    });
  }

  return { book, bookGroup, allocate, move, moveTo, retitle, describe, cancel, reenable, erase };
}
