-- What Outlook says is written into the booking system.

-- The active items that share time with this one in one of its rooms.
CREATE OR REPLACE FUNCTION bridge_met(kind text, id_ bigint) RETURNS TABLE (other text, room integer, title text)
LANGUAGE plpgsql STABLE AS $met$
BEGIN
  RETURN QUERY SELECT o.reservation_type || '/' || o.reservation_id, o.resource_id, o.title
  FROM bridge_items mine
  CROSS JOIN LATERAL (SELECT * FROM bridge_items i WHERE i.resource_id = mine.resource_id AND i.active OFFSET 0) o
  WHERE mine.reservation_type = kind AND mine.reservation_id = id_ AND o.starts_at < mine.ends_at AND o.ends_at > mine.starts_at
    AND (o.reservation_type, o.reservation_id) <> (kind, id_);
END $met$;

-- Makes a reservation that lost its event in a room that of an event which is there again: it is active as the event shows it,
-- or has the room back. Returns the keys that are stored, NULL where the adapter cannot do that; throws 23P01 as
-- bridge_write_back does.
CREATE OR REPLACE FUNCTION bridge_revive(kind text, id_ bigint, room integer, item jsonb, note text) RETURNS text[] LANGUAGE plpgsql AS $revive$
DECLARE
  is_active boolean;
  rooms integer[];
  stored text[];
  place record;
BEGIN
  IF to_regprocedure('bridge_reenable_item(text, bigint, text)') IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('reservation ' || kind || '/' || id_, 7230914));
  SELECT bool_or(i.active), array_agg(i.resource_id) INTO is_active, rooms FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_;
  IF rooms IS NULL OR is_active AND room = ANY (rooms) THEN
    RETURN NULL;
  END IF;
  IF is_active THEN
    stored := bridge_change_item(kind, id_, bridge_with_keys(jsonb_build_object('resource_ids', rooms || room, 'overlap', item -> 'overlap')));
    RETURN CASE WHEN 'resource_ids' = ANY (stored) THEN stored END;
  END IF;
  stored := bridge_change_item(kind, id_, item - ARRAY['overlap', 'organizer_name', 'organizer_email']
    || CASE WHEN rooms = ARRAY[room] THEN '{}' ELSE bridge_with_keys(jsonb_build_object('resource_ids', jsonb_build_array(room))) END);
  PERFORM bridge_reenable_item(kind, id_, note);
  IF NOT EXISTS (SELECT FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id = room AND i.active) THEN
    RAISE EXCEPTION 'reservation %/% is not active again', kind, id_ USING ERRCODE = 'P0001';
  END IF;
  SELECT n.room, n.title INTO place FROM bridge_met(kind, id_) n WHERE item ->> 'overlap' = 'refuse' LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'The time is taken in room %: %.', place.room, place.title USING ERRCODE = '23P01';
  END IF;
  RETURN stored;
EXCEPTION
  WHEN exclusion_violation THEN
    IF item ->> 'overlap' = 'refuse' THEN
      RAISE;
    END IF;
    RETURN NULL;
  WHEN raise_exception OR no_data_found OR data_exception OR integrity_constraint_violation THEN
    RETURN NULL;
END $revive$;

-- Writes into the booking system what Outlook says of one item, by the adapter's functions, and settles it, in one
-- transaction. `what`: import, change or cancel. Throws BR001 when the lease was lost and BR002 when the reservation or
-- the mapping is not any more as it was when this was decided (`expected`; nothing was done then); 23P01 when the time is
-- taken. Whoever writes a reservation or a meeting that several rooms share does so alone.
CREATE OR REPLACE FUNCTION bridge_write_back(room_id integer, epoch bigint, what text, item jsonb, expected jsonb, settled jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $write$
DECLARE
  m bridge_mappings;
  room constant integer := (SELECT resource_id FROM bridge_resource_mappings WHERE id = room_id);
  style constant jsonb := bridge_style(room);
  kind text;
  id_ bigint;
  note constant text := 'Cancelled from Outlook';
  uid constant text := coalesce(settled ->> 'iCalUId', '');
  slot constant timestamptz := coalesce((settled ->> 'originalStart')::timestamptz, '-infinity');
  others integer[];
  met text[];
  stored text[];
  state jsonb;
  base jsonb;
  place record;
  joined boolean := false;
  was_known boolean := false;
  was_alive boolean := false;
  answer jsonb;
BEGIN
  -- A clerk's open transaction must not keep a whole room waiting. And whoever writes the same rows in another order would
  -- deadlock with us: we give up before the server looks for one, so it is never the clerk's transaction that fails.
  PERFORM set_config('lock_timeout', round(extract(epoch FROM current_setting('deadlock_timeout')::interval) * 500)::text, true);
  PERFORM FROM bridge_room_state s WHERE s.resource_mapping_id = room_id AND s.lease_epoch = epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', room_id USING ERRCODE = 'BR001';
  END IF;
  SELECT * INTO m FROM bridge_mappings WHERE id = (settled ->> 'id')::bigint;
  IF m.id IS NULL OR m.revision <> (settled ->> 'revision')::bigint THEN
    RAISE EXCEPTION 'mapping % changed meanwhile', settled ->> 'id' USING ERRCODE = 'BR002';
  END IF;
  kind := m.reservation_type;
  id_ := m.reservation_id;

  IF what = 'import' THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('meeting ' || uid || slot::text, 7230914));
    IF uid <> '' THEN
      SELECT t.reservation_type, t.reservation_id, true INTO kind, id_, was_known FROM bridge_meetings t
      WHERE t.ical_uid = uid AND t.original_start = slot
        AND EXISTS (SELECT FROM bridge_items i WHERE i.reservation_type = t.reservation_type AND i.reservation_id = t.reservation_id AND bridge_stands(to_jsonb(i)))
        AND EXISTS (SELECT FROM bridge_mappings o WHERE o.reservation_type = t.reservation_type AND o.reservation_id = t.reservation_id
                    AND o.resource_id <> room AND o.ical_uid = uid AND o.sync_status <> 'cancelled');
      was_known := coalesce(was_known, false);
    END IF;
    IF was_known THEN
      -- a meeting that invited several rooms: one reservation with all of them
      others := ARRAY(SELECT i.resource_id FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_);
      IF room = ANY (others) THEN
        DELETE FROM bridge_mappings o WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = room
          AND o.outlook_event_id IS NULL;
      ELSE
        stored := bridge_change_item(kind, id_, bridge_with_keys(jsonb_build_object('resource_ids', others || room, 'overlap', item -> 'overlap')));
        IF NOT 'resource_ids' = ANY (stored) THEN
          RAISE EXCEPTION 'The reservation of this meeting cannot have another room.' USING ERRCODE = 'P0001';
        END IF;
        DELETE FROM bridge_mappings o WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = room
          AND (o.outlook_event_id IS NULL OR o.sync_status = 'cancelled');
      END IF;
      joined := true;
    ELSE
      IF item ? 'revives' THEN
        kind := item #>> '{revives,type}';
        id_ := (item #>> '{revives,id}')::bigint;
        stored := bridge_revive(kind, id_, room, item - 'revives', note);
        was_alive := stored IS NOT NULL;
      END IF;
      IF was_alive THEN
        DELETE FROM bridge_mappings o WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = room AND o.sync_status = 'cancelled';
      ELSE
        SELECT i.reservation_type, i.reservation_id INTO kind, id_
        FROM bridge_import(item - 'revives' || jsonb_build_object('resource_ids', jsonb_build_array(room), 'ical_uid', nullif(uid, ''))) i;
      END IF;
      IF uid <> '' THEN
        INSERT INTO bridge_meetings AS t (ical_uid, original_start, reservation_type, reservation_id) VALUES (uid, slot, kind, id_)
        ON CONFLICT (ical_uid, original_start) DO UPDATE SET reservation_type = excluded.reservation_type,
          reservation_id = excluded.reservation_id, created_at = now();
      END IF;
    END IF;
  ELSE
    PERFORM pg_advisory_xact_lock(hashtextextended('reservation ' || kind || '/' || id_, 7230914));
    -- locks the reservation: from here on nobody changes it but us
    PERFORM bridge_change_item(kind, id_, '{}');
    SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
      || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END INTO state
    FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id = room AND bridge_stands(to_jsonb(i));
    IF state IS DISTINCT FROM expected THEN
      RAISE EXCEPTION 'reservation %/% changed meanwhile', kind, id_ USING ERRCODE = 'BR002';
    END IF;
    IF what = 'change' THEN
      met := ARRAY(SELECT n.other FROM bridge_met(kind, id_) n WHERE item ->> 'overlap' = 'refuse');
      stored := bridge_change_item(kind, id_, item - 'overlap');
      -- what it lay on before is stacked on purpose; what it comes to lie on is not
      SELECT n.room, n.title INTO place FROM bridge_met(kind, id_) n
      WHERE item ->> 'overlap' = 'refuse' AND NOT n.other = ANY (met) LIMIT 1;
      IF FOUND THEN
        RAISE EXCEPTION 'The time is taken in room %: %.', place.room, place.title USING ERRCODE = '23P01';
      END IF;
    ELSE
      others := ARRAY(SELECT i.resource_id FROM bridge_items i
                      WHERE i.reservation_type = kind AND i.reservation_id = id_ AND bridge_stands(to_jsonb(i)) AND i.resource_id <> room);
      -- the last of its rooms that Outlook knows: the whole of it; else only this room
      IF EXISTS (SELECT FROM bridge_mappings o JOIN bridge_resource_mappings r ON r.resource_id = o.resource_id AND r.active = 1
                 WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = ANY (others)
                   AND o.sync_status <> 'cancelled' AND coalesce(o.outlook_news, '') NOT IN ('gone', 'vacated')) THEN
        stored := bridge_change_item(kind, id_, bridge_with_keys(jsonb_build_object('resource_ids', others)));
        IF NOT 'resource_ids' = ANY (stored) THEN
          RAISE EXCEPTION 'The reservation cannot give up one of its rooms.' USING ERRCODE = 'P0001';
        END IF;
      ELSE
        PERFORM bridge_cancel_item(kind, id_, note);
      END IF;
    END IF;
  END IF;

  SELECT i.*, bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
    || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END AS seen INTO place
  FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id = room;
  -- agreed on is what the reservation shows now, but not what it could not store (that is shown to Outlook again), nor
  -- what this write had nothing to do with, nor what was hidden from Outlook until now
  base := CASE WHEN what = 'cancel' THEN settled -> 'bookingBase'
    ELSE (place.seen - ARRAY(SELECT jsonb_array_elements_text(settled -> 'open')) || coalesce(settled -> 'kept', '{}'))
      - ARRAY(SELECT f.field FROM jsonb_to_recordset(settled -> 'written') AS f (field text, key text)
              WHERE NOT f.key = ANY (stored) AND (what = 'change' OR was_alive))
      - ARRAY(SELECT jsonb_array_elements_text(settled -> 'hidden')) END;

  -- see bridge_settle; the booking system's locks are taken already, and nobody who has this one waits for them
  PERFORM pg_advisory_xact_lock_shared(7230912, 2) WHERE NOT bridge_is_plan();
  UPDATE bridge_mappings b
  SET reservation_type = kind, reservation_id = id_, present = coalesce(place.active, false),
      starts_at = coalesce(place.starts_at, b.starts_at), ends_at = coalesce(place.ends_at, b.ends_at),
      priority_level = coalesce(place.priority_level, b.priority_level),
      -- a row that is written without raising it was written by a person: see bridge_mapping_touched
      revision = b.revision + 1
  WHERE b.id = m.id AND b.revision = m.revision;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'mapping % changed meanwhile', m.id USING ERRCODE = 'BR002';
  END IF;
  -- the other rooms of the same meeting agree on our side; what theirs show is to be looked at
  UPDATE bridge_mappings o
  SET agreement = 'agreed', booking_base = place.seen - 'as' || own.appearance, booking_seen = place.seen - 'as' || own.appearance, outlook_news = coalesce(o.outlook_news, 'look'),
      noticed_at = coalesce(o.noticed_at, now()), due_at = now(), lane = 0, revision = o.revision + 1
  FROM (SELECT n.id, CASE WHEN n.booking_seen ? 'as' THEN jsonb_build_object('as', n.booking_seen -> 'as') ELSE '{}' END AS appearance
        FROM bridge_mappings n WHERE n.reservation_type = kind AND n.reservation_id = id_) own
  WHERE own.id = o.id AND what = 'change' AND o.reservation_type = kind AND o.reservation_id = id_ AND o.id <> m.id AND NOT o.is_organizer
    AND o.outlook_event_id IS NOT NULL AND o.sync_status <> 'cancelled';
  answer := bridge_settle(room_id, epoch, jsonb_build_array(settled || jsonb_build_object('revision', m.revision + 1, 'bookingBase', base,
    'bookingSeen', CASE WHEN what = 'cancel' THEN NULL ELSE place.seen END,
    'action', CASE WHEN joined THEN 'joined' ELSE settled ->> 'action' END,
    'reason', CASE WHEN stored IS NOT NULL AND what = 'change' AND EXISTS (
        SELECT FROM jsonb_to_recordset(settled -> 'written') AS f (key text) WHERE NOT f.key = ANY (stored))
      THEN concat_ws('; ', settled ->> 'reason', 'not possible here: ' || (SELECT string_agg(f.field, ', ')
        FROM jsonb_to_recordset(settled -> 'written') AS f (field text, key text) WHERE NOT f.key = ANY (stored)))
      WHEN was_alive THEN 'its event is there again'
      ELSE settled ->> 'reason' END,
    'dueInMs', CASE WHEN base IS DISTINCT FROM place.seen AND (what = 'change' OR was_alive) THEN 0 ELSE (settled ->> 'dueInMs')::float8 END)));
  RETURN answer || jsonb_build_object('reservationType', kind, 'reservationId', id_, 'joined', joined);
END $write$;

-- Of the reservations in a room that lie on one of the places in `wanted`, those that Outlook shows at another time, which is
-- not followed yet or was refused, as bridge_due_items has them.
CREATE OR REPLACE FUNCTION bridge_leaving(room integer, wanted jsonb, besides bigint[], most integer, past_days integer, future_days integer)
RETURNS SETOF jsonb LANGUAGE sql STABLE AS $leaving$
  SELECT i FROM bridge_window(past_days, future_days) w, bridge_work_items(room, ARRAY(
    SELECT m FROM bridge_mappings m
    WHERE m.resource_id = room AND m.present AND m.outlook_news = 'look' AND m.outlook_event_id IS NOT NULL AND m.reservation_id IS NOT NULL
      AND (m.due_at IS NOT NULL OR m.conflict ->> 'kind' = 'refused') AND NOT m.id = ANY (besides)
      AND EXISTS (SELECT FROM jsonb_to_recordset(wanted) AS p ("startsAt" timestamptz, "endsAt" timestamptz)
                  WHERE m.starts_at < p."endsAt" AND m.ends_at > p."startsAt")
    ORDER BY m.starts_at, m.id LIMIT most), w.opens, w.closes, '{}') i
$leaving$;

-- Writes changes of reservations of one room that take each other's places, as bridge_write_back does, all of them or none: a
-- place is taken by what lies there when all have moved. Throws as that does, 23P01 with the mapping that found its place taken
-- as the detail. Returns its answers by mapping.
CREATE OR REPLACE FUNCTION bridge_write_together(room_id integer, epoch bigint, items jsonb, expected jsonb, settled jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $together$
DECLARE
  those constant bigint[] := ARRAY(SELECT (t ->> 'id')::bigint FROM jsonb_array_elements(settled) WITH ORDINALITY s (t, n) ORDER BY n);
  met jsonb := '{}';
  answers jsonb := '{}';
  one record;
  place record;
BEGIN
  -- what is due is left alone by what makes due (bridge_retry_refused)
  UPDATE bridge_mappings SET due_at = now() WHERE id = ANY (those) AND (due_at IS NULL OR due_at > now());
  FOR one IN SELECT m.* FROM bridge_mappings m WHERE m.id = ANY (those) LOOP
    met := met || jsonb_build_object(one.id, ARRAY(SELECT n.other FROM bridge_met(one.reservation_type, one.reservation_id) n));
  END LOOP;
  -- what lies beneath first: what lies on top makes it due as it moves, and it was read before
  FOR one IN
    SELECT i.item, nullif(expected -> (i.n - 1)::integer, 'null') AS expected, settled -> (i.n - 1)::integer AS settled, those[i.n] AS id
    FROM jsonb_array_elements(items) WITH ORDINALITY i (item, n) JOIN bridge_mappings m ON m.id = those[i.n] ORDER BY m.priority_level DESC, i.n
  LOOP
    answers := answers || jsonb_build_object(one.id,
      bridge_write_back(room_id, epoch, 'change', one.item || '{"overlap": "allow"}', one.expected, one.settled));
  END LOOP;
  FOR one IN
    SELECT m.* FROM jsonb_array_elements(items) WITH ORDINALITY i (item, n) JOIN bridge_mappings m ON m.id = those[i.n]
    WHERE i.item ->> 'overlap' = 'refuse'
  LOOP
    SELECT n.room, n.title INTO place FROM bridge_met(one.reservation_type, one.reservation_id) n WHERE NOT met -> one.id::text ? n.other LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION 'The time is taken in room %: %.', place.room, place.title USING ERRCODE = '23P01', DETAIL = one.id::text;
    END IF;
  END LOOP;
  RETURN answers;
END $together$;
