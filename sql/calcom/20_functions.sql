-- What the bridge may do to Cal.com. The contract is sql/README.md. A booking has one host, so a meeting in several rooms is
-- imported once per room. Cal.com itself is not asked, so it sends no mail and starts no workflow for what is done here.

-- The room of a list with one room in it; throws 22023 for any other, 23503 if there is no such user.
CREATE OR REPLACE FUNCTION public.bridge_only_room(resource_ids jsonb) RETURNS integer LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp AS $room$
BEGIN
  IF jsonb_typeof(resource_ids) IS DISTINCT FROM 'array' OR jsonb_array_length(resource_ids) <> 1 THEN
    RAISE EXCEPTION 'A booking of Cal.com has one room, not %.', coalesce(resource_ids::text, 'none') USING ERRCODE = '22023';
  END IF;
  IF NOT EXISTS (SELECT FROM users u WHERE u.id = (resource_ids ->> 0)::integer) THEN
    RAISE EXCEPTION 'There is no user %.', resource_ids ->> 0 USING ERRCODE = '23503';
  END IF;
  RETURN (resource_ids ->> 0)::integer;
END $room$;

-- The event type under which a room is booked from Outlook: the one that `outlook_event_type` in bridge_settings names by its
-- slug, else the first that its booking page offers. NULL: it has none.
CREATE OR REPLACE FUNCTION public.bridge_event_type(room integer) RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $type$
  SELECT e.id FROM "EventType" e WHERE e."userId" = room
  ORDER BY e.slug IS NOT DISTINCT FROM (SELECT value FROM bridge_settings WHERE name = 'outlook_event_type') DESC, e.hidden, e.position DESC, e.id
  LIMIT 1;
$type$;

-- The status of a booking that is not confirmed yet.
CREATE OR REPLACE FUNCTION public.bridge_first_status(kind integer) RETURNS "BookingStatus" LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $status$
  SELECT CASE WHEN (SELECT e."requiresConfirmation" FROM "EventType" e WHERE e.id = kind) THEN 'pending' ELSE 'accepted' END::"BookingStatus"
$status$;

-- Whether another booking than `own` has the room in this time: one that is accepted, or a request that holds the time.
CREATE OR REPLACE FUNCTION public.bridge_is_taken(room integer, starts timestamp, ends timestamp, own integer) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $taken$
  SELECT EXISTS (
    SELECT FROM "Booking" o LEFT JOIN "EventType" e ON e.id = o."eventTypeId"
    WHERE o."userId" = room AND o.id <> own AND o."startTime" < ends AND o."endTime" > starts
      AND (o.status = 'accepted' OR o.status NOT IN ('cancelled', 'rejected') AND e."requiresConfirmationWillBlockSlot"));
$taken$;

-- Makes a booking of an Outlook meeting; it waits for confirmation where the event type asks for that. `overlap`: 'refuse'
-- (the default; error 23P01 when the room is taken) or 'allow'. The organizer becomes the attendee.
CREATE OR REPLACE FUNCTION public.bridge_import_item(item jsonb, OUT reservation_type text, OUT reservation_id bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $import$
DECLARE
  room constant integer := bridge_only_room(item -> 'resource_ids');
  starts constant timestamp := (item ->> 'starts_at')::timestamptz AT TIME ZONE 'UTC';
  ends constant timestamp := (item ->> 'ends_at')::timestamptz AT TIME ZONE 'UTC';
  kind constant integer := bridge_event_type(room);
  host constant text := (SELECT u.email FROM users u WHERE u.id = room);
  mail constant text := coalesce(nullif(item ->> 'organizer_email', ''), host);
  person constant text := coalesce(nullif(btrim(item ->> 'organizer_name'), ''), mail);
  made integer;
BEGIN
  IF starts IS NULL OR ends IS NULL OR ends < starts THEN
    RAISE EXCEPTION 'A booking needs a start and an end that is not before it.' USING ERRCODE = '22023';
  END IF;
  INSERT INTO "Booking" (uid, "userId", "userPrimaryEmail", "eventTypeId", title, description, responses, metadata, "startTime", "endTime",
    "updatedAt", status, "iCalUID")
  SELECT gen_random_uuid()::text, room, host, kind, coalesce(item ->> 'title', ''), item ->> 'description',
    jsonb_build_object('name', person, 'email', mail), '{}', starts, ends, now() AT TIME ZONE 'UTC',
    bridge_first_status(kind),
    coalesce(item ->> 'ical_uid', '')
  -- tested in the statement that writes, so that nothing comes between
  WHERE item ->> 'overlap' = 'allow' OR NOT bridge_is_taken(room, starts, ends, 0)
  RETURNING id INTO made;
  IF made IS NULL THEN
    RAISE EXCEPTION 'The time is taken in room %.', room USING ERRCODE = '23P01';
  END IF;
  INSERT INTO "Attendee" (email, name, "timeZone", "bookingId")
  VALUES (mail, person, (SELECT value FROM bridge_settings WHERE name = 'timezone'), made);
  reservation_type := 'booking';
  reservation_id := made;
END $import$;

-- Changes a booking and returns the keys that it now shows as asked for.
CREATE OR REPLACE FUNCTION public.bridge_change_item(type text, id bigint, change jsonb) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $change$
DECLARE
  was record;
  starts timestamp;
  ends timestamp;
  room integer;
BEGIN
  SELECT b.id, b."userId", b."startTime", b."endTime" INTO was FROM "Booking" b WHERE b.id = $2 AND $1 = 'booking' FOR UPDATE;
  IF was.id IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
  IF change = '{}' THEN
    RETURN '{}'; -- it is only to be locked
  END IF;
  starts := coalesce((change ->> 'starts_at')::timestamptz AT TIME ZONE 'UTC', was."startTime");
  ends := coalesce((change ->> 'ends_at')::timestamptz AT TIME ZONE 'UTC', was."endTime");
  room := CASE WHEN change ? 'resource_ids' THEN bridge_only_room(change -> 'resource_ids') ELSE was."userId" END;
  IF ends < starts THEN
    RAISE EXCEPTION '% % would end before it starts.', type, id USING ERRCODE = '22023';
  END IF;
  IF change ->> 'overlap' = 'refuse' AND bridge_is_taken(room, starts, ends, was.id) THEN
    RAISE EXCEPTION 'The time is taken in room %.', room USING ERRCODE = '23P01';
  END IF;
  UPDATE "Booking" b SET "startTime" = starts, "endTime" = ends, "userId" = room,
    "eventTypeId" = CASE WHEN room = b."userId" THEN b."eventTypeId" ELSE bridge_event_type(room) END,
    title = CASE WHEN change ? 'title' THEN coalesce(change ->> 'title', '') ELSE b.title END,
    -- notes that are hidden were not seen by who wrote another text
    description = CASE WHEN change ? 'description'
        AND NOT EXISTS (SELECT FROM "EventType" e WHERE e.id = b."eventTypeId" AND e."hideCalendarNotes")
      THEN change ->> 'description' ELSE b.description END,
    -- made by Cal.com of host and times: it would refuse the time that is free now
    "idempotencyKey" = CASE WHEN (starts, ends, room) = (b."startTime", b."endTime", b."userId") THEN b."idempotencyKey" END,
    "iCalSequence" = b."iCalSequence" + 1, "updatedAt" = now() AT TIME ZONE 'UTC'
  WHERE b.id = was.id;
  RETURN bridge_stored_keys(type, id, change);
END $change$;

-- Cancels a booking; the note is its reason. False: it was cancelled or rejected already.
CREATE OR REPLACE FUNCTION public.bridge_cancel_item(type text, id bigint, note text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $cancel$
DECLARE
  was record;
BEGIN
  SELECT b.id, b.status INTO was FROM "Booking" b WHERE b.id = $2 AND $1 = 'booking' FOR UPDATE;
  IF was.id IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
  UPDATE "Booking" b SET status = 'cancelled', "cancellationReason" = note, "idempotencyKey" = NULL, "updatedAt" = now() AT TIME ZONE 'UTC'
  WHERE b.id = was.id AND b.status NOT IN ('cancelled', 'rejected');
  RETURN FOUND;
END $cancel$;

-- Enables a cancelled booking again; it waits for confirmation as an import does. False: it was not cancelled, or another one replaces it. 23P01: the time is taken by now.
CREATE OR REPLACE FUNCTION public.bridge_reenable_item(type text, id bigint, note text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $reenable$
DECLARE
  was record;
BEGIN
  SELECT b.id, b."userId", b."startTime", b."endTime", b.status, b.rescheduled INTO was
  FROM "Booking" b WHERE b.id = $2 AND $1 = 'booking' FOR UPDATE;
  IF was.id IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
  IF was.status <> 'cancelled' OR was.rescheduled THEN
    RETURN false;
  END IF;
  IF bridge_is_taken(was."userId", was."startTime", was."endTime", was.id) THEN
    RAISE EXCEPTION 'The time is taken in room %.', was."userId" USING ERRCODE = '23P01';
  END IF;
  UPDATE "Booking" b SET "cancellationReason" = NULL, "updatedAt" = now() AT TIME ZONE 'UTC',
    status = bridge_first_status(b."eventTypeId") WHERE b.id = was.id;
  RETURN true;
END $reenable$;

REVOKE EXECUTE ON FUNCTION public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_reenable_item(text, bigint, text), public.bridge_only_room(jsonb),
  public.bridge_event_type(integer), public.bridge_first_status(integer), public.bridge_is_taken(integer, timestamp, timestamp, integer) FROM PUBLIC;
