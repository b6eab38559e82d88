-- What the bridge may do to Indico. The contract is sql/README.md. A reservation has one room, so a meeting in several rooms
-- is imported once per room. Of one date of a series only its hours and its cancellation are its own; room and reason
-- belong to the series, so they are left as they are.

-- The room of a list with one room in it; throws 22023 for any other.
CREATE OR REPLACE FUNCTION public.bridge_only_room(resource_ids jsonb) RETURNS integer LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $room$
BEGIN
  IF jsonb_typeof(resource_ids) IS DISTINCT FROM 'array' OR jsonb_array_length(resource_ids) <> 1 THEN
    RAISE EXCEPTION 'A reservation of Indico has one room, not %.', coalesce(resource_ids::text, 'none') USING ERRCODE = '22023';
  END IF;
  RETURN (resource_ids ->> 0)::integer;
END $room$;

-- Wall-clock times as Indico keeps them: within one day, which ends at 23:59. Throws 22023 for what cannot be.
CREATE OR REPLACE FUNCTION public.bridge_wall_times(starts_at timestamptz, ends_at timestamptz, OUT from_ timestamp, OUT to_ timestamp)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $times$
DECLARE
  zone constant text := (SELECT value FROM bridge_settings WHERE name = 'timezone');
BEGIN
  IF starts_at IS NULL OR ends_at IS NULL OR ends_at < starts_at THEN
    RAISE EXCEPTION 'A reservation needs a start and an end that is not before it.' USING ERRCODE = '22023';
  END IF;
  from_ := starts_at AT TIME ZONE zone;
  to_ := ends_at AT TIME ZONE zone;
  -- Outlook would be set to the shorter time, and the room would look free
  IF (to_ AT TIME ZONE zone) - (from_ AT TIME ZONE zone) < ends_at - starts_at THEN
    RAISE EXCEPTION 'The clock is put back during this event: in local time, which Indico stores, it would start at % and end at %, and be shorter. Give it a start or an end outside the repeated hour in Outlook.',
      to_char(from_, 'HH24:MI'), to_char(to_, 'HH24:MI') USING ERRCODE = '22023';
  END IF;
  IF to_::time = '00:00' AND to_ > from_ THEN
    to_ := to_ - interval '1 minute';
  END IF;
  IF to_::date <> from_::date THEN
    RAISE EXCEPTION 'A booking of Indico begins and ends on one day; this one goes from % to %. Book each day by itself.', from_, to_
      USING ERRCODE = '22023';
  END IF;
END $times$;

-- Throws 23P01 if another reservation than `own` has the room in this time. One that awaits approval does not have it.
CREATE OR REPLACE FUNCTION public.bridge_refuse_taken(room integer, from_ timestamp, to_ timestamp, own integer) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $taken$
BEGIN
  IF EXISTS (SELECT FROM roombooking.reservations q JOIN roombooking.reservation_occurrences o ON o.reservation_id = q.id
             WHERE q.room_id = room AND q.state <> 1 AND o.state = 2 AND q.id <> own AND o.start_dt < to_ AND o.end_dt > from_) THEN
    RAISE EXCEPTION 'The time is taken in room %.', room USING ERRCODE = '23P01';
  END IF;
END $taken$;

-- The date that is shown under type and id, locked. Throws P0002 if there is none.
CREATE OR REPLACE FUNCTION public.bridge_lock_date(type text, id bigint, OUT reservation integer, OUT start_dt timestamp, OUT end_dt timestamp,
  OUT state smallint) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $lock$
BEGIN
  IF type = 'booking' THEN
    SELECT r.id, o.start_dt, o.end_dt, o.state INTO reservation, start_dt, end_dt, state
    FROM roombooking.reservations r JOIN roombooking.reservation_occurrences o ON o.reservation_id = r.id
    WHERE r.id = $2 AND r.repeat_frequency = 0 FOR UPDATE;
  ELSIF type = 'occurrence' THEN
    SELECT r.id, o.start_dt, o.end_dt, o.state INTO reservation, start_dt, end_dt, state
    FROM roombooking.reservation_occurrences o JOIN roombooking.reservations r ON r.id = o.reservation_id
    WHERE o.reservation_id * 100000000::bigint + extract(year FROM o.start_dt)::integer * 10000
        + extract(month FROM o.start_dt)::integer * 100 + extract(day FROM o.start_dt)::integer = $2
      AND r.repeat_frequency <> 0 FOR UPDATE;
  END IF;
  IF reservation IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
END $lock$;

-- A line in the history of a reservation, as Indico writes one for each change.
CREATE OR REPLACE FUNCTION public.bridge_log_edit(reservation integer, line text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $log$
  INSERT INTO roombooking.reservation_edit_logs (timestamp, info, user_name, reservation_id)
  VALUES (now() AT TIME ZONE 'UTC', ARRAY[line], 'Outlook', reservation);
$log$;

-- Makes a reservation of an Outlook meeting; it waits for approval where the room asks for that. `overlap`: 'refuse' (the
-- default; error 23P01 when the room is taken) or 'allow'. It is booked for the organizer, if Indico knows the address.
CREATE OR REPLACE FUNCTION public.bridge_import_item(item jsonb, OUT reservation_type text, OUT reservation_id bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $import$
DECLARE
  room constant integer := bridge_only_room(item -> 'resource_ids');
  times constant record := bridge_wall_times((item ->> 'starts_at')::timestamptz, (item ->> 'ends_at')::timestamptz);
  title constant text := btrim(regexp_replace(coalesce(item ->> 'title', ''), '\s*\n\s*', ' ', 'g'));
  person record;
  made integer;
BEGIN
  SELECT u.id, u.first_name || ' ' || u.last_name AS name INTO person
  FROM users.emails e JOIN users.users u ON u.id = e.user_id
  WHERE e.email = lower(item ->> 'organizer_email') AND NOT e.is_user_deleted;
  IF person.id IS NULL THEN
    SELECT (value::integer) INTO person.id FROM bridge_settings WHERE name = 'default_user_id';
  END IF;
  IF NOT EXISTS (SELECT FROM roombooking.rooms r WHERE r.id = room) THEN
    RAISE EXCEPTION 'There is no room %.', room USING ERRCODE = '23503';
  END IF;
  INSERT INTO roombooking.reservations (created_dt, start_dt, end_dt, repeat_frequency, repeat_interval, booked_for_id, booked_for_name,
    created_by_id, room_id, state, booking_reason, end_notification_sent, internal_note)
  SELECT now() AT TIME ZONE 'UTC', times.from_, times.to_, 0, 0, person.id,
    coalesce(person.name, nullif(btrim(item ->> 'organizer_name'), ''), item ->> 'organizer_email', 'Outlook'),
    person.id, room, CASE WHEN r.reservations_need_confirmation THEN 1 ELSE 2 END,
    concat_ws(E'\n', coalesce(nullif(title, ''), 'Outlook'), nullif(item ->> 'description', '')), false, ''
  FROM roombooking.rooms r
  -- tested in the statement that writes, so that nothing comes between
  WHERE r.id = room AND (item ->> 'overlap' = 'allow' OR NOT EXISTS (
    SELECT FROM roombooking.reservations q JOIN roombooking.reservation_occurrences o ON o.reservation_id = q.id
    WHERE q.room_id = room AND q.state <> 1 AND o.state = 2 AND o.start_dt < times.to_ AND o.end_dt > times.from_))
  RETURNING id INTO made;
  IF made IS NULL THEN
    RAISE EXCEPTION 'The time is taken in room %.', room USING ERRCODE = '23P01';
  END IF;
  INSERT INTO roombooking.reservation_occurrences (reservation_id, start_dt, end_dt, notification_sent, state)
  VALUES (made, times.from_, times.to_, false, 2);
  reservation_type := 'booking';
  reservation_id := made;
END $import$;

-- Changes a date and returns the keys that it now shows as asked for. One of a series keeps its day: Indico knows it by that.
CREATE OR REPLACE FUNCTION public.bridge_change_item(type text, id bigint, change jsonb) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $change$
DECLARE
  was constant record := bridge_lock_date(type, id);
  shown record;
  times record;
  room integer;
  reason text;
BEGIN
  IF change = '{}' THEN
    RETURN '{}'; -- it is only to be locked
  END IF;
  SELECT i.starts_at, i.ends_at, i.resource_id, i.title, i.description INTO shown
  FROM bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = $2;
  times := bridge_wall_times(coalesce((change ->> 'starts_at')::timestamptz, shown.starts_at),
                             coalesce((change ->> 'ends_at')::timestamptz, shown.ends_at));
  room := CASE WHEN change ? 'resource_ids' THEN bridge_only_room(change -> 'resource_ids') ELSE shown.resource_id END;
  IF type = 'occurrence' THEN
    room := shown.resource_id;
    IF times.from_::date <> was.start_dt::date THEN
      SELECT was.start_dt AS from_, was.end_dt AS to_ INTO times;
    END IF;
  END IF;
  IF change ->> 'overlap' = 'refuse' THEN
    PERFORM bridge_refuse_taken(room, times.from_, times.to_, was.reservation);
  END IF;
  UPDATE roombooking.reservation_occurrences o SET start_dt = times.from_, end_dt = times.to_
  WHERE o.reservation_id = was.reservation AND o.start_dt = was.start_dt;
  IF type = 'booking' THEN
    reason := concat_ws(E'\n',
      CASE WHEN change ? 'title' THEN coalesce(nullif(btrim(regexp_replace(change ->> 'title', '\s*\n\s*', ' ', 'g')), ''), 'Outlook') ELSE shown.title END,
      CASE WHEN change ? 'description' THEN nullif(change ->> 'description', '') ELSE shown.description END);
    UPDATE roombooking.reservations r SET start_dt = times.from_, end_dt = times.to_, room_id = room,
      booking_reason = CASE WHEN change ?| ARRAY['title', 'description'] THEN reason ELSE r.booking_reason END
    WHERE r.id = was.reservation;
  END IF;
  PERFORM bridge_log_edit(was.reservation, 'Changed in Outlook');
  RETURN bridge_stored_keys(type, id, change);
END $change$;

-- Cancels a date, and the reservation with its last one. The note is its reason. False: it was cancelled already.
CREATE OR REPLACE FUNCTION public.bridge_cancel_item(type text, id bigint, note text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $cancel$
DECLARE
  was constant record := bridge_lock_date(type, id);
BEGIN
  IF was.state <> 2 THEN
    RETURN false;
  END IF;
  UPDATE roombooking.reservation_occurrences o SET state = 3, rejection_reason = nullif(note, '')
  WHERE o.reservation_id = was.reservation AND o.start_dt = was.start_dt;
  UPDATE roombooking.reservations r SET state = 3, rejection_reason = nullif(note, '')
  WHERE r.id = was.reservation AND r.state IN (1, 2)
    AND NOT EXISTS (SELECT FROM roombooking.reservation_occurrences o WHERE o.reservation_id = r.id AND o.state = 2);
  PERFORM bridge_log_edit(was.reservation, format('%s cancelled: %s', was.start_dt::date, note));
  RETURN true;
END $cancel$;

-- Makes a cancelled date valid again; a reservation that was cancelled waits for approval as an import does. False: it was; a rejected one stays so. 23P01: another one has its time by now.
CREATE OR REPLACE FUNCTION public.bridge_reenable_item(type text, id bigint, note text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $reenable$
DECLARE
  was constant record := bridge_lock_date(type, id);
BEGIN
  IF was.state <> 3 THEN
    RETURN false;
  END IF;
  PERFORM bridge_refuse_taken((SELECT r.room_id FROM roombooking.reservations r WHERE r.id = was.reservation), was.start_dt, was.end_dt, was.reservation);
  UPDATE roombooking.reservation_occurrences o SET state = 2, rejection_reason = NULL
  WHERE o.reservation_id = was.reservation AND o.start_dt = was.start_dt;
  UPDATE roombooking.reservations r SET rejection_reason = NULL, state = CASE WHEN m.reservations_need_confirmation THEN 1 ELSE 2 END
  FROM roombooking.rooms m WHERE r.id = was.reservation AND r.state = 3 AND m.id = r.room_id;
  PERFORM bridge_log_edit(was.reservation, format('%s enabled again in Outlook', was.start_dt::date));
  RETURN true;
END $reenable$;

REVOKE EXECUTE ON FUNCTION public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_reenable_item(text, bigint, text), public.bridge_only_room(jsonb),
  public.bridge_wall_times(timestamptz, timestamptz), public.bridge_refuse_taken(integer, timestamp, timestamp, integer),
  public.bridge_lock_date(text, bigint), public.bridge_log_edit(integer, text) FROM PUBLIC;
