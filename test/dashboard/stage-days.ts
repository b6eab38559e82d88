/** What fills the page as a day of work would: many rooms, and a log of yesterday and today. */
import type { TestDatabase } from '../support/database.ts';

/** Rooms that are only looked at: paused, so that Outlook is not asked for their mailboxes. */
export const addPausedRooms = (db: TestDatabase, count: number) =>
  db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active)
     SELECT 10000 + n, 'room-' || n || '@bergen.example', 'Grupperom ' || n, 0 FROM generate_series(1, $1) n`,
    [count],
  );

/** A day's changes in both directions, the busiest at noon. */
export const addDay = (db: TestDatabase) =>
  db.query(`
    INSERT INTO bridge_log (at, resource_id, reservation_type, reservation_id, action, latency_ms, call_ms)
    SELECT now() - (1440 - m) * interval '1 minute', CASE WHEN k % 2 = 0 THEN 101 ELSE 102 END, 'event', 500 + m,
      (CASE k % 5 WHEN 0 THEN '{imported,booking-updated}' ELSE '{created,updated,deleted}' END::text[])[1 + m % 2],
      (CASE k % 5 WHEN 0 THEN 420 ELSE 70 END) * exp(0.5 * sin(m * 12.9898 + k * 78.233) + 0.35 * sin(m / 95.0))
        * CASE WHEN m BETWEEN 700 AND 745 THEN 6 ELSE 1 END, 50
    FROM generate_series(0, 1439) m, generate_series(0, 9) k
    WHERE abs(sin(m * 0.37 + k * 1.7)) < 0.012 + 0.12 * exp(-power((m - 760) / 260.0, 2))
    ORDER BY m`);

/** Says whose changes those of the day were, so that they have titles. */
export const nameDay = (db: TestDatabase) =>
  db.query(`
    UPDATE bridge_log l SET mapping_id = m.id, resource_id = m.resource_id, reservation_type = m.reservation_type,
      reservation_id = m.reservation_id
    FROM (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS n FROM bridge_mappings) m
    WHERE l.mapping_id IS NULL AND l.id * 7 % m.n = m.place`);

/** What a municipality meets about. */
export const meetings = [
  'Formannskapet',
  'Budsjettmøte',
  'Byggesaksutvalget',
  'Kulturutvalget',
  'Ungdomsrådet',
  'Volleyball damer',
  'Korøvelse',
  'Eldrerådet',
  'Ledermøte',
  'Introduksjonskurs',
  'Bystyrekomité for helse',
  'Styremøte Bergen Idrettslag',
];
