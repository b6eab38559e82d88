-- What the bridge may do to PorticoEstate's bookings. The contract is sql/README.md; the keys of the jsonb are the
-- names of the view bridge_items, an absent key means "unchanged". Each call is one transaction: all of it or nothing.
-- They run with the rights of the caller, the bridge's own role.

-- A wall-clock time of the municipality from an instant.
CREATE OR REPLACE FUNCTION public.bridge_local_time(at text) RETURNS timestamp LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $local$
  SELECT at::timestamptz AT TIME ZONE (SELECT value FROM bridge_settings WHERE name = 'timezone')
$local$;

-- Refuses times between which the clock is put back if they are closer together on the wall clock, or even in reverse order: Outlook
-- would be set to the shorter time, and the room would look free. `asked`: the keys of the caller.
CREATE OR REPLACE FUNCTION public.bridge_refuse_clock_change(starts timestamp, ends timestamp, asked jsonb) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp AS $clock$
DECLARE
  zone constant text := (SELECT value FROM bridge_settings WHERE name = 'timezone');
  lasts constant interval := coalesce((asked ->> 'ends_at')::timestamptz, ends AT TIME ZONE zone)
    - coalesce((asked ->> 'starts_at')::timestamptz, starts AT TIME ZONE zone);
BEGIN
  IF lasts >= interval '0' AND (ends AT TIME ZONE zone) - (starts AT TIME ZONE zone) < lasts THEN
    RAISE EXCEPTION 'The clock is put back during this event: in local time, which the booking system stores, it would start at % and end at %, and be shorter. Give it a start or an end outside the repeated hour in Outlook.',
      to_char(starts, 'HH24:MI'), to_char(ends, 'HH24:MI') USING ERRCODE = '22023';
  END IF;
END $clock$;

-- Where an imported event belongs: a default of bridge_settings if there is one, else what the room itself says.
CREATE OR REPLACE FUNCTION public.bridge_import_place(room integer, OUT activity integer, OUT building integer,
  OUT building_name text, OUT agegroup integer, OUT audience integer) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp AS $place$
DECLARE
  chosen constant jsonb := (SELECT jsonb_object_agg(name, value) FROM bridge_settings WHERE name LIKE 'default\_%');
BEGIN
  WITH RECURSIVE above AS (
    SELECT a.id, a.parent_id, 0 AS depth FROM bb_activity a JOIN bb_resource r ON r.activity_id = a.id WHERE r.id = room
    UNION ALL
    SELECT a.id, a.parent_id, above.depth + 1 FROM bb_activity a JOIN above ON a.id = above.parent_id WHERE above.depth < 20
  )
  SELECT coalesce((chosen ->> 'default_activity_id')::integer, (SELECT id FROM above ORDER BY depth DESC LIMIT 1))
  INTO activity;
  SELECT b.id, b.name INTO building, building_name
  FROM bb_building b LEFT JOIN bb_building_resource br ON br.building_id = b.id AND br.resource_id = room
  WHERE br.resource_id IS NOT NULL OR b.id = (chosen ->> 'default_building_id')::integer
  ORDER BY br.resource_id IS NULL, b.id LIMIT 1;
  agegroup := coalesce((chosen ->> 'default_agegroup_id')::integer,
    (SELECT g.id FROM bb_agegroup g WHERE g.activity_id = activity AND g.active = 1 ORDER BY g.sort, g.id LIMIT 1));
  audience := coalesce((chosen ->> 'default_targetaudience_id')::integer,
    (SELECT t.id FROM bb_targetaudience t WHERE t.activity_id = activity AND t.active = 1 ORDER BY t.sort, t.id LIMIT 1));
END $place$;

-- Makes an event of an Outlook meeting. `overlap`: 'refuse' (the default; error 23P01 when a room is taken) or 'allow'.
CREATE OR REPLACE FUNCTION public.bridge_import_item(item jsonb, OUT reservation_type text, OUT reservation_id bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $import$
DECLARE
  rooms constant integer[] := ARRAY(SELECT DISTINCT r::integer FROM jsonb_array_elements_text(item -> 'resource_ids') r ORDER BY 1);
  starts constant timestamp := bridge_local_time(item ->> 'starts_at');
  ends constant timestamp := bridge_local_time(item ->> 'ends_at');
  organizer constant text := nullif(btrim(item ->> 'organizer_name'), '');
  place record;
  made bigint;
BEGIN
  PERFORM bridge_refuse_clock_change(starts, ends, item);
  IF cardinality(rooms) = 0 OR starts IS NULL OR ends IS NULL OR ends < starts THEN
    RAISE EXCEPTION 'An event needs a room, a start and an end that is not before it.' USING ERRCODE = '22023';
  END IF;
  SELECT * INTO place FROM bridge_import_place(rooms[1]);
  INSERT INTO bb_event (activity_id, name, organizer, description, from_, to_, building_id, building_name,
    contact_name, contact_email, contact_phone, reminder, is_public, secret)
  SELECT place.activity, left(nullif(btrim(item ->> 'title'), ''), 255), left(organizer, 255), item ->> 'description',
    starts, ends, place.building, left(coalesce(place.building_name, ''), 150),
    left(coalesce(organizer, (SELECT value FROM bridge_settings WHERE name = 'default_contact_name'), ''), 150),
    left(coalesce(nullif(btrim(item ->> 'organizer_email'), ''), (SELECT value FROM bridge_settings WHERE name = 'default_contact_email'), ''), 255),
    coalesce((SELECT value FROM bridge_settings WHERE name = 'default_contact_phone'), ''), 0,
    CASE WHEN (item ->> 'is_private')::boolean THEN 0 ELSE 1 END, replace(gen_random_uuid()::text, '-', '')
  -- tested in the statement that writes, so that nothing comes between
  WHERE item ->> 'overlap' = 'allow' OR NOT EXISTS (
    SELECT FROM bridge_items i WHERE i.resource_id = ANY (rooms) AND i.active
      AND i.starts_at < (item ->> 'ends_at')::timestamptz AND i.ends_at > (item ->> 'starts_at')::timestamptz)
  RETURNING id INTO made;
  IF made IS NULL THEN
    RAISE EXCEPTION 'The time is taken in room %.', array_to_string(rooms, ' or ') USING ERRCODE = '23P01';
  END IF;
  UPDATE bb_event SET id_string = made::text WHERE id = made;
  INSERT INTO bb_event_date (event_id, from_, to_) VALUES (made, starts, ends);
  INSERT INTO bb_event_resource (event_id, resource_id) SELECT made, r FROM unnest(rooms) r;
  INSERT INTO bb_event_agegroup (event_id, agegroup_id, male, female)
  SELECT made, place.agegroup, 0, 0 WHERE place.agegroup IS NOT NULL;
  INSERT INTO bb_event_targetaudience (event_id, targetaudience_id)
  SELECT made, place.audience WHERE place.audience IS NOT NULL;
  reservation_type := 'event';
  reservation_id := made;
END $import$;

-- Refuses what Outlook may not touch: an event with several dates is one event in Outlook but several here.
CREATE OR REPLACE FUNCTION public.bridge_refuse_several_dates(event bigint) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp AS $several$
BEGIN
  IF (SELECT count(*) FROM bb_event_date d WHERE d.event_id = event) > 1 THEN
    RAISE EXCEPTION 'Event % has several dates and is changed in the booking system only.', event USING ERRCODE = 'P0001';
  END IF;
END $several$;

-- Changes a reservation and returns the keys that it now shows as asked for. Bookings and allocations have times and
-- rooms of their own, but no texts. `overlap` as for an import; the default is 'allow'.
CREATE OR REPLACE FUNCTION public.bridge_change_item(type text, id bigint, change jsonb) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $change$
DECLARE
  old_starts timestamp;
  old_ends timestamp;
  starts timestamp;
  ends timestamp;
BEGIN
  CASE type
    WHEN 'event' THEN SELECT e.from_, e.to_ INTO old_starts, old_ends FROM bb_event e WHERE e.id = $2 FOR UPDATE;
    WHEN 'booking' THEN SELECT b.from_, b.to_ INTO old_starts, old_ends FROM bb_booking b WHERE b.id = $2 FOR UPDATE;
    WHEN 'allocation' THEN SELECT a.from_, a.to_ INTO old_starts, old_ends FROM bb_allocation a WHERE a.id = $2 FOR UPDATE;
    ELSE NULL;
  END CASE;
  IF old_starts IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
  IF change = '{}' THEN
    RETURN '{}'; -- it is only to be locked
  END IF;
  starts := coalesce(bridge_local_time(change ->> 'starts_at'), old_starts);
  ends := coalesce(bridge_local_time(change ->> 'ends_at'), old_ends);
  PERFORM bridge_refuse_clock_change(starts, ends, change);
  IF ends < starts THEN
    RAISE EXCEPTION '% % would end before it starts.', type, id USING ERRCODE = '22023';
  END IF;
  IF type = 'event' THEN
    PERFORM bridge_refuse_several_dates(id);
  END IF;
  IF change ? 'resource_ids' THEN
    PERFORM bridge_change_rooms(type, id, change -> 'resource_ids');
  END IF;
  CASE type
    WHEN 'event' THEN
      UPDATE bb_event e SET from_ = starts, to_ = ends,
        name = CASE WHEN change ? 'title' THEN left(nullif(btrim(change ->> 'title'), ''), 255) ELSE e.name END,
        description = CASE WHEN change ? 'description' THEN change ->> 'description' ELSE e.description END,
        organizer = CASE WHEN change ? 'organizer_name' THEN left(nullif(btrim(change ->> 'organizer_name'), ''), 255)
                         ELSE e.organizer END,
        contact_email = CASE WHEN change ? 'organizer_email' THEN left(coalesce(change ->> 'organizer_email', ''), 255)
                             ELSE e.contact_email END,
        is_public = CASE WHEN change ? 'is_private' THEN CASE WHEN (change ->> 'is_private')::boolean THEN 0 ELSE 1 END
                         ELSE e.is_public END
      WHERE e.id = $2;
      UPDATE bb_event_date d SET from_ = starts, to_ = ends
      WHERE d.event_id = $2 AND d.from_ = old_starts AND d.to_ = old_ends AND (starts, ends) <> (old_starts, old_ends);
    WHEN 'booking' THEN
      UPDATE bb_booking b SET from_ = starts, to_ = ends WHERE b.id = $2;
    WHEN 'allocation' THEN
      UPDATE bb_allocation a SET from_ = starts, to_ = ends WHERE a.id = $2;
  END CASE;
  IF change ->> 'overlap' = 'refuse' THEN
    PERFORM bridge_refuse_overlap(type, id);
  END IF;
  RETURN bridge_stored_keys(type, id, change);
END $change$;

-- Gives a reservation exactly these rooms.
CREATE OR REPLACE FUNCTION public.bridge_change_rooms(type text, id bigint, resource_ids jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $rooms$
DECLARE
  links constant text := format('public.bb_%s_resource', type);
  key constant text := format('%s_id', type);
  rooms constant integer[] := ARRAY(SELECT DISTINCT r::integer FROM jsonb_array_elements_text(resource_ids) r ORDER BY 1);
  leaves boolean;
BEGIN
  IF cardinality(rooms) = 0 THEN
    RAISE EXCEPTION '% % would be left without a room; cancel it instead.', type, id USING ERRCODE = '22023';
  END IF;
  EXECUTE format('INSERT INTO %s (%I, resource_id) SELECT $1, r FROM unnest($2) r ON CONFLICT DO NOTHING', links, key)
  USING id, rooms;
  -- asked first, so that the right to delete is needed only by those who remove rooms from meetings
  EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I = $1 AND resource_id <> ALL ($2))', links, key)
  INTO leaves USING id, rooms;
  IF leaves THEN
    EXECUTE format('DELETE FROM %s WHERE %I = $1 AND resource_id <> ALL ($2)', links, key) USING id, rooms;
  END IF;
END $rooms$;

-- Throws 23P01 when the reservation as it is now shares time in one of its rooms with another one.
CREATE OR REPLACE FUNCTION public.bridge_refuse_overlap(type text, id bigint) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp AS $overlap$
DECLARE
  other record;
BEGIN
  SELECT i.resource_id, i.reservation_type, i.reservation_id INTO other
  FROM (SELECT * FROM bridge_items WHERE reservation_type = type AND reservation_id = id) mine
  CROSS JOIN LATERAL (SELECT * FROM bridge_items o WHERE o.resource_id = mine.resource_id AND o.active OFFSET 0) i
  WHERE i.starts_at < mine.ends_at AND i.ends_at > mine.starts_at AND (i.reservation_type, i.reservation_id) <> (type, id)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'The time is taken in room % by %/%.', other.resource_id, other.reservation_type, other.reservation_id USING ERRCODE = '23P01';
  END IF;
END $overlap$;

-- Cancels a reservation in all its rooms and returns whether it was active. The note is added to an event's
-- description, once; bookings and allocations have none.
CREATE OR REPLACE FUNCTION public.bridge_cancel_item(type text, id bigint, note text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $cancel$
DECLARE
  was integer;
BEGIN
  CASE type
    WHEN 'event' THEN SELECT e.active INTO was FROM bb_event e WHERE e.id = $2 FOR UPDATE;
    WHEN 'booking' THEN SELECT b.active INTO was FROM bb_booking b WHERE b.id = $2 FOR UPDATE;
    WHEN 'allocation' THEN SELECT a.active INTO was FROM bb_allocation a WHERE a.id = $2 FOR UPDATE;
    ELSE NULL;
  END CASE;
  IF was IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  ELSIF was <> 1 THEN
    RETURN false;
  END IF;
  CASE type
    WHEN 'event' THEN
      PERFORM bridge_refuse_several_dates(id);
      UPDATE bb_event e SET active = 0,
        description = CASE WHEN coalesce(note, '') = '' OR position(note IN coalesce(e.description, '')) > 0 THEN e.description
                           ELSE concat_ws(E'\n', nullif(e.description, ''), note) END
      WHERE e.id = $2;
    WHEN 'booking' THEN UPDATE bb_booking b SET active = 0 WHERE b.id = $2;
    WHEN 'allocation' THEN UPDATE bb_allocation a SET active = 0 WHERE a.id = $2;
  END CASE;
  RETURN true;
END $cancel$;

-- Makes a cancelled reservation active again, without the note of its cancellation, and returns whether it was cancelled.
-- 23P01: another one of its type has its time by now.
CREATE OR REPLACE FUNCTION public.bridge_reenable_item(type text, id bigint, note text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $reenable$
DECLARE
  was integer;
  other record;
BEGIN
  CASE type
    WHEN 'event' THEN SELECT e.active INTO was FROM bb_event e WHERE e.id = $2 FOR UPDATE;
    WHEN 'booking' THEN SELECT b.active INTO was FROM bb_booking b WHERE b.id = $2 FOR UPDATE;
    WHEN 'allocation' THEN SELECT a.active INTO was FROM bb_allocation a WHERE a.id = $2 FOR UPDATE;
    ELSE NULL;
  END CASE;
  IF was IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
  IF type = 'event' AND coalesce(note, '') <> '' THEN
    UPDATE bb_event e SET description = rtrim(replace(e.description, note, ''), E'\n')
    WHERE e.id = $2 AND position(note IN coalesce(e.description, '')) > 0;
  END IF;
  IF was = 1 THEN
    RETURN false;
  END IF;
  SELECT o.resource_id, o.reservation_id INTO other FROM bridge_items mine
  CROSS JOIN LATERAL (SELECT * FROM bridge_items v WHERE v.resource_id = mine.resource_id AND v.active OFFSET 0) o
  WHERE mine.reservation_type = $1 AND mine.reservation_id = $2 AND o.reservation_type = $1 AND o.reservation_id <> $2
    AND o.starts_at < mine.ends_at AND o.ends_at > mine.starts_at LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'The time is taken in room % by %/%.', other.resource_id, type, other.reservation_id USING ERRCODE = '23P01';
  END IF;
  CASE type
    WHEN 'event' THEN UPDATE bb_event e SET active = 1 WHERE e.id = $2;
    WHEN 'booking' THEN UPDATE bb_booking b SET active = 1 WHERE b.id = $2;
    WHEN 'allocation' THEN UPDATE bb_allocation a SET active = 1 WHERE a.id = $2;
  END CASE;
  RETURN true;
END $reenable$;

REVOKE EXECUTE ON FUNCTION public.bridge_reenable_item(text, bigint, text), public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_change_rooms(text, bigint, jsonb) FROM PUBLIC;
