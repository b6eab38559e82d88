-- Write-back: changes from Outlook are written into the booking system.

-- An older version returned a title as well. It is dropped right before its replacement, because a running daemon needs one of them.
DO $drop$
BEGIN
  IF pg_get_function_result(to_regprocedure('bridge_met(text, bigint)')) LIKE '%title%' THEN
    DROP FUNCTION bridge_met(text, bigint);
  END IF;
END $drop$;

-- The active items that overlap this one in one of its rooms; `other` is type and key. Errors name an item so, never by its title,
-- because they are logged and sent as alerts.
CREATE OR REPLACE FUNCTION bridge_met(kind text, id_ bigint) RETURNS TABLE (other text, room integer)
LANGUAGE plpgsql STABLE AS $met$
DECLARE
  own record;
BEGIN
  RETURN QUERY SELECT o.reservation_type || '/' || coalesce(bridge_key_of(o.reservation_type, o.reservation_id), o.reservation_id::text), o.resource_id
  FROM bridge_items mine
  CROSS JOIN LATERAL (SELECT * FROM bridge_items i WHERE i.resource_id = mine.resource_id AND i.active OFFSET 0) o
  WHERE mine.reservation_type = kind AND mine.reservation_id = id_ AND o.starts_at < mine.ends_at AND o.ends_at > mine.starts_at
    AND (o.reservation_type, o.reservation_id) <> (kind, id_);
EXCEPTION WHEN OTHERS THEN
  IF NOT bridge_concerns_rows(SQLSTATE) THEN
    RAISE;
  END IF;
  -- one of the rows fails: its time is unknown, and the others are compared
  FOR own IN SELECT i.resource_id, i.starts_at, i.ends_at FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ LOOP
    RETURN QUERY SELECT (o ->> 'reservation_type') || '/' || coalesce(bridge_key_of(o ->> 'reservation_type', (o ->> 'reservation_id')::bigint), o ->> 'reservation_id'), own.resource_id
    FROM jsonb_array_elements(bridge_items_in(own.resource_id, own.starts_at, own.ends_at)) o
    WHERE NOT o ? 'unreadable' AND (o ->> 'reservation_type', (o ->> 'reservation_id')::bigint) <> (kind, id_)
      -- an item without a length overlaps nothing
      AND (o ->> 'starts_at')::timestamptz < own.ends_at AND (o ->> 'ends_at')::timestamptz > own.starts_at;
  END LOOP;
END $met$;

-- A deleted event exists again: its reservation is enabled again (or waits for approval) with the values of the event, or gets the room
-- back. Returns the stored keys, or NULL if the adapter cannot do that; throws 23P01 as bridge_write_booking does.
CREATE OR REPLACE FUNCTION bridge_revive(kind text, id_ bigint, room integer, item jsonb, note text) RETURNS text[] LANGUAGE plpgsql AS $revive$
DECLARE
  stands boolean;
  rooms integer[];
  stored text[];
  place record;
  one_room constant boolean := 'one-room' = ANY (bridge_abilities());
BEGIN
  IF to_regprocedure('bridge_reenable_item(text, bigint, text)') IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM bridge_lock_reservation(kind, id_);
  SELECT bool_or(bridge_stands(to_jsonb(i))), array_agg(i.resource_id) INTO stands, rooms FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_;
  IF rooms IS NULL OR stands AND (room = ANY (rooms) OR one_room) THEN
    RETURN NULL;
  END IF;
  IF stands THEN
    stored := bridge_change_item(kind, id_, bridge_with_keys(jsonb_build_object('resource_ids', rooms || room, 'overlap', item -> 'overlap')));
    RETURN CASE WHEN 'resource_ids' = ANY (stored) THEN stored END;
  END IF;
  stored := bridge_change_item(kind, id_, item - ARRAY['overlap', 'organizer_name', 'organizer_email']
    || CASE WHEN rooms = ARRAY[room] THEN '{}' ELSE bridge_with_keys(jsonb_build_object('resource_ids', jsonb_build_array(room))) END);
  PERFORM bridge_reenable_item(kind, id_, note);
  IF NOT EXISTS (SELECT FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id = room AND bridge_stands(to_jsonb(i))) THEN
    RAISE EXCEPTION 'reservation %/% is not active again', kind, id_ USING ERRCODE = 'P0001';
  END IF;
  SELECT n.room, n.other INTO place FROM bridge_met(kind, id_) n WHERE item ->> 'overlap' = 'refuse' LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'The time is taken in room % by %.', place.room, place.other USING ERRCODE = '23P01';
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

-- The parts of bridge_write_booking. They lock reservations and meetings, and throw as it does.

-- An event becomes a reservation. `how`: imported; joined: the event is a meeting of several rooms, and the room is added to the
-- reservation of the other rooms; revived: the event belongs to a reservation that had lost it. `stored`: the keys of the event that
-- were stored. Of a new reservation all count but its times and its privacy: an untitled event may get a title there.
CREATE OR REPLACE FUNCTION bridge_write_import(room integer, item jsonb, uid text, slot timestamptz, note text,
  OUT kind text, OUT id_ bigint, OUT stored text[], OUT how text) LANGUAGE plpgsql AS $import$
DECLARE
  others integer[];
BEGIN
  PERFORM bridge_lock_meeting(uid, slot);
  -- if a reservation has one room only, a meeting of several rooms becomes one reservation for each
  IF uid <> '' AND NOT 'one-room' = ANY (bridge_abilities()) THEN
    SELECT t.reservation_type, t.reservation_id, 'joined' INTO kind, id_, how FROM bridge_meetings t
    WHERE t.ical_uid = uid AND t.original_start = slot
      AND EXISTS (SELECT FROM bridge_items i WHERE i.reservation_type = t.reservation_type AND i.reservation_id = t.reservation_id AND bridge_stands(to_jsonb(i)))
      AND EXISTS (SELECT FROM bridge_mappings o WHERE o.reservation_type = t.reservation_type AND o.reservation_id = t.reservation_id
                  AND o.resource_id <> room AND o.ical_uid = uid AND o.sync_status <> 'cancelled');
  END IF;
  IF how = 'joined' THEN
    others := ARRAY(SELECT i.resource_id FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_);
    IF room = ANY (others) THEN
      -- a meeting at the same time replaces an event of ours (src/sync/apply/import.ts); the reservation follows the meeting there first
      IF EXISTS (SELECT FROM bridge_mappings o WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = room
          AND o.outlook_event_id IS NOT NULL AND o.sync_status <> 'cancelled') THEN
        RAISE EXCEPTION 'The reservation of this meeting, %/%, is in room % at another time.', kind, coalesce(bridge_key_of(kind, id_), id_::text), room
          USING ERRCODE = '55P03';
      END IF;
      DELETE FROM bridge_mappings o WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = room
        AND o.outlook_event_id IS NULL;
      RETURN;
    END IF;
    stored := bridge_change_item(kind, id_, bridge_with_keys(jsonb_build_object('resource_ids', others || room, 'overlap', item -> 'overlap')));
    IF NOT 'resource_ids' = ANY (stored) THEN
      RAISE EXCEPTION 'The reservation of this meeting cannot have another room.' USING ERRCODE = 'P0001';
    END IF;
    stored := NULL;
    DELETE FROM bridge_mappings o WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = room
      AND (o.outlook_event_id IS NULL OR o.sync_status = 'cancelled');
    RETURN;
  END IF;
  IF item ? 'revives' THEN
    kind := item #>> '{revives,type}';
    id_ := (item #>> '{revives,id}')::bigint;
    stored := bridge_revive(kind, id_, room, item - 'revives', note);
  END IF;
  IF stored IS NOT NULL THEN
    how := 'revived';
    DELETE FROM bridge_mappings o WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = room AND o.sync_status = 'cancelled';
  ELSE
    how := 'imported';
    SELECT i.reservation_type, i.reservation_id INTO kind, id_
    FROM bridge_import(item - 'revives' || jsonb_build_object('resource_ids', jsonb_build_array(room), 'ical_uid', nullif(uid, ''))) i;
    stored := ARRAY(SELECT k FROM jsonb_object_keys(item) k WHERE k NOT IN ('starts_at', 'ends_at', 'is_private'))
      || bridge_stored_keys(kind, id_,
        jsonb_build_object('starts_at', item -> 'starts_at', 'ends_at', item -> 'ends_at', 'is_private', item -> 'is_private'))
      -- a private mark that the booking system cannot store stays in Outlook
      || CASE WHEN 'no-private' = ANY (bridge_abilities()) THEN ARRAY['is_private'] ELSE '{}' END;
  END IF;
  IF uid <> '' THEN
    INSERT INTO bridge_meetings AS t (ical_uid, original_start, reservation_type, reservation_id) VALUES (uid, slot, kind, id_)
    ON CONFLICT (ical_uid, original_start) DO UPDATE SET reservation_type = excluded.reservation_type,
      reservation_id = excluded.reservation_id, created_at = now();
  END IF;
END $import$;

-- Locks the reservation until the end of the transaction, and throws BR002 unless it is as it was when this was decided (`expected`).
CREATE OR REPLACE FUNCTION bridge_hold_reservation(room integer, kind text, id_ bigint, expected jsonb, style jsonb) RETURNS void
LANGUAGE plpgsql AS $hold$
DECLARE
  state jsonb;
BEGIN
  PERFORM bridge_lock_reservation(kind, id_);
  -- an empty change locks it
  PERFORM bridge_change_item(kind, id_, '{}');
  SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
    || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END INTO state
  FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id = room AND bridge_stands(to_jsonb(i));
  IF state IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'reservation %/% changed meanwhile', kind, id_ USING ERRCODE = 'BR002';
  END IF;
END $hold$;

-- Changes a reservation; returns the keys that it stored.
CREATE OR REPLACE FUNCTION bridge_write_change(kind text, id_ bigint, item jsonb) RETURNS text[] LANGUAGE plpgsql AS $change$
DECLARE
  met constant text[] := ARRAY(SELECT n.other FROM bridge_met(kind, id_) n WHERE item ->> 'overlap' = 'refuse');
  abilities constant text[] := bridge_abilities();
  stored text[];
  place record;
BEGIN
  stored := bridge_change_item(kind, id_, item - 'overlap' - CASE WHEN 'no-text' = ANY (abilities) THEN ARRAY['title', 'description'] ELSE '{}' END);
  -- a private mark that the booking system cannot store stays in Outlook
  IF item ? 'is_private' AND 'no-private' = ANY (abilities) THEN
    stored := stored || 'is_private'::text;
  END IF;
  -- overlaps that existed before are intended; new ones are not
  SELECT n.room, n.other INTO place FROM bridge_met(kind, id_) n
  WHERE item ->> 'overlap' = 'refuse' AND NOT n.other = ANY (met) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'The time is taken in room % by %.', place.room, place.other USING ERRCODE = '23P01';
  END IF;
  RETURN stored;
END $change$;

-- Whether a reservation is about to lose the room of this mapping as well: its event was declined or removed in Outlook, the room
-- follows Outlook, and the removal waits neither for a person's decision nor for the brake (bridge_removals.applied_at: let through).
CREATE OR REPLACE FUNCTION bridge_gives_up(m bridge_mappings) RETURNS boolean LANGUAGE sql STABLE AS $gives$
  SELECT m.event_intent IS NULL AND coalesce(m.conflict ->> 'kind', '') NOT IN ('gone', 'deleted')
    AND EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.resource_id = m.resource_id AND r.active = 1 AND r.sync_direction <> 'booking_to_outlook')
    AND CASE m.outlook_news WHEN 'vacated' THEN true
      -- it is of this loss: bridge_settle_removals and bridge_attach delete it when the event exists again
      WHEN 'gone' THEN EXISTS (SELECT FROM bridge_removals d WHERE d.mapping_id = m.id AND d.side = 'booking' AND d.applied_at IS NOT NULL)
      ELSE false END
$gives$;

-- Removes one room from a reservation, or cancels it if no other of its rooms is synchronized.
CREATE OR REPLACE FUNCTION bridge_write_cancel(room integer, kind text, id_ bigint, note text) RETURNS void LANGUAGE plpgsql AS $cancel$
DECLARE
  others constant integer[] := ARRAY(SELECT i.resource_id FROM bridge_items i
    WHERE i.reservation_type = kind AND i.reservation_id = id_ AND bridge_stands(to_jsonb(i)) AND i.resource_id <> room);
BEGIN
  -- a room that is switched off keeps its event, and a room without a mapping yet counts as well
  IF NOT EXISTS (SELECT FROM unnest(others) AS x (room)
      LEFT JOIN bridge_mappings o ON o.reservation_type = kind AND o.reservation_id = id_ AND o.resource_id = x.room
      WHERE CASE WHEN o.id IS NULL THEN EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.resource_id = x.room)
        ELSE o.sync_status <> 'cancelled' AND NOT bridge_gives_up(o) END) THEN
    PERFORM bridge_cancel_item(kind, id_, note);
  ELSIF NOT 'resource_ids' = ANY (bridge_change_item(kind, id_, bridge_with_keys(jsonb_build_object('resource_ids', others)))) THEN
    RAISE EXCEPTION 'The reservation cannot give up one of its rooms.' USING ERRCODE = 'P0001';
  END IF;
END $cancel$;

-- The agreement of the other rooms of a meeting becomes the present state of the reservation; their events are to be read.
CREATE OR REPLACE FUNCTION bridge_agree_in_other_rooms(mapping bigint, kind text, id_ bigint, seen jsonb) RETURNS void
LANGUAGE sql AS $agree$
  UPDATE bridge_mappings o
  SET agreement = 'agreed', booking_base = seen - 'as' || own.appearance, booking_seen = seen - 'as' || own.appearance,
      booking_digest = -1 /* see bridge_gather */, outlook_news = coalesce(o.outlook_news, 'look'), noticed_at = coalesce(o.noticed_at, now()), due_at = now(), lane = 0, revision = o.revision + 1
  FROM (SELECT n.id, CASE WHEN n.booking_seen ? 'as' THEN jsonb_build_object('as', n.booking_seen -> 'as') ELSE '{}' END AS appearance
        FROM bridge_mappings n WHERE n.reservation_type = kind AND n.reservation_id = id_) own
  WHERE own.id = o.id AND o.reservation_type = kind AND o.reservation_id = id_ AND o.id <> mapping AND NOT o.is_organizer
    AND o.outlook_event_id IS NOT NULL AND o.sync_status <> 'cancelled';
$agree$;

-- An edit in Outlook of the event in one room has changed the reservation from the state `before` to `seen`. Its other rooms know by this
-- that the booking system itself has not changed it since their last agreement: see `eventGone` in src/sync/decide/decide.ts.
CREATE OR REPLACE FUNCTION bridge_follow_in_other_rooms(mapping bigint, kind text, id_ bigint, before jsonb, seen jsonb) RETURNS void
LANGUAGE sql AS $follow$
  UPDATE bridge_mappings o SET followed_state = seen - 'as', revision = o.revision + 1
  WHERE o.reservation_type = kind AND o.reservation_id = id_ AND o.id <> mapping AND o.is_organizer
    AND o.outlook_event_id IS NOT NULL AND o.sync_status <> 'cancelled' AND o.agreement = 'agreed'
    AND coalesce(o.followed_state, o.booking_base - 'as') = before - 'as';
$follow$;

CREATE OR REPLACE FUNCTION bridge_agreed_anew() RETURNS trigger LANGUAGE plpgsql AS $anew$
BEGIN
  NEW.followed_state := NULL;
  RETURN NEW;
END $anew$;
CREATE OR REPLACE TRIGGER bridge_mappings_agreed_anew BEFORE UPDATE OF booking_base ON bridge_mappings FOR EACH ROW
  WHEN (OLD.followed_state IS NOT NULL AND NEW.booking_base IS DISTINCT FROM OLD.booking_base) EXECUTE FUNCTION bridge_agreed_anew();

-- Writes a change from Outlook of one item into the booking system, by the adapter's functions. `what`: import, change or cancel.
-- Returns `settlements`, which bridge_settle stores in the same transaction: `settled`, completed by bridge_merged; and `answer`: the
-- reservation, and whether it existed before (`joined`). Throws BR001 if the lease was lost; BR002, with nothing written, if the
-- reservation or the mapping changed since the decision (`expected`); 23P01 if the time is taken. A reservation or a meeting of several
-- rooms is written for one room at a time.
CREATE OR REPLACE FUNCTION bridge_write_booking(room_id integer, epoch bigint, what text, item jsonb, expected jsonb, settled jsonb,
  OUT settlements jsonb, OUT answer jsonb) LANGUAGE plpgsql AS $write$
DECLARE
  m bridge_mappings;
  room constant integer := (SELECT resource_id FROM bridge_resource_mappings WHERE id = room_id);
  style constant jsonb := bridge_style(room);
  note constant text := 'Cancelled from Outlook';
  -- the reservation has left this room: its row in another one
  is_elsewhere constant boolean := item ? 'elsewhere';
  place_room integer := room;
  kind text;
  id_ bigint;
  stored text[];
  how text;
  place record;
BEGIN
  -- A clerk's open transaction must not block a whole room. And a transaction that writes the same rows in another order would
  -- deadlock with this one, which gives up before the server's deadlock check, so that the clerk's never fails.
  PERFORM set_config('lock_timeout', round(extract(epoch FROM current_setting('deadlock_timeout')::interval) * 500)::text, true);
  PERFORM FROM bridge_room_state s WHERE s.resource_mapping_id = room_id AND s.lease_epoch = epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', room_id USING ERRCODE = 'BR001';
  END IF;
  SELECT * INTO m FROM bridge_mappings WHERE id = (settled ->> 'id')::bigint;
  IF m.id IS NULL OR m.revision <> (settled ->> 'revision')::bigint THEN
    RAISE EXCEPTION 'mapping % changed meanwhile', settled ->> 'id' USING ERRCODE = 'BR002';
  END IF;
  -- an ability that is missing is not requested
  IF item ? 'overlap' AND 'no-overlap' = ANY (bridge_abilities()) THEN
    item := item || '{"overlap": "refuse"}';
  END IF;
  IF what = 'import' THEN
    SELECT i.* INTO kind, id_, stored, how FROM bridge_write_import(room, item, coalesce(settled ->> 'iCalUId', ''),
      coalesce((settled ->> 'originalStart')::timestamptz, '-infinity'), note) i;
  ELSE
    kind := m.reservation_type;
    id_ := m.reservation_id;
    IF is_elsewhere THEN
      item := item - 'elsewhere';
      place_room := (SELECT CASE WHEN bool_or(i.resource_id = room) THEN NULL ELSE min(i.resource_id) FILTER (WHERE bridge_stands(to_jsonb(i))) END
        FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_);
    END IF;
    PERFORM bridge_hold_reservation(place_room, kind, id_, expected, style);
    IF what = 'change' THEN
      stored := bridge_write_change(kind, id_, item);
    ELSE
      PERFORM bridge_write_cancel(room, kind, id_, note);
      -- an undo leaves it alone (src/sync/manual/undo.ts)
      IF EXISTS (SELECT FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND bridge_stands(to_jsonb(i))) THEN
        settled := settled || '{"detail": {"room": "given up"}}';
      END IF;
    END IF;
  END IF;

  SELECT i.*, bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
    || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END AS seen INTO place
  FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id = place_room;
  -- see 04_locks.sql; the booking system's locks are taken already, and no holder of this one waits for them
  PERFORM bridge_lock_for_settlement();
  UPDATE bridge_mappings b
  SET reservation_type = kind, reservation_id = id_, present = coalesce(place.active, false) AND NOT is_elsewhere,
      starts_at = coalesce(place.starts_at, b.starts_at), ends_at = coalesce(place.ends_at, b.ends_at),
      priority_level = coalesce(place.priority_level, b.priority_level),
      -- -1: bridge_gather decides again when it folds this change, and a reversal in the booking system counts as a change
      booking_digest = -1,
      -- an unchanged revision means a change by a person: see bridge_mapping_touched
      revision = b.revision + 1
  WHERE b.id = m.id AND b.revision = m.revision;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'mapping % changed meanwhile', m.id USING ERRCODE = 'BR002';
  END IF;
  IF what = 'change' THEN
    PERFORM bridge_agree_in_other_rooms(m.id, kind, id_, place.seen), bridge_follow_in_other_rooms(m.id, kind, id_, expected, place.seen);
  END IF;
  -- a daemon of the previous version may call this function, and its settlement has no `merge` (90_previous_version.sql)
  IF settled ? 'written' AND NOT settled ? 'merge' THEN
    settled := bridge_with_merge(settled, what);
  END IF;
  IF what = 'change' AND settled ? 'merge' THEN
    settled := jsonb_set(settled, '{merge,before}', expected);
  END IF;
  settlements := jsonb_build_array(bridge_merged(settled || jsonb_build_object('revision', m.revision + 1), how, stored, place.seen));
  answer := jsonb_build_object('reservationType', kind, 'reservationId', id_, 'joined', coalesce(how = 'joined', false));
END $write$;

-- Adds to a settlement the values that only this transaction knows, by the rules in its `merge`
-- (src/sync/apply/settlement/booked.ts builds them and gives the reasons):
--   * the agreement is the present state of the reservation (`seen`), without the fields in `unagreed`, with the values in `kept`, and
--     without the fields in `written` whose keys are not `stored` (NULL: all are stored);
--   * nor the other fields that differ from the state `before`: a trigger of the booking system changed them as well, so they are written
--     to Outlook;
--   * `partly` is added if the agreement differs from `seen`; `lostReason`, followed by the fields that are not stored, is the reason
--     if there are any; the value under the name `how` (imported, joined, revived) is added.
-- A meeting that joined a reservation at another time was moved in Outlook: its time is stored as an edit, and the event is read again,
-- because the other rooms may still show the former time.
CREATE OR REPLACE FUNCTION bridge_merged(settled jsonb, how text, stored text[], seen jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $merged$
DECLARE
  merge constant jsonb := settled -> 'merge';
  lost constant text[] := ARRAY(SELECT w.field FROM jsonb_to_recordset(merge -> 'written') AS w (field text, key text) WHERE NOT w.key = ANY (stored));
  also_changed constant text[] := ARRAY(
    SELECT k FROM jsonb_object_keys(seen) k
    WHERE k <> 'as' AND merge #> ARRAY['before', k] IS DISTINCT FROM seen -> k AND merge ? 'before'
      AND NOT EXISTS (SELECT FROM jsonb_to_recordset(merge -> 'written') AS w (field text) WHERE w.field = k));
  base constant jsonb := (seen - ARRAY(SELECT jsonb_array_elements_text(merge -> 'unagreed')) || (merge -> 'kept')) - lost - also_changed;
BEGIN
  IF merge IS NULL THEN
    RETURN settled;
  END IF;
  RETURN settled - 'merge' || jsonb_build_object('agreement', bridge_agreement(base), 'bookingBase', base, 'bookingSeen', seen)
    || CASE WHEN base IS DISTINCT FROM seen THEN merge -> 'partly' ELSE '{}' END
    || CASE WHEN cardinality(lost) > 0 AND merge ? 'lostReason'
         THEN jsonb_build_object('reason', merge ->> 'lostReason' || array_to_string(lost, ', ')) ELSE '{}' END
    || coalesce(merge -> how, '{}')
    || CASE WHEN how = 'joined' AND (settled #> '{outlookBase,startsAt}', settled #> '{outlookBase,endsAt}') <> (seen -> 'startsAt', seen -> 'endsAt')
         THEN jsonb_build_object('news', 'look', 'dueInMs', 0, 'outlookBase',
           settled -> 'outlookBase' || jsonb_build_object('startsAt', seen -> 'startsAt', 'endsAt', seen -> 'endsAt'))
         ELSE '{}' END;
END $merged$;

-- The work items of reservations in a room that overlap one of the times in `wanted` and whose event was changed in Outlook, where the
-- change is not followed yet or was refused. `besides`: not these mappings.
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

-- Writes changes of reservations of one room that exchange their times, all of them or none, each as bridge_write_booking does. Overlaps
-- are checked when all are written. Throws as bridge_write_booking does; the detail of 23P01 is the mapping whose time is taken.
-- `answers`: by mapping.
CREATE OR REPLACE FUNCTION bridge_write_exchange(room_id integer, epoch bigint, items jsonb, expected jsonb, settled jsonb,
  OUT settlements jsonb, OUT answers jsonb) LANGUAGE plpgsql AS $exchange$
DECLARE
  those constant bigint[] := ARRAY(SELECT (t ->> 'id')::bigint FROM jsonb_array_elements(settled) WITH ORDINALITY s (t, n) ORDER BY n);
  met jsonb := '{}';
  one record;
  wrote record;
  place record;
BEGIN
  settlements := '[]';
  answers := '{}';
  -- bridge_retry_refused leaves due mappings alone
  UPDATE bridge_mappings SET due_at = now() WHERE id = ANY (those) AND (due_at IS NULL OR due_at > now());
  FOR one IN SELECT m.* FROM bridge_mappings m WHERE m.id = ANY (those) LOOP
    met := met || jsonb_build_object(one.id, ARRAY(SELECT n.other FROM bridge_met(one.reservation_type, one.reservation_id) n));
  END LOOP;
  -- lower priorities first: a moved cover makes them due, and they were read before
  FOR one IN
    SELECT i.item, nullif(expected -> (i.n - 1)::integer, 'null') AS expected, settled -> (i.n - 1)::integer AS settled, those[i.n] AS id
    FROM jsonb_array_elements(items) WITH ORDINALITY i (item, n) JOIN bridge_mappings m ON m.id = those[i.n] ORDER BY m.priority_level DESC, i.n
  LOOP
    SELECT w.* INTO wrote FROM bridge_write_booking(room_id, epoch, 'change', one.item || '{"overlap": "allow"}', one.expected, one.settled) w;
    settlements := settlements || wrote.settlements;
    answers := answers || jsonb_build_object(one.id, wrote.answer);
  END LOOP;
  FOR one IN
    SELECT m.* FROM jsonb_array_elements(items) WITH ORDINALITY i (item, n) JOIN bridge_mappings m ON m.id = those[i.n]
    WHERE i.item ->> 'overlap' = 'refuse'
  LOOP
    SELECT n.room, n.other INTO place FROM bridge_met(one.reservation_type, one.reservation_id) n WHERE NOT met -> one.id::text ? n.other LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION 'The time is taken in room % by %.', place.room, place.other USING ERRCODE = '23P01', DETAIL = one.id::text;
    END IF;
  END LOOP;
END $exchange$;
