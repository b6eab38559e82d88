-- Optional: PorticoEstate has no index that leads from a room to its bookings. bridge_index makes one if our role owns
-- the table, and says what a DBA may run if it does not.
SET lock_timeout = '500ms';
SELECT public.bridge_index('public.bb_event_resource', 'resource_id');
SELECT public.bridge_index('public.bb_booking_resource', 'resource_id');
SELECT public.bridge_index('public.bb_allocation_resource', 'resource_id');
RESET lock_timeout;
