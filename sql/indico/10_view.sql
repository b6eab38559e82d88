-- What the bridge sees of Indico's room booking (https://getindico.io, 3.3 and newer). The contract is sql/README.md.
--
-- A reservation of Indico has one room and one date or more, each a row of reservation_occurrences.
--   * `booking`: a reservation that does not repeat. Its id is that of the reservation, so it stays the same when it is moved.
--   * `occurrence`: one date of a series. Indico deletes and makes all dates anew when a series is edited, and knows them again
--     by their day; so does the id: reservation 4711 on 2027-05-03 is 471120270503 (15_indexes.sql leads from there to the row).
-- States are those of the date: 2 valid, 3 cancelled, 4 rejected; a valid one awaits approval while its reservation is
-- pending (1). Indico leaves the past dates of a cancelled series valid, so these stay in Outlook as well.
--
-- Times are wall-clock times of the server (DEFAULT_TIMEZONE in indico.conf), which BOOKING_TIMEZONE has to name. No date
-- passes midnight: Indico ends a day at 23:59, which is shown as midnight.
-- The first line of `booking_reason` is the title, what follows is the description. Internal notes are never shown.
-- Not shown: blockings and non-bookable periods, which are rules and no bookings.
CREATE OR REPLACE VIEW public.bridge_items AS
SELECT i.reservation_type,
       i.reservation_id,
       i.room_id AS resource_id,
       1::smallint AS priority_level,
       i.date_state = 2 AND i.state <> 1 AS active,
       i.start_dt AT TIME ZONE z.value AS starts_at,
       greatest(i.start_dt AT TIME ZONE z.value, i.end_dt AT TIME ZONE z.value) AS ends_at,
       i.start_dt::time = '00:00' AND i.end_dt::time = '00:00' AND i.end_dt > i.start_dt AS all_day,
       coalesce(nullif(btrim(split_part(i.booking_reason, E'\n', 1), E' \r\t'), ''), 'Booking ' || i.id)::text AS title,
       CASE WHEN strpos(i.booking_reason, E'\n') > 0
            THEN nullif(btrim(substr(i.booking_reason, strpos(i.booking_reason, E'\n') + 1), E' \r\n\t'), '') END AS description,
       i.booked_for_name::text AS organizer_name,
       NULL::text AS organizer_email,
       false AS is_private,
       CASE WHEN i.date_state <> 2 THEN 'cancelled' WHEN i.state = 1 THEN 'awaiting' ELSE 'active' END AS state,
       (SELECT rtrim(value, '/') FROM public.bridge_settings WHERE name = 'booking_url') || '/rooms/booking/' || i.id AS url
FROM (
  -- joined with itself so that a filter on reservation_id, a bigint, reaches the primary key, an integer
  SELECT 'booking'::text AS reservation_type, k.id::bigint AS reservation_id, r.id, r.room_id, r.state, r.booking_reason, r.booked_for_name,
    o.state AS date_state, o.start_dt, o.end_dt + CASE WHEN o.end_dt::time = '23:59' THEN interval '1 minute' ELSE '0' END AS end_dt
  FROM roombooking.reservations k
  JOIN roombooking.reservations r ON r.id = k.id::bigint AND k.id = ANY (ARRAY[r.id])
  JOIN roombooking.reservation_occurrences o ON o.reservation_id = r.id
  WHERE r.repeat_frequency = 0
  UNION ALL
  SELECT 'occurrence'::text, o.reservation_id * 100000000::bigint + extract(year FROM o.start_dt)::integer * 10000
      + extract(month FROM o.start_dt)::integer * 100 + extract(day FROM o.start_dt)::integer,
    r.id, r.room_id, r.state, r.booking_reason, r.booked_for_name,
    o.state, o.start_dt, o.end_dt + CASE WHEN o.end_dt::time = '23:59' THEN interval '1 minute' ELSE '0' END
  FROM roombooking.reservation_occurrences o
  JOIN roombooking.reservations r ON r.id = o.reservation_id
  WHERE r.repeat_frequency <> 0
) i
CROSS JOIN (SELECT (SELECT value FROM public.bridge_settings WHERE name = 'timezone') AS value OFFSET 0) z;

COMMENT ON VIEW public.bridge_items IS
  'What the bridge to Outlook sees of the bookings; contract in sql/README.md of outlook-booking-sync.';
