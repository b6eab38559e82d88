-- How Indico's own people book. What each part is given and answers: sql/README.md, "Checking an adapter".

-- rooms
VALUES (1), (2);

-- book
WITH t AS (
  -- a day ends at 23:59
  SELECT $2::timestamp AS from_, $3::timestamp - CASE WHEN $3::timestamp::time = '00:00' THEN interval '1 minute' ELSE '0' END AS to_),
r AS (
  INSERT INTO roombooking.reservations (created_dt, start_dt, end_dt, repeat_frequency, repeat_interval, booked_for_id, booked_for_name,
    created_by_id, room_id, state, booking_reason, end_notification_sent, internal_note)
  SELECT now() AT TIME ZONE 'UTC', from_, to_, 0, 0, 1, 'Kari Nordmann', 1, $1, 2, $4, false, '' FROM t RETURNING id, start_dt, end_dt)
INSERT INTO roombooking.reservation_occurrences (reservation_id, start_dt, end_dt, notification_sent, state)
SELECT id, start_dt, end_dt, false, 2 FROM r RETURNING 'booking' AS type, reservation_id AS id;

-- move
UPDATE roombooking.reservations SET start_dt = $2, end_dt = $3 WHERE id = $1;
DELETE FROM roombooking.reservation_occurrences WHERE reservation_id = $1;
INSERT INTO roombooking.reservation_occurrences (reservation_id, start_dt, end_dt, notification_sent, state) VALUES ($1, $2, $3, false, 2);

-- touch
UPDATE roombooking.reservations SET end_notification_sent = true, internal_note = 'Key at the desk' WHERE id = $1;
UPDATE roombooking.reservation_occurrences SET notification_sent = true WHERE reservation_id = $1;

-- cancel
UPDATE roombooking.reservations SET state = 3 WHERE id = $1;
UPDATE roombooking.reservation_occurrences SET state = 3 WHERE reservation_id = $1;

-- everything
SELECT (SELECT jsonb_agg(r ORDER BY r.id) FROM roombooking.reservations r) AS reservations,
       (SELECT jsonb_agg(o ORDER BY o.reservation_id, o.start_dt) FROM roombooking.reservation_occurrences o) AS dates,
       (SELECT jsonb_agg(l ORDER BY l.id) FROM roombooking.reservation_edit_logs l) AS logs;

-- lacks
VALUES ('is_private');

-- approval
UPDATE roombooking.rooms SET reservations_need_confirmation = true;
