-- For people at the command line: what can be booked, by name, so that rooms can be paired with mailboxes
-- (`mappings match`). Rooms of areas that work with periods are left out, as in bridge_items.
CREATE OR REPLACE VIEW public.bridge_resources AS
SELECT r.id AS resource_id,
       r.room_name::text AS name,
       a.area_name::text AS building,
       r.disabled = 0 AND a.disabled = 0 AS active
FROM public.mrbs_room r
JOIN public.mrbs_area a ON a.id = r.area_id
WHERE coalesce(a.enable_periods, 0) = 0;

COMMENT ON VIEW public.bridge_resources IS 'What can be booked, for outlook-booking-sync mappings match.';
