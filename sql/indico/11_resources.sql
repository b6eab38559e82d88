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

-- For `doctor`: a date that ends before it starts is shown without a length.
CREATE OR REPLACE VIEW public.bridge_remarks AS
SELECT CASE WHEN r.repeat_frequency = 0 THEN 'booking' ELSE 'occurrence' END AS reservation_type,
       -- the id as in bridge_items
       CASE WHEN r.repeat_frequency = 0 THEN r.id::bigint
            ELSE r.id * 100000000::bigint + to_char(o.start_dt, 'YYYYMMDD')::bigint END AS reservation_id,
       format('it ends at %s, before it starts; Outlook shows it without a length at %s: correct its times',
              to_char(o.end_dt, 'YYYY-MM-DD HH24:MI'), to_char(o.start_dt, 'YYYY-MM-DD HH24:MI'))::text AS remark
FROM roombooking.reservation_occurrences o
JOIN roombooking.reservations r ON r.id = o.reservation_id
WHERE o.state = 2 AND o.end_dt < o.start_dt AND o.start_dt > now() AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone');

COMMENT ON VIEW public.bridge_remarks IS 'What a person should know about some reservations, for outlook-booking-sync doctor.';
