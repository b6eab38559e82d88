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

-- For `doctor`: an entry that ends before it starts is shown without a length.
CREATE OR REPLACE VIEW public.bridge_remarks AS
SELECT 'entry'::text AS reservation_type,
       e.id::bigint AS reservation_id,
       format('it ends at %s, before it starts; Outlook shows it without a length at %s: correct its times',
              to_char(to_timestamp(e.end_time) AT TIME ZONE z.value, 'YYYY-MM-DD HH24:MI'),
              to_char(to_timestamp(e.start_time) AT TIME ZONE z.value, 'YYYY-MM-DD HH24:MI'))::text AS remark
FROM public.mrbs_entry e
JOIN public.mrbs_room r ON r.id = e.room_id
JOIN public.mrbs_area a ON a.id = r.area_id
CROSS JOIN (SELECT value FROM public.bridge_settings WHERE name = 'timezone') z
WHERE e.end_time < e.start_time AND e.start_time > extract(epoch FROM now()) AND coalesce(a.enable_periods, 0) = 0;

COMMENT ON VIEW public.bridge_remarks IS 'What a person should know about some reservations, for outlook-booking-sync doctor.';
