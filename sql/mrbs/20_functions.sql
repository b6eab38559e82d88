-- What the bridge may do to MRBS. The contract is sql/README.md. An entry has one room, so a meeting in several rooms is
-- imported once per room, and a list of several rooms is never stored.

-- The room of a list with one room in it; throws 22023 for any other.
CREATE OR REPLACE FUNCTION public.bridge_only_room(resource_ids jsonb) RETURNS integer LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $room$
BEGIN
  IF jsonb_typeof(resource_ids) IS DISTINCT FROM 'array' OR jsonb_array_length(resource_ids) <> 1 THEN
    RAISE EXCEPTION 'An entry of MRBS has one room, not %.', coalesce(resource_ids::text, 'none') USING ERRCODE = '22023';
  END IF;
  RETURN (resource_ids ->> 0)::integer;
END $room$;

-- Makes an entry of an Outlook meeting. `overlap`: 'refuse' (the default; error 23P01 when the room is taken) or 'allow'.
CREATE OR REPLACE FUNCTION public.bridge_import_item(item jsonb, OUT reservation_type text, OUT reservation_id bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $import$
DECLARE
  room constant integer := bridge_only_room(item -> 'resource_ids');
  starts constant integer := extract(epoch FROM (item ->> 'starts_at')::timestamptz)::integer;
  ends constant integer := extract(epoch FROM (item ->> 'ends_at')::timestamptz)::integer;
  owner constant text := coalesce((SELECT value FROM bridge_settings WHERE name = 'default_create_by'), 'outlook');
  made bigint;
BEGIN
  IF starts IS NULL OR ends IS NULL OR ends < starts THEN
    RAISE EXCEPTION 'An entry needs a start and an end that is not before it.' USING ERRCODE = '22023';
  END IF;
  IF NOT EXISTS (SELECT FROM mrbs_room r WHERE r.id = room) THEN
    RAISE EXCEPTION 'There is no room %.', room USING ERRCODE = '23503';
  END IF;
  INSERT INTO mrbs_entry (room_id, start_time, end_time, name, description, type, status, create_by, modified_by, ical_uid)
  SELECT room, starts, ends, left(coalesce(btrim(item ->> 'title'), ''), 80), item ->> 'description', a.default_type,
    CASE WHEN (item ->> 'is_private')::boolean THEN 1 ELSE 0 END | CASE WHEN a.approval_enabled = 1 THEN 2 ELSE 0 END, owner, owner, coalesce(left(item ->> 'ical_uid', 255), gen_random_uuid()::text)
  FROM mrbs_room r JOIN mrbs_area a ON a.id = r.area_id
  -- tested in the statement that writes, so that nothing comes between
  WHERE r.id = room AND (item ->> 'overlap' = 'allow' OR NOT EXISTS (
    SELECT FROM mrbs_entry o WHERE o.room_id = room AND (o.status & 2) = 0 AND o.start_time < ends AND o.end_time > starts))
  RETURNING id INTO made;
  IF made IS NULL THEN
    RAISE EXCEPTION 'The time is taken in room %.', room USING ERRCODE = '23P01';
  END IF;
  reservation_type := 'entry';
  reservation_id := made;
END $import$;

-- Changes an entry and returns the keys that it now shows as asked for.
CREATE OR REPLACE FUNCTION public.bridge_change_item(type text, id bigint, change jsonb) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $change$
DECLARE
  was record;
  starts integer;
  ends integer;
  room integer;
BEGIN
  SELECT e.id, e.room_id, e.start_time, e.end_time INTO was FROM mrbs_entry e WHERE e.id = $2 AND $1 = 'entry' FOR UPDATE;
  IF was.id IS NULL THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
  IF change = '{}' THEN
    RETURN '{}'; -- it is only to be locked
  END IF;
  starts := coalesce(extract(epoch FROM (change ->> 'starts_at')::timestamptz)::integer, was.start_time);
  ends := coalesce(extract(epoch FROM (change ->> 'ends_at')::timestamptz)::integer, was.end_time);
  room := CASE WHEN change ? 'resource_ids' THEN bridge_only_room(change -> 'resource_ids') ELSE was.room_id END;
  IF ends < starts THEN
    RAISE EXCEPTION '% % would end before it starts.', type, id USING ERRCODE = '22023';
  END IF;
  IF change ->> 'overlap' = 'refuse' AND EXISTS (SELECT FROM mrbs_entry o
    WHERE o.room_id = room AND o.id <> was.id AND (o.status & 2) = 0 AND o.start_time < ends AND o.end_time > starts) THEN
    RAISE EXCEPTION 'The time is taken in room %.', room USING ERRCODE = '23P01';
  END IF;
  UPDATE mrbs_entry e SET start_time = starts, end_time = ends, room_id = room,
    name = CASE WHEN change ? 'title' THEN left(coalesce(btrim(change ->> 'title'), ''), 80) ELSE e.name END,
    description = CASE WHEN change ? 'description' THEN change ->> 'description' ELSE e.description END,
    status = CASE WHEN change ? 'is_private'
                  THEN (e.status & ~1) | CASE WHEN (change ->> 'is_private')::boolean THEN 1 ELSE 0 END ELSE e.status END,
    entry_type = CASE e.entry_type WHEN 1 THEN 2 ELSE e.entry_type END, -- one of a series that now differs from it
    ical_sequence = e.ical_sequence + 1
  WHERE e.id = was.id;
  RETURN bridge_stored_keys(type, id, change);
END $change$;

-- Cancels an entry as MRBS does, by deleting it, and returns true. There is nothing left to carry the note.
CREATE OR REPLACE FUNCTION public.bridge_cancel_item(type text, id bigint, note text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $cancel$
BEGIN
  DELETE FROM mrbs_entry e WHERE e.id = $2 AND $1 = 'entry';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no % %.', type, id USING ERRCODE = 'P0002';
  END IF;
  RETURN true;
END $cancel$;

REVOKE EXECUTE ON FUNCTION public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_only_room(jsonb) FROM PUBLIC;
