/**
 * Writes reservations directly into the tables of the booking system, as PorticoEstate does,
 * in one transaction each. Times are local wall-clock texts ('2026-12-01 18:00'), as in the tables.
 */
import type pg from 'pg';
import type { Database } from '../database.ts';
import { inTransaction } from '../database.ts';

type Kind = 'event' | 'booking' | 'allocation';

/** A reservation by its table and id. */
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
  /** The group of a booking (1-3 in the seed), or the organisation of an allocation (1-2). */
  readonly of?: number;
}

type Resources = number | readonly number[];

export function createDesk(db: Database) {
  /** Books an event in one room or several. */
  const book = (resources: Resources, wish: Wish): Promise<Reservation> =>
    inTransaction(db, (client) => insertEvent(client, resources, wish));

  /** Books a group's training or rehearsal. */
  const bookGroup = (resources: Resources, { of = 1, from, to }: Wish): Promise<Reservation> =>
    inTransaction(db, (client) =>
      insert(client, 'booking', resources, {
        text: `INSERT INTO bb_booking (group_id, from_, to_, season_id, activity_id, secret) VALUES ($1, $2, $3, 1, 1, 'demo')`,
        values: [of, from, to],
      }),
    );

  /** Allocates a time to an organisation. */
  const allocate = (resources: Resources, { of = 1, from, to }: Wish): Promise<Reservation> =>
    inTransaction(db, (client) =>
      insert(client, 'allocation', resources, {
        text: 'INSERT INTO bb_allocation (organization_id, from_, to_, season_id) VALUES ($1, $2, $3, 1)',
        values: [of, from, to],
      }),
    );

  /** Changes the times of a reservation, with the date row of an event. */
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

  /** Replaces the rooms of a reservation. */
  async function moveTo({ type, id }: Reservation, resources: Resources): Promise<void> {
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

  /** Deletes the rows. */
  async function erase({ type, id }: Reservation): Promise<void> {
    await inTransaction(db, async (client) => {
      await client.query(`DELETE FROM bb_${type}_resource WHERE ${type}_id = $1`, [id]);
      if (type === 'event') await client.query('DELETE FROM bb_event_date WHERE event_id = $1', [id]);
      await client.query(`DELETE FROM bb_${type} WHERE id = $1`, [id]);
    });
  }

  return { book, bookGroup, allocate, move, moveTo, retitle, describe, cancel, reenable, erase };
}

/** Inserts a reservation and its rooms. */
async function insert<Type extends Kind>(
  client: pg.PoolClient,
  type: Type,
  resources: Resources,
  { text, values }: { readonly text: string; readonly values: readonly unknown[] },
): Promise<{ readonly type: Type; readonly id: number }> {
  const { rows } = await client.query<{ id: number }>(`${text} RETURNING id`, [...values]);
  const { id } = rows[0]!;
  await client.query(
    `INSERT INTO bb_${type}_resource (${type}_id, resource_id) SELECT $1, unnest($2::int[])`,
    [id, [resources].flat()],
  );
  return { type, id };
}

async function insertEvent(client: pg.PoolClient, resources: Resources, wish: Wish): Promise<Reservation> {
  const { title = 'Møte', description = '', from, to, isPublic = true } = wish;
  const event = await insert(client, 'event', resources, {
    text: `INSERT INTO bb_event (activity_id, name, description, from_, to_, building_id, building_name, contact_name,
        contact_email, contact_phone, is_public, secret)
      VALUES (1, $1, $2, $3, $4, 10, 'Rådhuset', 'Kari Nordmann', 'kari@bergen.example', '55555555', $5, 'demo')`,
    values: [title, description, from, to, isPublic ? 1 : 0],
  });
  await client.query('INSERT INTO bb_event_date (event_id, from_, to_) VALUES ($1, $2, $3)', [
    event.id,
    from,
    to,
  ]);
  return event;
}
