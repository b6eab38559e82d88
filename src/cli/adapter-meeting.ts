/** The meeting with which the functions of an adapter are tested: a free slot for it, its values, and its rows in the view. */
import type pg from 'pg';
import type { Id } from '../id.ts';
import { findRow, queryRow, queryRows, queryValue } from '../query.ts';
import { importItem, undone } from './adapter-calls.ts';

export interface Key {
  readonly type: string;
  readonly id: Id;
}

export interface Named extends Key {
  /** As users refer to it: type and key or number. */
  readonly name: string;
}

/** A free time of a room; free are the hour before it and the time until an hour after `later`, too. */
export interface Slot {
  readonly resource: number;
  /** Another room that is free at the same time; null: none was found. */
  readonly other: number | null;
  readonly starts_at: string;
  /** 90 minutes after the start. */
  readonly ends_at: string;
  /** 30 minutes after the end. */
  readonly later: string;
}

export type Item = Readonly<Record<string, unknown>>;

/** A row of the view. */
export type Row = Readonly<Record<string, unknown>>;

/** SQL: type and key or number of a row `i` of the view, as users refer to a reservation. */
export const reservationName = `concat(coalesce(i.reservation_type, 'NULL'), '/', coalesce(to_jsonb(i) ->> 'reservation_key', i.reservation_id::text, 'NULL'))`;

/** Like `reservationName`, also if the view does not show it. */
export const nameOf = async (client: pg.Client, { type, id }: Key) =>
  await queryValue<string>(
    client,
    `SELECT concat($1::text, '/', coalesce((SELECT k.key FROM public.bridge_key k WHERE k.kind = $1 AND k.id = $2::bigint), $2::text))`,
    [type, id],
  );

/** An instant so many minutes later. */
export const minutes = (at: string, add: number) => new Date(Date.parse(at) + add * 60_000).toISOString();

export const itemIn = (slot: Slot): Item => ({
  starts_at: slot.starts_at,
  ends_at: slot.ends_at,
  all_day: false,
  title: 'Adapter check',
  description: 'Rolled back at once',
  organizer_name: 'Adapter check',
  organizer_email: 'adapter.check@example.org',
  is_private: true,
  resource_ids: [slot.resource],
});

/**
 * Of each known room the first workday within 90 days with a free slot at 10:00 local time, 90 minutes long; if possible one on
 * which another room is free as well.
 */
export async function freeSlots(client: pg.Client, timezone: string): Promise<readonly Slot[]> {
  const { rows: views } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_resources') IS NOT NULL AS there`,
  );
  return await queryRows<Slot>(
    client,
    `WITH rooms AS (
       (SELECT resource_id AS id, 1 AS rank FROM public.bridge_items WHERE resource_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 5)
       ${views[0]!.there ? 'UNION ALL (SELECT resource_id, 2 FROM public.bridge_resources WHERE active ORDER BY 1 LIMIT 5)' : ''}
     ), slots AS (
       SELECT (date_trunc('day', now() AT TIME ZONE $1) + make_interval(days => n, hours => 10)) AT TIME ZONE $1 AS at
       FROM generate_series(1, 90) n
     )
     SELECT resource, other, starts_at, ends_at, later FROM (SELECT DISTINCT ON (resource) * FROM (SELECT r.id AS resource, r.rank, s.at,
       (SELECT o.id FROM rooms o WHERE o.id <> r.id AND NOT EXISTS (
          SELECT FROM public.bridge_items i WHERE i.resource_id = o.id AND i.active
            AND i.starts_at < s.at + interval '3 hours' AND i.ends_at > s.at - interval '1 hour')
        ORDER BY o.rank, o.id LIMIT 1) AS other,
       to_json(s.at)#>>'{}' AS starts_at, to_json(s.at + interval '90 minutes')#>>'{}' AS ends_at,
       to_json(s.at + interval '2 hours')#>>'{}' AS later
     FROM rooms r CROSS JOIN slots s
     WHERE extract(isodow FROM s.at AT TIME ZONE $1) < 6 AND NOT EXISTS (
       SELECT FROM public.bridge_items i WHERE i.resource_id = r.id AND i.active
         AND i.starts_at < s.at + interval '3 hours' AND i.ends_at > s.at - interval '1 hour')
     ) free ORDER BY resource, other IS NULL, rank, at) first ORDER BY rank, resource`,
    [timezone],
  );
}

/** The first slot in whose room a meeting needs no approval, so that it takes the time at once; null: none. */
export async function withoutApproval(client: pg.Client, slots: readonly Slot[]): Promise<Slot | null> {
  for (const slot of slots) {
    const isTaken = await undone(client, async () => {
      const error = await importItem(client, itemIn(slot));
      return error === null && (await isActiveIn(client, itemIn(slot)));
    });
    if (isTaken) return slot;
  }
  return null;
}

/** Whether the view shows a reservation with the times of the item as active in its room. */
export async function isActiveIn(client: pg.Client, item: Item): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT FROM public.bridge_items i WHERE i.resource_id = ($1::jsonb -> 'resource_ids' ->> 0)::integer AND i.active
       AND i.starts_at = ($1::jsonb ->> 'starts_at')::timestamptz AND i.ends_at = ($1::jsonb ->> 'ends_at')::timestamptz`,
    [JSON.stringify(item)],
  );
  return rows.length > 0;
}

/** The row of a reservation, one of several if it has several rooms; empty: the view does not show it. */
export async function readRow(client: pg.Client, { type, id }: Key): Promise<Row> {
  const row = await findRow<{ item: Row }>(
    client,
    'SELECT to_jsonb(i) AS item FROM public.bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = $2 LIMIT 1',
    [type, id],
  );
  return row?.item ?? {};
}

/** The rooms in which the view shows the reservation as active. */
export async function roomsOf(client: pg.Client, { type, id }: Key): Promise<readonly number[]> {
  const { rooms } = await queryRow<{ rooms: readonly number[] }>(
    client,
    `SELECT ARRAY(SELECT DISTINCT i.resource_id FROM public.bridge_items i
       WHERE i.reservation_type = $1 AND i.reservation_id = $2 AND i.active ORDER BY 1) AS rooms`,
    [type, id],
  );
  return rooms;
}
