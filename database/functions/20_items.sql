-- The window in which both sides are kept equal: whole local days.
CREATE OR REPLACE FUNCTION bridge_window(past_days integer, future_days integer, OUT opens timestamptz, OUT closes timestamptz)
LANGUAGE plpgsql STABLE AS $window$
DECLARE
  zone constant text := coalesce((SELECT value FROM public.bridge_settings WHERE name = 'timezone'), 'UTC');
  today constant date := (now() AT TIME ZONE zone)::date;
BEGIN
  opens := (today - past_days)::timestamp AT TIME ZONE zone;
  closes := (today + future_days)::timestamp AT TIME ZONE zone;
END $window$;

-- Whether a time lies in that window, at least in part.
CREATE OR REPLACE FUNCTION bridge_is_in_window(begins timestamptz, ends timestamptz, past_days integer, future_days integer) RETURNS boolean
LANGUAGE sql STABLE AS $in$
  SELECT ends > w.opens AND begins < w.closes FROM bridge_window(past_days, future_days) w
$in$;

-- The state of an item in the booking system, as booking_base and booking_seen store it. It is compared as a whole.
CREATE OR REPLACE FUNCTION bridge_item_state(starts_at timestamptz, ends_at timestamptz, all_day boolean, title text,
  description text, is_private boolean) RETURNS jsonb LANGUAGE sql STABLE AS $state$
  SELECT jsonb_build_object(
    'startsAt', to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'endsAt', to_char(ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'allDay', coalesce(all_day, false), 'title', coalesce(title, ''), 'description', coalesce(description, ''),
    'isPrivate', coalesce(is_private, false))
$state$;

-- The active room of a resource. By a range and its order, so that a plan made while there were few rooms uses the index of the resource,
-- too: with the equality alone it reads all rooms. In SQL and without settings, so that it is inlined.
CREATE OR REPLACE FUNCTION bridge_active_room(resource integer) RETURNS SETOF bridge_resource_mappings LANGUAGE sql STABLE AS $room$
  SELECT o.* FROM bridge_resource_mappings o
  WHERE o.resource_id >= resource AND o.resource_id <= resource AND o.active = 1 ORDER BY o.resource_id LIMIT 1
$room$;
