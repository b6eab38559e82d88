-- The comparison of a whole room with the booking system.

-- Compares the window of one room with its mappings and makes due what differs: changes that no trigger recorded, items that entered
-- the window and, in a new room, all items (the backfill, in lane 1). Both sides are the booking system, now and as it was last read,
-- so a room without differences yields nothing.
CREATE OR REPLACE FUNCTION bridge_reconcile(room_id integer, epoch bigint, past_days integer, future_days integer) RETURNS jsonb
LANGUAGE plpgsql AS $reconcile$
DECLARE
  room bridge_resource_mappings;
  style jsonb;
  requested_at timestamptz;
  opens timestamptz;
  closes timestamptz;
  earliest timestamptz;
  added integer;
  changed integer;
  gone integer;
  covered integer;
  fresh jsonb;
  differing bigint[];
  missing bigint[];
  misplaced bigint[];
  unreadable text[];
BEGIN
  SELECT s.reconcile_requested_at INTO requested_at FROM bridge_room_state s WHERE s.resource_mapping_id = room_id;
  SELECT r.* INTO room FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id
  WHERE r.id = room_id AND s.lease_epoch = epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', room_id USING ERRCODE = 'BR001';
  END IF;
  style := bridge_style(room.resource_id);
  SELECT w.opens, w.closes INTO opens, closes FROM bridge_window(past_days, future_days) w;
  -- items that began before the window may be covered there
  SELECT least(opens, min(m.starts_at)) INTO earliest FROM bridge_mappings m WHERE m.resource_id = room.resource_id AND m.ends_at > opens;
  -- First the differences are found, without a lock, because it takes long in a large room.
  LOOP
    BEGIN
      WITH items AS MATERIALIZED (
        SELECT i.reservation_type, i.reservation_id, i.priority_level, i.active, i.starts_at, i.ends_at,
               bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
                 || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END AS state
        FROM (
          SELECT n.* FROM bridge_items n
          WHERE unreadable IS NULL AND n.resource_id = room.resource_id AND n.ends_at > opens AND n.starts_at < closes
          UNION ALL
          -- each by its id: a condition on a column that fails would fail again, whatever the other conditions
          SELECT n.* FROM (
            SELECT DISTINCT k.reservation_type, k.reservation_id FROM bridge_items k
            WHERE unreadable IS NOT NULL AND k.resource_id = room.resource_id
              AND NOT concat(k.reservation_type, '/', k.reservation_id) = ANY (unreadable) OFFSET 0) r
          CROSS JOIN LATERAL (
            SELECT v.* FROM bridge_items v
            WHERE v.reservation_type = r.reservation_type AND v.reservation_id = r.reservation_id AND v.resource_id = room.resource_id OFFSET 0) n
          WHERE n.ends_at > opens AND n.starts_at < closes) i
        WHERE i.reservation_id IS NOT NULL
      ), both_sides AS (
        SELECT m.id, i.reservation_type IS NULL AS is_gone
        FROM bridge_mappings m
        LEFT JOIN items w ON w.reservation_type = m.reservation_type AND w.reservation_id = m.reservation_id
        -- items that the booking system has outside the window now, or not at all
        LEFT JOIN LATERAL (
          SELECT i.reservation_type, i.reservation_id, i.priority_level, i.active, i.starts_at, i.ends_at,
                 bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
                   || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END AS state
          FROM bridge_items i
          WHERE w.reservation_type IS NULL
            AND i.reservation_type = m.reservation_type AND i.reservation_id = m.reservation_id AND i.resource_id = m.resource_id
          OFFSET 0) e ON true
        CROSS JOIN LATERAL (SELECT coalesce(w.reservation_type, e.reservation_type) AS reservation_type, coalesce(w.active, e.active) AS active,
          coalesce(w.starts_at, e.starts_at) AS starts_at, coalesce(w.ends_at, e.ends_at) AS ends_at,
          coalesce(w.priority_level, e.priority_level) AS priority_level, coalesce(w.state, e.state) AS state) i
        WHERE m.resource_id = room.resource_id AND m.reservation_id IS NOT NULL
          -- a row that could not be read waits for its next try, and can be read now
          AND (m.due_at IS NULL OR m.sync_status = 'error' AND m.due_at > clock_timestamp())
          AND (unreadable IS NULL OR NOT concat(m.reservation_type, '/', m.reservation_id) = ANY (unreadable))
          AND (w.reservation_type IS NOT NULL OR m.ends_at > opens AND m.starts_at < closes)
          AND CASE WHEN i.reservation_type IS NULL THEN m.sync_status NOT IN ('cancelled', 'imported')
                   -- a room that only follows Outlook stores no booking_seen; an item in error may be readable again
                   WHEN i.active THEN (room.sync_direction <> 'outlook_to_booking' OR m.sync_status = 'error') AND m.booking_seen IS DISTINCT FROM i.state OR NOT m.present OR m.sync_status = 'cancelled'
                     -- read without a trigger: its state was synchronized, and its time was not stored
                     OR (m.starts_at, m.ends_at, m.priority_level)
                       IS DISTINCT FROM (i.starts_at, i.ends_at, coalesce(i.priority_level, m.priority_level))
                   -- a meeting that waits for approval keeps its event
                   WHEN i.state #> '{as,awaiting}' = 'true' AND m.sync_direction = 'outlook_to_booking' THEN m.present OR m.booking_seen IS DISTINCT FROM i.state
                   ELSE m.present OR m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled' END
      ), unmapped AS (
        SELECT i.reservation_type, i.reservation_id, coalesce(i.priority_level, 1) AS priority_level, i.starts_at, i.ends_at, i.state FROM items i
        WHERE i.active AND room.sync_direction <> 'outlook_to_booking'
          AND NOT EXISTS (SELECT FROM bridge_mappings m WHERE m.reservation_type = i.reservation_type
                          AND m.reservation_id = i.reservation_id AND m.resource_id = room.resource_id)
      ), cover AS (
        -- the cover of each priority, as bridge_cover_of finds it for one item
        SELECT p.priority_level,
          coalesce(range_agg(tstzrange(n.starts_at, n.ends_at)) FILTER (WHERE bridge_covers(n)), '{}') AS spans,
          coalesce(range_agg(tstzrange(n.starts_at, n.ends_at)) FILTER (WHERE bridge_cover_is_shown(n)), '{}') AS shown
        FROM (SELECT DISTINCT priority_level FROM bridge_mappings WHERE resource_id = room.resource_id AND present AND ends_at > opens) p
        LEFT JOIN bridge_mappings n ON n.resource_id = room.resource_id AND n.present AND n.priority_level < p.priority_level
          AND n.starts_at < n.ends_at AND n.ends_at > earliest
        GROUP BY p.priority_level
      )
      SELECT (SELECT coalesce(jsonb_agg(to_jsonb(u)), '[]') FROM unmapped u),
             (SELECT coalesce(array_agg(id) FILTER (WHERE NOT is_gone), '{}') FROM both_sides),
             (SELECT coalesce(array_agg(id) FILTER (WHERE is_gone), '{}') FROM both_sides),
             (SELECT coalesce(array_agg(m.id), '{}') FROM bridge_mappings m JOIN cover c USING (priority_level)
              WHERE m.resource_id = room.resource_id AND m.due_at IS NULL AND m.present AND m.starts_at < m.ends_at AND m.ends_at > opens
                AND CASE m.sync_status WHEN 'shadowed' THEN NOT c.spans @> tstzrange(m.starts_at, m.ends_at)
                      WHEN 'synced' THEN c.shown @> tstzrange(m.starts_at, m.ends_at) AND m.is_organizer
                        AND room.sync_direction <> 'outlook_to_booking' END)
      INTO fresh, differing, missing, misplaced;
      EXIT;
    EXCEPTION WHEN OTHERS THEN
      IF unreadable IS NOT NULL OR NOT bridge_concerns_rows(SQLSTATE) THEN
        RAISE;
      END IF;
      -- reservations whose rows fail stay as they are, and the others are compared
      unreadable := bridge_unreadable_in(room.resource_id, style);
    END;
  END LOOP;
  -- Then they are stored, never during a fold, which may insert the same mapping.
  PERFORM bridge_lock_for_settlement();
  DELETE FROM bridge_mappings m
  WHERE m.resource_id = room.resource_id AND m.reservation_id IS NULL
    -- not imported while it waited, and behind the window now
    AND (m.outlook_event_id IS NULL OR m.waits_for IS NOT NULL AND m.due_at IS NULL AND m.ends_at <= opens);
  INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, priority_level,
    starts_at, ends_at, due_at, lane, sent_states)
  SELECT f.reservation_type, f.reservation_id, room.resource_id, room.outlook_item_id, f.priority_level, f.starts_at, f.ends_at, now(), 1,
    jsonb_build_array(f.state) -- see 28_sent.sql
  FROM jsonb_to_recordset(fresh) AS f (reservation_type text, reservation_id bigint, priority_level smallint, starts_at timestamptz,
    ends_at timestamptz, state jsonb)
  ORDER BY f.priority_level, f.starts_at, f.reservation_type, f.reservation_id
  ON CONFLICT (reservation_type, reservation_id, resource_id) DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  UPDATE bridge_mappings m
  SET present = coalesce(i.active, false), starts_at = i.starts_at, ends_at = i.ends_at, priority_level = coalesce(i.priority_level, m.priority_level),
      due_at = now(), lane = 1, attempt = 0, revision = m.revision + 1, updated_at = now(),
      sync_status = CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END
  FROM (SELECT d.id, v.* FROM bridge_mappings d
        CROSS JOIN LATERAL (SELECT i.active, i.starts_at, i.ends_at, i.priority_level FROM bridge_items i
                            WHERE i.reservation_type = d.reservation_type AND i.reservation_id = d.reservation_id
                              AND i.resource_id = room.resource_id OFFSET 0) v
        WHERE d.id = ANY (differing)) i
  WHERE m.id = i.id AND (m.due_at IS NULL OR m.sync_status = 'error');
  GET DIAGNOSTICS changed = ROW_COUNT;
  UPDATE bridge_mappings m
  SET present = false, due_at = now(), lane = 1, attempt = 0, revision = m.revision + 1, updated_at = now()
  WHERE m.id = ANY (missing) AND (m.due_at IS NULL OR m.sync_status = 'error');
  GET DIAGNOSTICS gone = ROW_COUNT;
  -- shadowed without cover, or shown although covered
  UPDATE bridge_mappings m SET due_at = now(), lane = 1, attempt = 0, revision = m.revision + 1
  WHERE m.id = ANY (misplaced) AND m.due_at IS NULL;
  GET DIAGNOSTICS covered = ROW_COUNT;
  -- news from Outlook that was put off, and conflicts, whose reason may have ended
  UPDATE bridge_mappings m SET due_at = now(), lane = 1, revision = m.revision + 1,
    outlook_news = coalesce(m.outlook_news, CASE WHEN m.outlook_event_id IS NOT NULL THEN 'look' END)
  WHERE m.resource_id = room.resource_id AND m.due_at IS NULL
    AND (m.sync_status = 'conflict' AND m.conflict ->> 'kind' <> 'gone' OR m.sync_status <> 'conflict' AND m.outlook_news IS NOT NULL);
  -- requested again during this comparison: the room is compared once more
  UPDATE bridge_room_state SET updated_at = now(),
    reconciled_at = CASE WHEN reconcile_requested_at IS NOT DISTINCT FROM requested_at THEN now() END,
    backfill_total = CASE WHEN added > 0 THEN added ELSE backfill_total END
  WHERE resource_mapping_id = room_id;
  RETURN jsonb_build_object('added', added, 'changed', changed + covered, 'gone', gone);
END $reconcile$;
