-- For people at the command line: what can be booked, by name, so that rooms can be paired with mailboxes
-- (`mappings match`). A room is called as in Indico: by the format of its location, and its own name behind it.
CREATE OR REPLACE VIEW public.bridge_resources AS
SELECT r.id AS resource_id,
       concat_ws(' - ', format(l.room_name_format, r.building, r.floor, r.number, r.site), r.verbose_name)::text AS name,
       l.name::text AS building,
       NOT r.is_deleted AND NOT l.is_deleted AS active
FROM roombooking.rooms r
JOIN roombooking.locations l ON l.id = r.location_id;

COMMENT ON VIEW public.bridge_resources IS 'What can be booked, for outlook-booking-sync mappings match.';
