-- For people at the command line: what can be booked, by name, so that rooms can be paired with mailboxes
-- (`mappings match`): users that own an event type. People do, too; they are simply not mapped.
CREATE OR REPLACE VIEW public.bridge_resources AS
SELECT u.id AS resource_id,
       coalesce(nullif(btrim(u.name), ''), u.username, 'User ' || u.id)::text AS name,
       NULL::text AS building,
       NOT u.locked AS active
FROM public.users u
WHERE EXISTS (SELECT FROM public."EventType" e WHERE e."userId" = u.id);

COMMENT ON VIEW public.bridge_resources IS 'What can be booked, for outlook-booking-sync mappings match.';

-- For `doctor`: a booking that ends before it starts is shown without a length.
CREATE OR REPLACE VIEW public.bridge_remarks AS
SELECT 'booking'::text AS reservation_type,
       b.id::bigint AS reservation_id,
       format('it ends at %s, before it starts; Outlook shows it without a length at %s: correct its times',
              to_char(b."endTime" AT TIME ZONE 'UTC' AT TIME ZONE z.value, 'YYYY-MM-DD HH24:MI'),
              to_char(b."startTime" AT TIME ZONE 'UTC' AT TIME ZONE z.value, 'YYYY-MM-DD HH24:MI'))::text AS remark
FROM public."Booking" b
CROSS JOIN (SELECT value FROM public.bridge_settings WHERE name = 'timezone') z
WHERE b."userId" IS NOT NULL AND b.status NOT IN ('cancelled', 'rejected') AND b."endTime" < b."startTime"
  AND b."startTime" > now() AT TIME ZONE 'UTC';

COMMENT ON VIEW public.bridge_remarks IS 'What a person should know about some reservations, for outlook-booking-sync doctor.';
