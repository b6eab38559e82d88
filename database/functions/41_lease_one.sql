-- The lease of a single change, the most frequent case: it is answered before it is stored.
--
-- The daemon sends while this transaction still stores the fold and the lease (`queryEarly` in src/database.ts). All tables and rows that
-- are to be stored are locked before the answer, so only a failing server prevents the commit; the daemon then gives up all leases. Each
-- of these functions starts few statements, because starting one takes longer than running it, most of all in a session that was idle.

-- Its answer: the room with its only work item.
CREATE OR REPLACE FUNCTION bridge_leased_one(folded integer, held integer[], r bridge_resource_mappings, epoch bigint, baselined_at timestamptz,
  reconciled_at timestamptz, attempt integer, pulls boolean, hinted boolean, missing boolean, work json) RETURNS json LANGUAGE sql STABLE AS $answer$
  SELECT json_build_object('folded', folded, 'more', false, 'stopped', CASE WHEN held = '{}' THEN '[]'::json ELSE bridge_stopped(held) END,
    'rooms', json_build_array(bridge_leased(r, NULL, epoch, baselined_at, reconciled_at, attempt, pulls, hinted, missing, json_build_array(work))))
$answer$;

-- the view of the adapter is created later
SET check_function_bodies = off;
-- The only item of a reservation, its room, and both as bridge_lease_one needs them. `kept`: the priority that its mapping has. A single
-- query without settings, so that it is inlined.
CREATE OR REPLACE FUNCTION bridge_read_one(kind text, id_ bigint, kept smallint, past_days integer, future_days integer) RETURNS TABLE (
  of_list bridge_resource_mappings, room integer, resource_id integer, active boolean, starts_at timestamptz, ends_at timestamptz, priority smallint,
  digest bigint, state jsonb, in_window boolean, cover boolean[], missing boolean) LANGUAGE sql STABLE AS $read$
  SELECT r.of_list, r.id, v.resource_id, v.active, v.starts_at, v.ends_at, p.priority,
    hash_record_extended(ROW(v.active, v.priority_level, v.starts_at, v.ends_at, v.all_day, v.title, v.description,
      v.organizer_name, v.organizer_email, v.is_private), 0),
    bridge_item_state(v.starts_at, v.ends_at, v.all_day, v.title, v.description, v.is_private)
      || CASE WHEN r.privacy IS NULL AND r.title_template IS NULL AND NOT EXISTS (
           SELECT FROM bridge_settings s WHERE s.name IN ('privacy', 'title_template') AND s.value NOT IN ('neutral', '{title}')) THEN '{}'
         ELSE coalesce(bridge_appearance(to_jsonb(v), bridge_style(v.resource_id)), '{}') END,
    -- the limits are computed only for a time that is near to one
    CASE WHEN v.ends_at > now() - (past_days - 2) * interval '1 day' AND v.starts_at < now() + (future_days - 2) * interval '1 day'
      THEN true ELSE bridge_is_in_window(v.starts_at, v.ends_at, past_days, future_days) END,
    -- nothing covers the highest priority, and an item that ends before it starts is shown as it is
    CASE WHEN p.priority > 1 AND v.active AND v.starts_at < v.ends_at
      THEN bridge_cover_found(v.resource_id, p.priority, v.starts_at, v.ends_at) ELSE '{false,false}' END,
    EXISTS (SELECT FROM bridge_mappings n WHERE n.resource_id = v.resource_id AND n.outlook_news IN ('missing', 'gone'))
  FROM (SELECT i.*, count(*) OVER () AS items FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_) v
  CROSS JOIN LATERAL (SELECT coalesce(v.priority_level, kept, 1::smallint) AS priority) p
  -- by a range and its order, so that a plan made while there were few rooms uses the index of the resource, too
  CROSS JOIN LATERAL (
    SELECT o AS of_list, o.id, o.privacy, o.title_template FROM bridge_resource_mappings o
    WHERE o.resource_id >= v.resource_id AND o.resource_id <= v.resource_id AND o.active = 1 ORDER BY o.resource_id LIMIT 1) r
  WHERE v.items = 1 OFFSET 0
$read$;
RESET check_function_bodies;

-- As bridge_lease, which it calls in all cases but this one: the outbox contains the change of one reservation with one item, in a room
-- that is free. It has no mapping yet, or one, in the same room, whose event is known, and no other mapping is concerned. `room_id` NULL: all
-- is stored. Else bridge_record_one is to be called with the other results, in this transaction.
CREATE OR REPLACE FUNCTION bridge_lease_one(replica uuid, held integer[], rooms integer, most integer, past_days integer,
  future_days integer, fold_most integer, any_lane boolean, asked_only boolean, changed_first boolean,
  OUT answer json, OUT mapping_id bigint, OUT present_ boolean, OUT priority smallint, OUT begins timestamptz, OUT ends timestamptz,
  OUT digest bigint, OUT state jsonb, OUT since timestamptz, OUT places tid[], OUT room_id integer) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
-- as in bridge_gather
SET enable_bitmapscan = off AS $one$
DECLARE
  -- a reservation that a person saves may be written in several tables
  most_rows constant integer := 8;
  columns_of_each_view constant smallint := 13;
  waiting record;
  known record;
  is_new boolean;
  is_ready boolean;
BEGIN
  <<one>>
  BEGIN
    EXIT one WHEN NOT changed_first OR rooms < 1 OR fold_most < 1;
    -- Rows that another fold has locked are skipped. The lock is waited for here, because the next statement has to see what was
    -- committed until then.
    SELECT min(c.kind) AS kind, min(c.id) AS id, min(c.since) AS since, array_agg(c.place) AS places, count(*)::integer AS many,
      -- CASE, because AND would take the lock after a comparison with NULL, too: with an empty outbox no lease waits for settlements
      CASE WHEN count(*) <= most_rows AND count(c.id) = count(*) AND count(c.key) = 0 AND min(c.kind) = max(c.kind) AND min(c.id) = max(c.id)
          -- a view with further columns may have keys, replaced reservations or states (sql/README.md)
          AND has_column_privilege('public.bridge_items'::regclass, (columns_of_each_view + 1)::smallint, 'SELECT') IS NULL
        THEN bridge_locked_for_fold() END AS is_one,
      clock_timestamp() AS moment
    INTO waiting
    FROM (SELECT o.ctid AS place, o.reservation_type AS kind, o.reservation_id AS id, o.reservation_key AS key, o.changed_at AS since
          FROM bridge_changes o LIMIT most_rows + 1 FOR UPDATE SKIP LOCKED) c;
    EXIT one WHEN waiting.is_one IS NOT TRUE;
    -- a new one is in several tables, mostly
    is_new := waiting.many > 1;
    IF is_new THEN
      is_new := NOT EXISTS (SELECT FROM bridge_mappings m WHERE m.reservation_type = waiting.kind AND m.reservation_id = waiting.id);
    END IF;
    IF NOT is_new THEN
      -- The last versions of mapping and room are read, because they are locked; rows that another transaction has locked are skipped.
      SELECT m.id, i.active, i.priority, i.starts_at, i.ends_at, i.digest, i.state, i.room,
        i.resource_id = m.resource_id AND m.outlook_event_id IS NOT NULL
          -- an unchanged one is left to bridge_gather
          AND m.booking_digest IS DISTINCT FROM i.digest
          AND (m.present IS DISTINCT FROM i.active OR m.present AND m.booking_seen IS DISTINCT FROM i.state)
          AND NOT EXISTS (SELECT FROM bridge_mappings o
                          WHERE o.reservation_type = waiting.kind AND o.reservation_id = waiting.id AND o.id <> m.id)
          AND NOT ((m.present, m.priority_level, m.starts_at, m.ends_at) IS DISTINCT FROM (i.active, i.priority, i.starts_at, i.ends_at)
            AND bridge_cover_concerns_others(m, i.priority, i.starts_at, i.ends_at)),
        bridge_leased_one(waiting.many, held, i.of_list, s.lease_epoch, s.baselined_at, s.reconciled_at, s.attempt,
          least(s.pull_due_at, s.next_poll_at, s.sure_at) <= waiting.moment, s.hinted_at <= waiting.moment, i.missing,
          -- the columns as bridge_record_one stores them
          bridge_work_item(m, CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END, m.revision + 1, 0, 0, waiting.since,
            i.active OR coalesce(m.sent_states -> -1 = i.state, false),
            CASE WHEN m.sent_states IS NOT NULL
              THEN bridge_others_sent(CASE WHEN i.active THEN bridge_with_sent(m.sent_states, i.state) ELSE m.sent_states END, i.state) END,
            i.active, i.state, NULL, i.in_window, i.cover[1], i.cover[2], i.ends_at <= now(), false))
      INTO mapping_id, present_, priority, begins, ends, digest, state, room_id, is_ready, answer
      FROM bridge_mappings m
      CROSS JOIN LATERAL bridge_active_room(m.resource_id) r
      JOIN bridge_room_state s ON s.resource_mapping_id = r.id
      -- The view is read for a free room only, because bridge_lease reads it again for others: it comes after the room, which it names.
      CROSS JOIN LATERAL bridge_read_one(waiting.kind, waiting.id, CASE WHEN s.lease_owner IS NULL THEN m.priority_level END, past_days, future_days) i
      WHERE m.reservation_type = waiting.kind AND m.reservation_id = waiting.id AND i.room = s.resource_mapping_id
        AND s.lease_owner IS NULL AND s.baselined_at IS NOT NULL AND s.reconciled_at IS NOT NULL
        AND bridge_room_is_free(s.resource_mapping_id, s.retry_at, s.throttled_until, s.asked_at, waiting.moment, held, asked_only)
      FOR NO KEY UPDATE OF m, s SKIP LOCKED;
      IF NOT FOUND THEN
        is_new := NOT EXISTS (SELECT FROM bridge_mappings m WHERE m.reservation_type = waiting.kind AND m.reservation_id = waiting.id);
        EXIT one WHEN NOT is_new;
      END IF;
    END IF;
    IF is_new THEN
      SELECT i.*, s.lease_epoch, s.baselined_at, s.reconciled_at, s.attempt,
        least(s.pull_due_at, s.next_poll_at, s.sure_at) <= waiting.moment AS pulls, s.hinted_at <= waiting.moment AS hinted,
        i.active AND i.in_window AND (i.of_list).sync_direction <> 'outlook_to_booking' AS is_ready
      INTO known
      FROM bridge_read_one(waiting.kind, waiting.id, NULL, past_days, future_days) i
      JOIN bridge_room_state s ON s.resource_mapping_id = i.room
      WHERE s.lease_owner IS NULL AND s.baselined_at IS NOT NULL AND s.reconciled_at IS NOT NULL
        AND bridge_room_is_free(s.resource_mapping_id, s.retry_at, s.throttled_until, s.asked_at, waiting.moment, held, asked_only)
      FOR NO KEY UPDATE OF s SKIP LOCKED;
      is_ready := known.is_ready;
      room_id := known.room;
    END IF;
    EXIT one WHEN is_ready IS NOT TRUE OR NOT bridge_try_lock_room(room_id);
    -- a row lock permits the table locks of REINDEX and CREATE TRIGGER, which bridge_record_one would wait for
    LOCK TABLE bridge_mappings, bridge_changes, bridge_room_state IN ROW EXCLUSIVE MODE;
    IF is_new THEN
      -- as in bridge_gather
      INSERT INTO bridge_mappings AS m (reservation_type, reservation_id, resource_id, outlook_item_id, priority_level, starts_at, ends_at,
        due_at, changed_at, last_modified_booking, booking_digest, sent_states)
      VALUES (waiting.kind, waiting.id, known.resource_id, (known.of_list).outlook_item_id, known.priority, known.starts_at, known.ends_at,
        now(), waiting.since, waiting.since, known.digest, jsonb_build_array(known.state))
      ON CONFLICT DO NOTHING
      RETURNING bridge_leased_one(waiting.many, held, known.of_list, known.lease_epoch, known.baselined_at, known.reconciled_at, known.attempt, known.pulls,
        known.hinted, known.missing, bridge_work_item(m, m.sync_status, m.revision, m.attempt, m.lane, m.last_modified_booking, true, NULL, true, known.state, NULL,
          true, known.cover[1], known.cover[2], known.ends_at <= now(), false)) INTO answer;
      IF NOT FOUND THEN
        PERFORM bridge_unlock_room(room_id);
        EXIT one;
      END IF;
    END IF;
    since := waiting.since;
    places := waiting.places;
    RETURN;
  END;
  room_id := NULL;
  answer := bridge_lease(replica, held, rooms, most, past_days, future_days, fold_most, any_lane, asked_only, changed_first);
END $one$;

-- Stores what bridge_lease_one has read. The mapping becomes due as in bridge_gather; a new one (NULL) is due already.
CREATE OR REPLACE FUNCTION bridge_record_one(replica uuid, mapping_id bigint, present_ boolean, priority smallint, begins timestamptz,
  ends timestamptz, digest bigint, state jsonb, since timestamptz, places tid[], room_id integer) RETURNS json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $record$
BEGIN
  IF mapping_id IS NOT NULL THEN
    UPDATE bridge_mappings m
    SET present = present_, priority_level = priority, starts_at = begins, ends_at = ends, booking_digest = digest,
        due_at = least(m.due_at, now()), lane = 0, attempt = 0, revision = m.revision + 1,
        changed_at = CASE WHEN m.due_at IS NULL THEN since ELSE coalesce(m.changed_at, since) END, last_modified_booking = since, updated_at = now(),
        -- see 28_sent.sql
        sent_states = CASE WHEN NOT present_ THEN m.sent_states WHEN m.sent_states IS NULL THEN jsonb_build_array(state)
          ELSE bridge_with_sent(m.sent_states, state) END,
        sync_status = CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END
    WHERE m.id = mapping_id;
  END IF;
  DELETE FROM bridge_changes WHERE ctid = ANY (places);
  -- a room is due for as long as it is leased: if its holder disappears, the next daemon takes it at once
  UPDATE bridge_room_state s SET lease_owner = replica, lease_epoch = bridge_next_epoch(s.lease_epoch), asked_at = NULL, push_lane = 0,
    push_due_at = least(s.push_due_at, clock_timestamp())
  WHERE s.resource_mapping_id = room_id;
  RETURN NULL;
END $record$;
