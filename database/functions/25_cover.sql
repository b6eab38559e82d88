-- Shadowing: an item whose whole time is covered by items of higher priority in its room has no event.

-- Whether a mapping covers items of lower priority: Outlook shows it at its time, or will soon. One that was refused, or that failed
-- five times, covers nothing unless Outlook shows an earlier state of it at the same time. A shadowed one counts, because items that
-- cover it take its whole time.
CREATE OR REPLACE FUNCTION bridge_covers(m bridge_mappings) RETURNS boolean LANGUAGE sql STABLE AS $covers$
  SELECT m.present AND m.starts_at < m.ends_at AND CASE
    WHEN m.sync_status = 'shadowed' THEN true
    WHEN m.sync_status = 'synced' THEN m.outlook_event_id IS NOT NULL
    WHEN m.sync_status IN ('error', 'conflict') THEN m.outlook_event_id IS NOT NULL AND coalesce(m.outlook_news, '') NOT IN ('gone', 'vacated')
      AND (coalesce(m.outlook_seen, m.outlook_base) ->> 'startsAt')::timestamptz = m.starts_at
      AND (coalesce(m.outlook_seen, m.outlook_base) ->> 'endsAt')::timestamptz = m.ends_at
    ELSE m.attempt < 5 AND (m.due_at IS NOT NULL OR m.sync_status = 'pending') OR m.outlook_event_id IS NOT NULL AND m.sync_status = 'pending' END
$covers$;

-- Whether Outlook shows a covering mapping now.
CREATE OR REPLACE FUNCTION bridge_cover_is_shown(m bridge_mappings) RETURNS boolean LANGUAGE sql STABLE AS $shown$
  SELECT m.outlook_event_id IS NOT NULL AND m.sync_status IN ('synced', 'error', 'conflict') AND bridge_covers(m)
$shown$;

-- `covered`: items of higher priority in the room take the whole time from `begins` to `ends`; `confirmed`: those of them that Outlook
-- shows now take it, too.
-- The box finds room and time by one index; no other condition may match an index, or the planner reads that one as well.
CREATE OR REPLACE FUNCTION bridge_cover_of(room integer, priority smallint, begins timestamptz, ends timestamptz,
  OUT covered boolean, OUT confirmed boolean) LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $cover$
DECLARE
  -- not bridge_slot(): with constant arguments the planner would evaluate it, which costs more than the search
  slot constant box := box(point(room, extract(epoch FROM begins AT TIME ZONE 'UTC')::float8),
                           point(room, extract(epoch FROM ends AT TIME ZONE 'UTC')::float8));
BEGIN
  SELECT coalesce(range_agg(tstzrange(n.starts_at, n.ends_at)) @> tstzrange(begins, ends), false),
         coalesce(range_agg(tstzrange(n.starts_at, n.ends_at)) FILTER (WHERE bridge_cover_is_shown(n)) @> tstzrange(begins, ends), false)
  INTO covered, confirmed
  FROM bridge_mappings n
  WHERE bridge_slot(n.resource_id, n.starts_at, n.ends_at) && slot AND n.present AND n.priority_level < priority
    AND n.starts_at < n.ends_at AND greatest(n.starts_at, begins) < least(n.ends_at, ends) AND bridge_covers(n);
END $cover$;

-- Both as one value.
CREATE OR REPLACE FUNCTION bridge_cover_found(room integer, priority smallint, begins timestamptz, ends timestamptz) RETURNS boolean[]
LANGUAGE sql STABLE AS $found$
  SELECT ARRAY[c.covered, c.confirmed] FROM bridge_cover_of(room, priority, begins, ends) c
$found$;

-- Makes due the items of lower priority at a time of a room: they may appear or disappear.
CREATE OR REPLACE FUNCTION bridge_examine_beneath(room integer, priority smallint, begins timestamptz, ends timestamptz)
RETURNS void LANGUAGE plpgsql AS $beneath$
DECLARE
  slot constant box := box(point(room, extract(epoch FROM begins AT TIME ZONE 'UTC')::float8),
                           point(room, extract(epoch FROM ends AT TIME ZONE 'UTC')::float8));
BEGIN
  -- mostly there is none, and an UPDATE without rows takes several times as long: it prepares all indexes, triggers and constraints
  IF NOT EXISTS (SELECT FROM bridge_mappings m WHERE bridge_slot(m.resource_id, m.starts_at, m.ends_at) && slot AND m.present
      AND m.priority_level > priority) THEN
    RETURN;
  END IF;
  UPDATE bridge_mappings
  SET due_at = now(), lane = 0, revision = revision + 1, attempt = 0
  WHERE bridge_slot(resource_id, starts_at, ends_at) && slot AND present
    AND priority_level > priority AND greatest(starts_at, begins) < least(ends_at, ends) AND sync_status <> 'imported';
  IF FOUND THEN
    PERFORM bridge_ring_room(room);
  END IF;
END $beneath$;

-- A change in Outlook that was refused because a reservation has its time is tried again when that reservation is removed or moved. It
-- may be a change of an event in this room, or of a reservation of several rooms, this one among them.
CREATE OR REPLACE FUNCTION bridge_retry_refused(room integer, begins timestamptz, ends timestamptz) RETURNS void LANGUAGE plpgsql AS $retry$
BEGIN
  WITH retried AS (
    UPDATE bridge_mappings m
    SET due_at = now(), lane = 0, revision = m.revision + 1, attempt = 0
    WHERE m.sync_status = 'conflict' AND (m.due_at IS NULL OR m.due_at > now()) AND m.conflict ->> 'kind' IN ('overlap', 'refused')
      AND (m.outlook_seen ->> 'startsAt')::timestamptz < ends AND (m.outlook_seen ->> 'endsAt')::timestamptz > begins
      AND (m.resource_id = room OR EXISTS (
        SELECT FROM bridge_mappings o WHERE o.reservation_type = m.reservation_type AND o.reservation_id = m.reservation_id AND o.resource_id = room))
    RETURNING m.resource_id
  )
  UPDATE bridge_room_state s SET push_due_at = least(s.push_due_at, now()), push_lane = 0
  FROM bridge_resource_mappings r WHERE r.id = s.resource_mapping_id AND r.resource_id IN (SELECT resource_id FROM retried);
  IF FOUND THEN
    PERFORM bridge_wake();
  END IF;
END $retry$;

-- An older version has this with other arguments.
DO $drop$
BEGIN
  IF to_regprocedure('bridge_cover_concerns_others(bridge_mappings, bridge_mappings)') IS NOT NULL THEN
    DROP FUNCTION bridge_cover_concerns_others(bridge_mappings, bridge_mappings);
  END IF;
END $drop$;

-- Whether bridge_cover_changed may write other mappings when this one gets another presence, priority or time: items beneath its former or
-- new time, or changes in Outlook that were refused because of it.
CREATE OR REPLACE FUNCTION bridge_cover_concerns_others(was bridge_mappings, becomes_priority smallint, begins timestamptz, ends timestamptz)
RETURNS boolean LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $concerns$
BEGIN
  RETURN EXISTS (SELECT FROM bridge_mappings m WHERE bridge_slot(m.resource_id, m.starts_at, m.ends_at)
        && bridge_slot(was.resource_id, was.starts_at, was.ends_at) AND m.present AND m.priority_level > was.priority_level)
    OR EXISTS (SELECT FROM bridge_mappings m WHERE bridge_slot(m.resource_id, m.starts_at, m.ends_at)
        && bridge_slot(was.resource_id, begins, ends) AND m.present AND m.priority_level > becomes_priority)
    OR EXISTS (SELECT FROM bridge_mappings m WHERE m.sync_status = 'conflict' AND m.conflict ->> 'kind' IN ('overlap', 'refused')
        AND (m.outlook_seen ->> 'startsAt')::timestamptz < was.ends_at AND (m.outlook_seen ->> 'endsAt')::timestamptz > was.starts_at);
END $concerns$;

-- The only place where a change of time, priority or presence affects the items beneath it, whether by the fold, a write-back from
-- Outlook, a comparison, a settlement, a removal or a person's SQL. Items under the old time may appear when nothing covers them any
-- more; items under the new one disappear when Outlook shows the cover.
CREATE OR REPLACE FUNCTION bridge_cover_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $changed$
DECLARE
  stays constant boolean := TG_OP = 'UPDATE' AND (OLD.resource_id, OLD.priority_level, OLD.starts_at, OLD.ends_at)
    IS NOT DISTINCT FROM (NEW.resource_id, NEW.priority_level, NEW.starts_at, NEW.ends_at);
BEGIN
  IF TG_OP <> 'INSERT' AND bridge_covers(OLD) AND NOT (stays AND bridge_covers(NEW)) THEN
    PERFORM bridge_examine_beneath(OLD.resource_id, OLD.priority_level, OLD.starts_at, OLD.ends_at);
  END IF;
  IF TG_OP <> 'DELETE' AND bridge_cover_is_shown(NEW) AND NOT (stays AND bridge_cover_is_shown(OLD)) THEN
    PERFORM bridge_examine_beneath(NEW.resource_id, NEW.priority_level, NEW.starts_at, NEW.ends_at);
  END IF;
  IF TG_OP <> 'INSERT' AND OLD.present AND NOT (stays AND NEW.present) THEN
    PERFORM bridge_retry_refused(OLD.resource_id, OLD.starts_at, OLD.ends_at);
  END IF;
  RETURN NULL;
END $changed$;
CREATE OR REPLACE TRIGGER bridge_mappings_cover_appeared AFTER INSERT ON bridge_mappings FOR EACH ROW
  WHEN (NEW.present AND NEW.outlook_event_id IS NOT NULL) EXECUTE FUNCTION bridge_cover_changed();
-- Deleted mappings with an event: the room is compared as a whole, see bridge_mapping_lost.
CREATE OR REPLACE TRIGGER bridge_mappings_cover_removed AFTER DELETE ON bridge_mappings FOR EACH ROW
  WHEN (OLD.present AND OLD.outlook_event_id IS NULL AND OLD.sync_status <> 'shadowed') EXECUTE FUNCTION bridge_cover_changed();
-- Most updates are edits that wait to be sent (synced, then pending), which change no cover.
CREATE OR REPLACE TRIGGER bridge_mappings_cover_changed AFTER UPDATE ON bridge_mappings FOR EACH ROW
  WHEN ((OLD.present OR NEW.present) AND (
    (OLD.resource_id, OLD.present, OLD.priority_level, OLD.starts_at, OLD.ends_at, OLD.outlook_event_id IS NULL, OLD.attempt < 5)
      IS DISTINCT FROM
    (NEW.resource_id, NEW.present, NEW.priority_level, NEW.starts_at, NEW.ends_at, NEW.outlook_event_id IS NULL, NEW.attempt < 5)
    OR NEW.sync_status IN ('error', 'conflict', 'cancelled') OR NEW.sync_status <> OLD.sync_status AND NEW.sync_status <> 'pending'))
  EXECUTE FUNCTION bridge_cover_changed();
