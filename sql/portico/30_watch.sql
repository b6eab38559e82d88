-- The tables that bridge_items reads, and which reservations a row of each belongs to: `changed` is one row that was
-- written, before or after. The columns are those whose change counts, beside those that the query names. The triggers
-- are made from this, all alike, by bridge_watch_table (database/functions/12_watch.sql).
SET lock_timeout = '500ms';

SELECT public.bridge_watch_table('public.bb_event', $$SELECT 'event', changed.id$$,
  '{active,name,organizer,customer_organization_name,description,from_,to_,contact_name,contact_email,is_public}');
-- the view does not read its dates, but whether an event has several of them decides what Outlook may change
SELECT public.bridge_watch_table('public.bb_event_date', $$SELECT 'event', changed.event_id$$, '{from_,to_}');
SELECT public.bridge_watch_table('public.bb_event_resource', $$SELECT 'event', changed.event_id$$, '{resource_id}');

SELECT public.bridge_watch_table('public.bb_booking', $$SELECT 'booking', changed.id$$, '{active,from_,to_,group_id}');
SELECT public.bridge_watch_table('public.bb_booking_resource', $$SELECT 'booking', changed.booking_id$$, '{resource_id}');

SELECT public.bridge_watch_table('public.bb_allocation', $$SELECT 'allocation', changed.id$$, '{active,from_,to_,organization_id}');
SELECT public.bridge_watch_table('public.bb_allocation_resource', $$SELECT 'allocation', changed.allocation_id$$, '{resource_id}');

-- A group's bookings carry its name. No index leads from a group to its bookings, so those that ended more than a year ago
-- are left alone. A new group has no bookings yet, and one that has some cannot be deleted.
SELECT public.bridge_watch_table('public.bb_group',
  $$SELECT 'booking', b.id FROM public.bb_booking b
    WHERE b.group_id = changed.id AND b.to_ > now() - interval '1 year'$$,
  '{name,organization_id}', '{UPDATE,TRUNCATE}');
-- An organization's allocations carry its name, and its groups' bookings name it as organiser.
SELECT public.bridge_watch_table('public.bb_organization',
  $$SELECT 'allocation', a.id FROM public.bb_allocation a
    WHERE a.organization_id = changed.id AND a.to_ > now() - interval '1 year'
    UNION ALL
    SELECT 'booking', b.id FROM public.bb_group g JOIN public.bb_booking b ON b.group_id = g.id
    WHERE g.organization_id = changed.id AND b.to_ > now() - interval '1 year'$$,
  '{name,email}', '{UPDATE,TRUNCATE}');

RESET lock_timeout;
