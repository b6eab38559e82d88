-- From the outbox to due mappings: what changed, and what shares its time.
--
-- The functions of the way from wake to work plan each of their statements once: for `bridge_items`, a union over the
-- booking system's tables, planning takes longer than the reading does. Such a plan may have been made while our tables
-- were empty and is kept while a backfill fills them, so it must use the indexes from the beginning.

-- Takes up to `most` rows from the outbox and makes their reservations due in every room they are or were in.
-- Coalescing is free: ten edits of one reservation are one due row. Rows are claimed by state and deleted, never by
-- position: a transaction that took its sequence number early and commits late is not missed. Returns how many outbox
-- rows were `taken`, and of a few changes the `items` that were read on the way, by mapping, for `bridge_due_items`.
CREATE OR REPLACE FUNCTION bridge_gather(past_days integer, future_days integer, most integer) RETURNS jsonb
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $gather$
DECLARE
  kept_items constant integer := 12;
  taken integer;
  rescan boolean;
  items jsonb;
BEGIN
  IF NOT EXISTS (SELECT FROM bridge_changes) THEN
    RETURN '{"taken": 0, "items": {}}';
  END IF;
  PERFORM pg_advisory_xact_lock(7230912, 2);
  -- one statement for all of it: to begin one takes longer than to read a reservation
  WITH gone AS (
    DELETE FROM bridge_changes
    WHERE seq = ANY (ARRAY(SELECT seq FROM bridge_changes ORDER BY seq LIMIT most FOR UPDATE SKIP LOCKED))
    RETURNING reservation_type, reservation_id, changed_at
  ), each AS MATERIALIZED (
    SELECT reservation_type AS kind, reservation_id AS reservation, min(changed_at) AS changed_at, count(*) AS n
    FROM gone GROUP BY reservation_type, reservation_id
  ), seen AS MATERIALIZED (
    -- every active room a reservation is in or was in: its mapping, if it has one, beside its item, if it still has one
    -- there (a room that is switched off compares later)
    SELECT c.kind, c.reservation, c.changed_at, r.id AS room_id, r.resource_id, r.outlook_item_id, r.sync_direction, b.*
    FROM each c CROSS JOIN LATERAL (
      SELECT m.id, coalesce(m.resource_id, v.resource_id) AS room, coalesce(v.active, false) AS active,
        coalesce(v.priority_level, m.priority_level) AS priority_level, coalesce(v.starts_at, m.starts_at) AS starts_at,
        coalesce(v.ends_at, m.ends_at) AS ends_at,
        CASE WHEN (SELECT count(*) FROM each) <= kept_items AND v.active IS NOT NULL THEN jsonb_build_object(
          'active', v.active, 'startsAt', v.starts_at, 'endsAt', v.ends_at,
          'state', bridge_item_state(v.starts_at, v.ends_at, v.all_day, v.title, v.description, v.is_private)
            || CASE WHEN r.style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(v), r.style) END) END AS kept
      FROM (SELECT * FROM bridge_mappings WHERE reservation_type = c.kind AND reservation_id = c.reservation) m
      FULL JOIN (SELECT * FROM bridge_items WHERE reservation_type = c.kind AND reservation_id = c.reservation) v
        ON v.resource_id = m.resource_id
      CROSS JOIN LATERAL (SELECT CASE WHEN (SELECT count(*) FROM each) <= kept_items THEN bridge_style(v.resource_id) END AS style) r
      OFFSET 0) b
    JOIN bridge_resource_mappings r ON r.resource_id = b.room AND r.active = 1
  ), known AS (
    UPDATE bridge_mappings m
    SET present = s.active, starts_at = s.starts_at, ends_at = s.ends_at, priority_level = s.priority_level,
        -- what is due already stays so since then: no index has to know of another edit
        due_at = CASE WHEN m.due_at <= now() THEN m.due_at ELSE now() END, lane = 0, attempt = 0, revision = m.revision + 1,
        changed_at = CASE WHEN m.due_at IS NULL THEN s.changed_at ELSE coalesce(m.changed_at, s.changed_at) END,
        last_modified_booking = s.changed_at, updated_at = now(),
        sync_status = CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END
    FROM seen s WHERE m.id = s.id
  ), fresh AS (
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, priority_level,
      starts_at, ends_at, due_at, changed_at, last_modified_booking)
    SELECT s.kind, s.reservation, s.resource_id, s.outlook_item_id, s.priority_level, s.starts_at, s.ends_at, now(),
      s.changed_at, s.changed_at
    FROM seen s
    WHERE s.id IS NULL AND s.active AND s.sync_direction <> 'outlook_to_booking'
      AND s.ends_at > (SELECT w.opens FROM bridge_window(past_days, future_days) w)
      AND s.starts_at < (SELECT w.closes FROM bridge_window(past_days, future_days) w)
    ON CONFLICT (reservation_type, reservation_id, resource_id) DO UPDATE -- a reconcile found it in the same moment
    SET present = true, starts_at = excluded.starts_at, ends_at = excluded.ends_at, due_at = now(), lane = 0, attempt = 0,
        revision = bridge_mappings.revision + 1, changed_at = coalesce(bridge_mappings.changed_at, excluded.changed_at),
        last_modified_booking = excluded.last_modified_booking
    RETURNING id, reservation_type, reservation_id, resource_id
  ), touched AS MATERIALIZED (
    SELECT s.*, s.id AS mapping FROM seen s WHERE s.id IS NOT NULL
    UNION ALL
    SELECT s.*, f.id FROM fresh f JOIN seen s ON s.id IS NULL AND s.kind = f.reservation_type
      AND s.reservation = f.reservation_id AND s.resource_id = f.resource_id
  ), rung AS (
    UPDATE bridge_room_state b SET push_due_at = least(b.push_due_at, now()), push_lane = 0, updated_at = now()
    WHERE b.resource_mapping_id = ANY (ARRAY(SELECT t.room_id FROM touched t))
  )
  SELECT (SELECT sum(e.n) FROM each e), EXISTS (SELECT FROM each e WHERE e.reservation IS NULL),
    coalesce(jsonb_object_agg(t.mapping, t.kept) FILTER (WHERE t.kept IS NOT NULL), '{}')
  INTO taken, rescan, items FROM touched t;
  IF rescan THEN
    UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now(), push_lane = 0, updated_at = now();
  END IF;
  RETURN jsonb_build_object('taken', coalesce(taken, 0), 'items', items);
END $gather$;

-- The same by itself. Returns how many outbox rows were taken.
CREATE OR REPLACE FUNCTION bridge_fold(past_days integer, future_days integer, most integer) RETURNS integer LANGUAGE sql AS $fold$
  SELECT (bridge_gather(past_days, future_days, most) ->> 'taken')::integer
$fold$;
