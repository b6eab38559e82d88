-- The tables that bridge_items reads, and which reservations a row of each belongs to; sql/README.md, "30_watch.sql".
SET lock_timeout = '500ms';

SELECT public.bridge_watch_table('roombooking.reservation_occurrences', $$
  SELECT CASE r.repeat_frequency WHEN 0 THEN 'booking' ELSE 'occurrence' END,
    CASE r.repeat_frequency WHEN 0 THEN r.id ELSE changed.reservation_id * 100000000::bigint + extract(year FROM changed.start_dt)::integer * 10000
      + extract(month FROM changed.start_dt)::integer * 100 + extract(day FROM changed.start_dt)::integer END
  FROM roombooking.reservations r WHERE r.id = changed.reservation_id$$, '{end_dt,state}');
-- A reservation comes and goes with its dates. One that begins or ceases to repeat is noted as what it was and what it is.
SELECT public.bridge_watch_table('roombooking.reservations', $$
  SELECT CASE changed.repeat_frequency WHEN 0 THEN 'booking' ELSE 'occurrence' END,
    CASE changed.repeat_frequency WHEN 0 THEN changed.id ELSE o.reservation_id * 100000000::bigint + extract(year FROM o.start_dt)::integer * 10000
      + extract(month FROM o.start_dt)::integer * 100 + extract(day FROM o.start_dt)::integer END
  FROM roombooking.reservation_occurrences o WHERE o.reservation_id = changed.id$$,
  '{room_id,state,booking_reason,booked_for_name}', '{UPDATE}');

RESET lock_timeout;
