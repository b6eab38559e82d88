-- The tables that bridge_items reads, and which reservations a row of each belongs to; sql/README.md, "30_watch.sql".
SET lock_timeout = '500ms';

SELECT public.bridge_watch_table('public."Booking"', $$SELECT 'booking', changed.id$$,
  '{userId,eventTypeId,title,description,startTime,endTime,status,fromReschedule}');
SELECT public.bridge_watch_table('public."Attendee"', $$SELECT 'booking', changed."bookingId"$$, '{name,email}');
-- An event type comes without bookings, and takes none with it.
SELECT public.bridge_watch_table('public."EventType"', $$SELECT 'booking', b.id FROM public."Booking" b WHERE b."eventTypeId" = changed.id$$,
  '{requiresConfirmationWillBlockSlot,hideCalendarNotes,hideCalendarEventDetails,beforeEventBuffer,afterEventBuffer,seatsPerTimeSlot}', '{UPDATE}');

RESET lock_timeout;
