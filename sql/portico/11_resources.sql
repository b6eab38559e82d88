-- For people at the command line, not for the sync: what can be booked, by name, so that rooms can be paired with
-- mailboxes (`mappings match`), and what a person should know about some reservations (`doctor`).
CREATE OR REPLACE VIEW public.bridge_resources AS
SELECT r.id AS resource_id,
       r.name::text AS name,
       (SELECT string_agg(b.name, ', ' ORDER BY b.name) FROM public.bb_building_resource br
        JOIN public.bb_building b ON b.id = br.building_id WHERE br.resource_id = r.id)::text AS building,
       r.active = 1 AS active
FROM public.bb_resource r;

COMMENT ON VIEW public.bridge_resources IS 'What can be booked, for outlook-booking-sync mappings match.';

-- An event with several dates is shown by its from_ and to_, and never changed from Outlook. A reservation that ends before it starts
-- is shown without a length.
CREATE OR REPLACE VIEW public.bridge_remarks AS
SELECT 'event'::text AS reservation_type,
       e.id::bigint AS reservation_id,
       format('it has %s dates; Outlook shows the one from %s, and a change of it in Outlook is a conflict', d.dates,
              to_char(e.from_, 'YYYY-MM-DD HH24:MI'))::text AS remark
FROM public.bb_event e
JOIN (SELECT event_id, count(*) AS dates FROM public.bb_event_date GROUP BY event_id HAVING count(*) > 1) d ON d.event_id = e.id
WHERE e.active = 1 AND e.to_ > now() AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone')
UNION ALL
SELECT b.reservation_type, b.reservation_id,
       format('it ends at %s, before it starts; Outlook shows it without a length at %s: correct its times',
              to_char(b.to_, 'YYYY-MM-DD HH24:MI'), to_char(b.from_, 'YYYY-MM-DD HH24:MI'))::text
FROM (SELECT 'event'::text AS reservation_type, id::bigint AS reservation_id, from_, to_, active FROM public.bb_event
      UNION ALL SELECT 'booking'::text, id::bigint, from_, to_, active FROM public.bb_booking
      UNION ALL SELECT 'allocation'::text, id::bigint, from_, to_, active FROM public.bb_allocation) b
WHERE b.active = 1 AND b.to_ < b.from_ AND b.from_ > now() AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone');

COMMENT ON VIEW public.bridge_remarks IS 'What a person should know about some reservations, for outlook-booking-sync doctor.';
