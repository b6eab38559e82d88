-- The tables that bridge_items reads, and which reservations a row of each belongs to; sql/README.md, "30_watch.sql".
SET lock_timeout = '500ms';

SELECT public.bridge_watch_table('public.mrbs_entry', $$SELECT 'entry', changed.id$$,
  '{room_id,start_time,end_time,name,description,create_by,status}');
-- A room moved to an area that works with periods takes its entries out of the view, and back; so does such an area
-- itself. That is rare, and without an id everything is compared. A new room or area has no entries.
SELECT public.bridge_watch_table('public.mrbs_room', $$SELECT 'entry', NULL$$, '{area_id}', '{UPDATE}');
SELECT public.bridge_watch_table('public.mrbs_area', $$SELECT 'entry', NULL$$, '{enable_periods}', '{UPDATE}');

RESET lock_timeout;
