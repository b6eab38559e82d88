-- What the bridge sees of Cal.com (https://cal.com, self-hosted): one row per booking, which has one host. The contract is
-- sql/README.md.
--
-- A room is a user of Cal.com that hosts event types: Cal.com keeps two bookings of one host apart, whatever their event
-- types, and so no room is booked twice. resource_id is the id of that user. Take the calendars of such a user out of Cal.com,
-- or each booking comes to Outlook twice.
-- Each date of a recurring booking is a booking of its own. A rescheduled one is cancelled and replaced by another. A request
-- that waits for confirmation is tentative if its event type lets it hold the time, and else not shown yet.
--
-- Times are UTC without saying so. The event type's buffers are shown as part of the event. Its switches to hide the details or
-- the notes from calendars are kept. Where several people share a time (seats), none of them is named.
-- The table is joined with itself so that a filter on reservation_id, a bigint, reaches the primary key, an integer.
CREATE OR REPLACE VIEW public.bridge_items AS
SELECT 'booking'::text AS reservation_type,
       k.id::bigint AS reservation_id,
       b."userId" AS resource_id,
       1::smallint AS priority_level,
       s.state IN ('active', 'tentative') AS active,
       b."startTime" AT TIME ZONE 'UTC' AS starts_at,
       greatest(b."startTime", b."endTime") AT TIME ZONE 'UTC' AS ends_at,
       (b."startTime" AT TIME ZONE 'UTC' AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone'))::time = '00:00'
         AND (b."endTime" AT TIME ZONE 'UTC' AT TIME ZONE (SELECT value FROM public.bridge_settings WHERE name = 'timezone'))::time = '00:00'
         AND b."endTime" - b."startTime" >= interval '23 hours' AS all_day, -- the day of the spring change has 23 hours
       coalesce(nullif(btrim(b.title), ''), 'Booking ' || b.id)::text AS title,
       CASE WHEN NOT coalesce(e."hideCalendarNotes", false) THEN b.description END AS description,
       a.name AS organizer_name,
       a.email AS organizer_email,
       coalesce(e."hideCalendarEventDetails", false) AS is_private,
       s.state,
       (SELECT 'booking/' || f.id FROM public."Booking" f WHERE f.uid = b."fromReschedule") AS replaces,
       (SELECT rtrim(value, '/') FROM public.bridge_settings WHERE name = 'booking_url') || '/booking/' || b.uid AS url,
       coalesce(e."beforeEventBuffer", 0) AS setup_minutes,
       coalesce(e."afterEventBuffer", 0) AS teardown_minutes
FROM public."Booking" k
JOIN public."Booking" b ON b.id = k.id::bigint AND k.id = ANY (ARRAY[b.id])
LEFT JOIN public."EventType" e ON e.id = b."eventTypeId"
LEFT JOIN LATERAL (
  SELECT p.name, p.email FROM public."Attendee" p WHERE p."bookingId" = b.id AND e."seatsPerTimeSlot" IS NULL ORDER BY p.id LIMIT 1) a ON true
CROSS JOIN LATERAL (
  SELECT CASE WHEN b.status = 'accepted' THEN 'active'
              WHEN b.status IN ('cancelled', 'rejected') THEN 'cancelled'
              WHEN e."requiresConfirmationWillBlockSlot" THEN 'tentative' ELSE 'awaiting' END AS state) s
WHERE b."userId" IS NOT NULL;

COMMENT ON VIEW public.bridge_items IS
  'What the bridge to Outlook sees of the bookings; contract in sql/README.md of outlook-booking-sync.';
