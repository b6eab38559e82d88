-- What the bridge sees of MRBS (https://mrbs.sourceforge.io): one row per entry, which has one room. The contract is
-- sql/README.md. Entries of areas that work with periods have no time of day and are left out; entries that await
-- approval are there, but not active. MRBS deletes what is cancelled, so such rows are simply gone.
--
-- Times are seconds since 1970, so the zone decides only whether an entry is a whole day. The table is joined with itself
-- because `reservation_id` is a bigint and `id` an integer: the first condition carries a filter on reservation_id over
-- to the primary key of e, the second leads from there to k.
CREATE OR REPLACE VIEW public.bridge_items AS
SELECT 'entry'::text AS reservation_type,
       k.id::bigint AS reservation_id,
       e.room_id AS resource_id,
       1::smallint AS priority_level,
       (e.status & 2) = 0 AS active,
       to_timestamp(e.start_time) AS starts_at,
       to_timestamp(greatest(e.start_time, e.end_time)) AS ends_at,
       (to_timestamp(e.start_time) AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone'))::time = '00:00'
         AND (to_timestamp(e.end_time) AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone'))::time = '00:00'
         AND e.end_time - e.start_time >= 82800 AS all_day, -- the day of the spring change has 23 hours
       coalesce(nullif(btrim(e.name), ''), 'Entry ' || e.id)::text AS title,
       e.description,
       e.create_by::text AS organizer_name,
       NULL::text AS organizer_email,
       (e.status & 1) = 1 AS is_private,
       CASE WHEN (e.status & 2) = 0 THEN 'active' ELSE 'awaiting' END AS state
FROM public.mrbs_entry k
JOIN public.mrbs_entry e ON e.id = k.id::bigint AND k.id = ANY (ARRAY[e.id])
JOIN public.mrbs_room r ON r.id = e.room_id
JOIN public.mrbs_area a ON a.id = r.area_id
WHERE coalesce(a.enable_periods, 0) = 0;

COMMENT ON VIEW public.bridge_items IS
  'What the bridge to Outlook sees of the bookings; contract in sql/README.md of outlook-booking-sync.';
