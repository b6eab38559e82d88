-- The lease of a single change, the most frequent case: it is answered before it is stored.
--
-- The daemon sends while this transaction still stores the fold and the lease (`queryEarly` in src/database.ts). All tables and rows that
-- are to be stored are locked before the answer, so only a failing server prevents the commit; the daemon then gives up all leases. Each
-- of these functions starts few statements, because starting one takes longer than running it, most of all in a session that was idle.

-- As bridge_lease, which it calls in all cases but this one: the outbox contains the change of one reservation with one mapping and
-- one item, in the same room, the event is known, and no other mapping is concerned. `room_id` NULL: all is stored. Else
-- bridge_record_lease is to be called with the `mapping` as it is to be stored, the `places` of its outbox rows and the `room_id`, in
-- this transaction.
CREATE OR REPLACE FUNCTION bridge_lease_early(replica uuid, held integer[], rooms integer, most integer, past_days integer,
  future_days integer, fold_most integer, any_lane boolean, asked_only boolean, changed_first boolean,
  OUT answer json, OUT mapping bridge_mappings, OUT places tid[], OUT room_id integer) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
-- as in bridge_gather
SET enable_bitmapscan = off AS $early$
DECLARE
  -- a reservation that a person saves may be written in several tables
  most_rows constant integer := 8;
  columns_of_each_view constant smallint := 13;
  waiting record;
  others record;
  known record;
BEGIN
  <<one>>
  BEGIN
    EXIT one WHEN NOT changed_first OR rooms < 1 OR fold_most < 1;
    -- rows that another fold has locked are skipped
    SELECT c.ctid AS place, c.reservation_type AS kind, c.reservation_id AS id, c.reservation_key AS key, c.changed_at AS since,
      ARRAY(SELECT o.ctid FROM bridge_changes o LIMIT most_rows + 1 FOR UPDATE SKIP LOCKED) AS places
    INTO waiting FROM bridge_changes c LIMIT 1;
    -- a view with further columns may have keys, replaced reservations or states (sql/README.md)
    EXIT one WHEN NOT FOUND OR waiting.id IS NULL OR waiting.key IS NOT NULL OR NOT waiting.place = ANY (waiting.places)
      OR cardinality(waiting.places) > most_rows
      OR has_column_privilege('public.bridge_items'::regclass, (columns_of_each_view + 1)::smallint, 'SELECT') IS NOT NULL;
    IF cardinality(waiting.places) > 1 THEN
      SELECT min(c.changed_at) AS since, bool_and(c.reservation_type = waiting.kind AND c.reservation_id = waiting.id) AS are_same INTO others
      FROM bridge_changes c WHERE c.ctid = ANY (waiting.places);
      EXIT one WHEN others.are_same IS NOT TRUE;
      waiting.since := others.since;
    END IF;
    PERFORM bridge_lock_for_fold();
    SELECT m AS mapping, i.*, jsonb_build_object('active', i.active, 'startsAt', i.starts_at, 'endsAt', i.ends_at, 'state', i.state) AS item
    INTO known
    FROM (
      SELECT v.resource_id, v.active, v.starts_at, v.ends_at, v.priority_level, r.id AS room, count(*) OVER () AS items,
        hash_record_extended(ROW(v.active, v.priority_level, v.starts_at, v.ends_at, v.all_day, v.title, v.description,
          v.organizer_name, v.organizer_email, v.is_private), 0) AS digest,
        bridge_item_state(v.starts_at, v.ends_at, v.all_day, v.title, v.description, v.is_private)
          || CASE WHEN r.privacy IS NULL AND r.title_template IS NULL AND NOT EXISTS (
               SELECT FROM bridge_settings s WHERE s.name IN ('privacy', 'title_template') AND s.value NOT IN ('neutral', '{title}')) THEN '{}'
             ELSE coalesce(bridge_appearance(to_jsonb(v), bridge_style(v.resource_id)), '{}') END AS state
      FROM (SELECT * FROM bridge_items b WHERE b.reservation_type = waiting.kind AND b.reservation_id = waiting.id OFFSET 0) v
      -- the room of each item is looked up; in the other order the view would be read once for each room
      CROSS JOIN LATERAL (
        SELECT o.id, o.privacy, o.title_template FROM bridge_resource_mappings o
        WHERE o.resource_id = v.resource_id AND o.active = 1 OFFSET 0) r
      OFFSET 0) i, bridge_mappings m
    WHERE m.reservation_type = waiting.kind AND m.reservation_id = waiting.id AND i.items = 1 AND m.resource_id = i.resource_id
      AND m.outlook_event_id IS NOT NULL
      -- an unchanged one is left to bridge_gather
      AND m.booking_digest IS DISTINCT FROM i.digest
      AND (m.present IS DISTINCT FROM i.active OR m.present AND m.booking_seen IS DISTINCT FROM i.state)
      AND NOT EXISTS (SELECT FROM bridge_mappings o
                      WHERE o.reservation_type = waiting.kind AND o.reservation_id = waiting.id AND o.id <> m.id)
    FOR NO KEY UPDATE OF m;
    EXIT one WHEN NOT FOUND;
    mapping := known.mapping;
    mapping.present := known.active;
    mapping.priority_level := coalesce(known.priority_level, mapping.priority_level);
    mapping.starts_at := known.starts_at;
    mapping.ends_at := known.ends_at;
    mapping.booking_digest := known.digest;
    -- the rest as in bridge_gather
    mapping.changed_at := CASE WHEN mapping.due_at IS NULL THEN waiting.since ELSE coalesce(mapping.changed_at, waiting.since) END;
    mapping.due_at := least(mapping.due_at, now());
    mapping.lane := 0;
    mapping.attempt := 0;
    mapping.revision := mapping.revision + 1;
    mapping.last_modified_booking := waiting.since;
    mapping.updated_at := now();
    IF known.active THEN
      mapping.sent_states := CASE WHEN mapping.sent_states IS NULL THEN jsonb_build_array(known.state) ELSE bridge_with_sent(mapping.sent_states, known.state) END;
    END IF;
    IF mapping.sync_status IN ('synced', 'error') THEN
      mapping.sync_status := 'pending';
    END IF;
    EXIT one WHEN bridge_cover_concerns_others(known.mapping, mapping);
    places := waiting.places;
    IF known.room = ANY (held) OR NOT bridge_try_lock_room(known.room) THEN
      PERFORM bridge_record_lease(replica, mapping, places, NULL), bridge_ring_rooms(ARRAY[known.room]);
      answer := json_build_object('folded', cardinality(places), 'more', false, 'rooms', '[]'::json, 'stopped', bridge_stopped(held));
      RETURN;
    END IF;
    -- a row lock permits the table locks of REINDEX and CREATE TRIGGER, which bridge_record_lease would wait for
    LOCK TABLE bridge_mappings, bridge_changes, bridge_room_state IN ROW EXCLUSIVE MODE;
    SELECT json_build_object('folded', cardinality(places), 'more', false, 'stopped', bridge_stopped(held),
      'rooms', json_build_array(bridge_leased(r, s.lease_owner, s.lease_epoch, s.baselined_at, s.reconciled_at, s.attempt,
        least(s.pull_due_at, s.next_poll_at, s.sure_at) <= clock_timestamp(), s.hinted_at <= clock_timestamp(),
        EXISTS (SELECT FROM bridge_mappings n WHERE n.resource_id = r.resource_id AND n.outlook_news IN ('missing', 'gone')), CASE
        -- nothing covers the highest priority, so no cover is read
        WHEN mapping.priority_level <= 1 THEN json_build_array(bridge_work_of(mapping, known.item, w.opens, w.closes, false, false, false))
        ELSE bridge_work(r.resource_id, ARRAY[mapping], w.opens, w.closes, jsonb_build_object(mapping.id, known.item)) END)))
    INTO answer
    FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id, bridge_window(past_days, future_days) w
    WHERE s.resource_mapping_id = known.room AND r.active = 1 AND s.lease_owner IS NULL AND s.baselined_at IS NOT NULL AND s.reconciled_at IS NOT NULL
      AND bridge_room_is_free(s.resource_mapping_id, s.retry_at, s.throttled_until, s.asked_at, clock_timestamp(), '{}', asked_only)
    FOR NO KEY UPDATE OF s SKIP LOCKED;
    IF FOUND THEN
      room_id := known.room;
      RETURN;
    END IF;
    PERFORM bridge_unlock_room(known.room);
  END;
  mapping := NULL;
  places := NULL;
  answer := bridge_lease(replica, held, rooms, most, past_days, future_days, fold_most, any_lane, asked_only, changed_first);
END $early$;

-- Stores what bridge_lease_early has read. `leased`: the room whose lease is stored; NULL: none.
CREATE OR REPLACE FUNCTION bridge_record_lease(replica uuid, mapping bridge_mappings, places tid[], leased integer) RETURNS json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $record$
BEGIN
  UPDATE bridge_mappings m
  SET present = mapping.present, priority_level = mapping.priority_level, starts_at = mapping.starts_at, ends_at = mapping.ends_at,
      booking_digest = mapping.booking_digest, due_at = mapping.due_at, lane = mapping.lane, attempt = mapping.attempt,
      revision = mapping.revision, changed_at = mapping.changed_at, last_modified_booking = mapping.last_modified_booking,
      updated_at = mapping.updated_at, sync_status = mapping.sync_status, sent_states = mapping.sent_states
  WHERE m.id = mapping.id;
  DELETE FROM bridge_changes WHERE ctid = ANY (places);
  -- a room is due for as long as it is leased: if its holder disappears, the next daemon takes it at once
  UPDATE bridge_room_state s SET lease_owner = replica, lease_epoch = bridge_next_epoch(s.lease_epoch), asked_at = NULL, push_lane = 0,
    push_due_at = least(s.push_due_at, clock_timestamp())
  WHERE s.resource_mapping_id = leased;
  RETURN NULL;
END $record$;
