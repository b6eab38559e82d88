-- What the bridge sees of PorticoEstate's bookings: one row per (reservation, resource), cancelled ones included.
-- The contract is sql/README.md. Reads only; nothing of it leaves but these columns.
--
-- Times. from_ and to_ are wall-clock times of the municipality. They become instants with the zone that
-- `bridge_settings` holds under 'timezone' (the subquery depends on nothing, so it runs once per query; OFFSET 0 keeps it
-- from being begun once more for each column). They do so once, above the three kinds, because a query prepares what is written
-- for each kind even if it reads another one. PostgreSQL reads a wall time that the spring change skips as if the clock
-- had not been changed (02:30 is 03:30 summer time), and one that the autumn change repeats as the second of the two
-- (standard time). An end before its start, which the former can make of an honest row, is shown as an item of no length.
--
-- Joins. `reservation_id` is a bigint while the tables' ids are integers, and PostgreSQL does not look for a cast id in
-- an index. So each join is written twice: `e.id = r.event_id::bigint` carries a filter on reservation_id over to the
-- primary key of e, and `r.event_id = ANY (ARRAY[e.id])` leads from there to the primary key of r. Both say the same.
CREATE OR REPLACE VIEW public.bridge_items AS
SELECT i.reservation_type, i.reservation_id, i.resource_id, i.priority_level, i.active,
       i.from_ AT TIME ZONE z.value AS starts_at,
       greatest(i.from_ AT TIME ZONE z.value, i.to_ AT TIME ZONE z.value) AS ends_at,
       i.from_::time = '00:00' AND i.to_::time = '00:00' AND i.to_ >= i.from_ + interval '1 day' AS all_day,
       i.title, i.description, i.organizer_name, i.organizer_email, i.is_private
FROM (
  SELECT 'event'::text AS reservation_type, r.event_id::bigint AS reservation_id, r.resource_id, 1::smallint AS priority_level, e.active = 1 AS active,
         e.from_, e.to_,
         coalesce(nullif(btrim(e.name), ''), nullif(btrim(e.organizer), ''),
                  nullif(btrim(e.customer_organization_name), ''), 'Event ' || e.id)::text AS title,
         e.description,
         coalesce(nullif(btrim(e.organizer), ''), e.contact_name)::text AS organizer_name,
         e.contact_email::text AS organizer_email,
         e.is_public = 0 AS is_private
  FROM public.bb_event_resource r
  JOIN public.bb_event e ON e.id = r.event_id::bigint AND r.event_id = ANY (ARRAY[e.id])
  UNION ALL
  SELECT 'booking'::text, r.booking_id::bigint, r.resource_id, 2::smallint, b.active = 1,
         b.from_, b.to_,
         coalesce(nullif(btrim(g.name), ''), 'Booking ' || b.id)::text,
         NULL::text, o.name::text, o.email::text, false
  FROM public.bb_booking_resource r
  JOIN public.bb_booking b ON b.id = r.booking_id::bigint AND r.booking_id = ANY (ARRAY[b.id])
  LEFT JOIN public.bb_group g ON g.id = b.group_id
  LEFT JOIN public.bb_organization o ON o.id = g.organization_id
  UNION ALL
  SELECT 'allocation'::text, r.allocation_id::bigint, r.resource_id, 3::smallint, a.active = 1,
         a.from_, a.to_,
         coalesce(nullif(btrim(o.name), ''), 'Allocation ' || a.id)::text,
         NULL::text, o.name::text, o.email::text, false
  FROM public.bb_allocation_resource r
  JOIN public.bb_allocation a ON a.id = r.allocation_id::bigint AND r.allocation_id = ANY (ARRAY[a.id])
  LEFT JOIN public.bb_organization o ON o.id = a.organization_id) i
CROSS JOIN (SELECT (SELECT value FROM public.bridge_settings WHERE name = 'timezone') AS value OFFSET 0) z;

COMMENT ON VIEW public.bridge_items IS 'What the bridge to Outlook sees of the bookings; contract in sql/README.md of outlook-booking-sync.';
