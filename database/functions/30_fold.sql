-- From the outbox to due mappings: what changed, and what shares its time.
--
-- The functions of the way from wake to work plan each of their statements once: for `bridge_items`, a union over the
-- booking system's tables, planning takes longer than the reading does. Such a plan may have been made while our tables
-- were empty and is kept while a backfill fills them, so it must use the indexes from the beginning.

-- Items of lower priority that share time with one that changed may appear or vanish (5.4 of the design: one slot
-- is shown once), so they are looked at again. Never those of the same or a higher priority.
-- The rectangle finds room and time at once; no other condition may lend itself to an index, or the planner reads that too.
CREATE OR REPLACE FUNCTION bridge_ring_neighbours(room integer, priority smallint, from_at timestamptz, to_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $neighbours$
DECLARE
  -- written out: bridge_slot() with constant arguments would be run by the planner, which costs more than the search
  slot constant box := box(point(room, extract(epoch FROM from_at AT TIME ZONE 'UTC')::float8),
                           point(room, extract(epoch FROM to_at AT TIME ZONE 'UTC')::float8));
BEGIN
  UPDATE bridge_mappings
  SET due_at = now(), lane = 0, revision = revision + 1, attempt = 0
  WHERE bridge_slot(resource_id, starts_at, ends_at) && slot AND present
    AND priority_level > priority AND greatest(starts_at, from_at) < least(ends_at, to_at) AND sync_status <> 'imported';
END $neighbours$;

-- Takes up to `most` rows from the outbox and makes their reservations due in every room they are or were in.
-- Coalescing is free: ten edits of one reservation are one due row. Rows are claimed by state and deleted, never by
-- position: a transaction that took its sequence number early and commits late is not missed. Returns how many outbox
-- rows were `taken`, and of a few changes the `items` that were read on the way, by mapping, for `bridge_due_items`.
CREATE OR REPLACE FUNCTION bridge_gather(past_days integer, future_days integer, most integer) RETURNS jsonb
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $gather$
DECLARE
  kept_items constant integer := 12;
  opens timestamptz;
  closes timestamptz;
  taken integer;
  kinds text[];
  ids bigint[];
  changes timestamptz[];
  rooms integer[] := '{}';
  items jsonb := '{}';
  item record;
BEGIN
  IF NOT EXISTS (SELECT FROM bridge_changes) THEN
    RETURN '{"taken": 0, "items": {}}';
  END IF;
  PERFORM pg_advisory_xact_lock(7230912, 2);
  WITH gone AS (
    DELETE FROM bridge_changes
    WHERE seq = ANY (ARRAY(SELECT seq FROM bridge_changes ORDER BY seq LIMIT most FOR UPDATE SKIP LOCKED))
    RETURNING reservation_type, reservation_id, changed_at
  ), each AS (
    SELECT reservation_type, reservation_id, min(changed_at) AS changed_at, count(*) AS n
    FROM gone GROUP BY reservation_type, reservation_id ORDER BY min(changed_at), 1, 2
  )
  SELECT array_agg(reservation_type), array_agg(reservation_id), array_agg(changed_at), sum(n)
  INTO kinds, ids, changes, taken FROM each;
  IF taken IS NULL THEN
    RETURN '{"taken": 0, "items": {}}';
  END IF;
  IF array_position(ids, NULL) IS NOT NULL THEN
    UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now(), push_lane = 0, updated_at = now();
  END IF;
  -- every active room a reservation is in or was in: its mapping, if it has one, beside its item, if it still has one
  -- there (a room that is switched off compares later). One query for all of them: to begin one takes longer than to
  -- read a reservation.
  FOR item IN
    SELECT c.kind, c.reservation, c.changed_at, r.resource_id, r.outlook_item_id, r.sync_direction, b.*
    FROM unnest(kinds, ids, changes) WITH ORDINALITY AS c (kind, reservation, changed_at, place)
    CROSS JOIN LATERAL (
      SELECT m.id, m.present AS was_present, m.priority_level AS was_priority, m.starts_at AS began_at, m.ends_at AS ended_at,
        coalesce(m.resource_id, v.resource_id) AS room, coalesce(v.active, false) AS active,
        coalesce(v.priority_level, m.priority_level) AS priority_level, coalesce(v.starts_at, m.starts_at) AS starts_at,
        coalesce(v.ends_at, m.ends_at) AS ends_at,
        CASE WHEN cardinality(ids) <= kept_items AND v.active IS NOT NULL THEN jsonb_build_object(
          'active', v.active, 'startsAt', v.starts_at, 'endsAt', v.ends_at,
          'state', bridge_item_state(v.starts_at, v.ends_at, v.all_day, v.title, v.description, v.is_private)) END AS kept
      FROM (SELECT * FROM bridge_mappings WHERE reservation_type = c.kind AND reservation_id = c.reservation) m
      FULL JOIN (SELECT * FROM bridge_items WHERE reservation_type = c.kind AND reservation_id = c.reservation) v
        ON v.resource_id = m.resource_id
      OFFSET 0) b
    JOIN bridge_resource_mappings r ON r.resource_id = b.room AND r.active = 1
    ORDER BY c.place, r.resource_id
  LOOP
    IF item.id IS NULL THEN
      IF opens IS NULL THEN
        SELECT w.opens, w.closes INTO opens, closes FROM bridge_window(past_days, future_days) w;
      END IF;
      CONTINUE WHEN NOT item.active OR item.ends_at <= opens OR item.starts_at >= closes
        OR item.sync_direction = 'outlook_to_booking';
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, priority_level,
        starts_at, ends_at, due_at, changed_at, last_modified_booking)
      VALUES (item.kind, item.reservation, item.resource_id, item.outlook_item_id, item.priority_level,
        item.starts_at, item.ends_at, now(), item.changed_at, item.changed_at)
      ON CONFLICT (reservation_type, reservation_id, resource_id) DO UPDATE -- a reconcile found it in the same moment
      SET present = true, starts_at = excluded.starts_at, ends_at = excluded.ends_at, due_at = now(), lane = 0, attempt = 0,
          revision = bridge_mappings.revision + 1, changed_at = coalesce(bridge_mappings.changed_at, excluded.changed_at),
          last_modified_booking = excluded.last_modified_booking
      RETURNING id INTO item.id;
    ELSE
      UPDATE bridge_mappings m
      SET present = item.active, starts_at = item.starts_at, ends_at = item.ends_at, priority_level = item.priority_level,
          due_at = now(), lane = 0, attempt = 0, revision = m.revision + 1,
          changed_at = CASE WHEN m.due_at IS NULL THEN item.changed_at ELSE coalesce(m.changed_at, item.changed_at) END,
          last_modified_booking = item.changed_at, updated_at = now(),
          sync_status = CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END
      WHERE m.id = item.id;
    END IF;
    rooms := rooms || item.resource_id;
    IF item.kept IS NOT NULL THEN
      items := items || jsonb_build_object(item.id::text, item.kept);
    END IF;
    -- what lies beneath it only asks where it lies, not what it says
    CONTINUE WHEN (item.was_present, item.was_priority, item.began_at, item.ended_at)
      IS NOT DISTINCT FROM (item.active, item.priority_level, item.starts_at, item.ends_at);
    IF item.was_present AND item.began_at IS NOT NULL THEN
      PERFORM bridge_ring_neighbours(item.resource_id, item.was_priority, item.began_at, item.ended_at);
    END IF;
    IF item.active THEN
      PERFORM bridge_ring_neighbours(item.resource_id, item.priority_level, item.starts_at, item.ends_at);
    END IF;
  END LOOP;

  UPDATE bridge_room_state s SET push_due_at = least(s.push_due_at, now()), push_lane = 0, updated_at = now()
  FROM bridge_resource_mappings r
  WHERE r.id = s.resource_mapping_id AND r.active = 1 AND r.resource_id = ANY (rooms);
  RETURN jsonb_build_object('taken', taken, 'items', items);
END $gather$;

-- The same by itself. Returns how many outbox rows were taken.
CREATE OR REPLACE FUNCTION bridge_fold(past_days integer, future_days integer, most integer) RETURNS integer LANGUAGE sql AS $fold$
  SELECT (bridge_gather(past_days, future_days, most) ->> 'taken')::integer
$fold$;
