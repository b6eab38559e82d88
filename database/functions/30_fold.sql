-- From the outbox to due mappings: what changed, and what shares its time.
--
-- The functions of the way from wake to work plan each of their statements once: for `bridge_items`, a union over the
-- booking system's tables, planning takes longer than the reading does. Such a plan may have been made while our tables
-- were empty and is kept while a backfill fills them, so it must use the indexes from the beginning.

-- Takes up to `most` rows from the outbox and makes their reservations due in every room they are or were in.
-- Coalescing is free: ten edits of one reservation are one due row. Rows are claimed by state and deleted, never by
-- position: a transaction that took its sequence number early and commits late is not missed. Returns how many outbox
-- rows were `taken`, the `changed` mappings, which are due now, the `rooms` (ids of bridge_resource_mappings) that they are
-- in, for the caller to make due as well, and of a few changes the `items` that were read on the way, by mapping.
-- Whatever has nothing to do is not begun: for one booking, to begin a statement takes longer than to run it.
CREATE OR REPLACE FUNCTION bridge_gather(past_days integer, future_days integer, most integer, OUT taken integer, OUT rooms integer[],
  OUT changed bigint[], OUT items jsonb) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
-- the outbox has no index: to read it counts as forbidden, and so as worth compiling
SET jit = off AS $gather$
DECLARE
  kept_items constant integer := 12;
  kinds text[];
  reservations bigint[];
  moments timestamptz[];
  -- one entry for each room that one of them is in or was in
  entry_kinds text[];
  entry_reservations bigint[];
  since timestamptz[];
  places integer[];
  mappings bigint[];
  resources integer[];
  actives boolean[];
  priorities smallint[];
  begins timestamptz[];
  ends timestamptz[];
  kept jsonb[];
  are_fresh boolean := false;
  made bigint[];
  made_in integer[];
  made_items jsonb;
BEGIN
  taken := 0;
  rooms := '{}';
  changed := '{}';
  items := '{}';
  IF NOT EXISTS (SELECT FROM bridge_changes) THEN
    RETURN;
  END IF;
  PERFORM bridge_lock_for_fold();
  IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass('public.bridge_items') AND a.attname = 'replaces') THEN
    PERFORM bridge_hand_over(NULL);
  END IF;
  WITH gone AS (
    DELETE FROM bridge_changes
    -- its place is its key: no row of the outbox is ever updated, so none moves
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM bridge_changes LIMIT most FOR UPDATE SKIP LOCKED))
    RETURNING reservation_type, reservation_id, reservation_key, changed_at
  )
  SELECT coalesce(sum(e.n), 0), array_agg(e.kind), array_agg(e.reservation), array_agg(e.changed_at)
  INTO taken, kinds, reservations, moments
  FROM (SELECT reservation_type AS kind, CASE WHEN reservation_key IS NULL THEN reservation_id ELSE bridge_key_id(reservation_type, reservation_key) END
          AS reservation, min(changed_at) AS changed_at, count(*) AS n
        FROM gone GROUP BY 1, 2) e;
  -- every active room a reservation is in or was in: its mapping, if it has one, beside its item, if it still has one
  -- there (a room that is switched off compares later)
  SELECT array_agg(c.kind), array_agg(c.reservation), array_agg(c.moment), array_agg(r.id), array_agg(b.id),
    array_agg(b.room), array_agg(b.active), array_agg(b.priority_level), array_agg(b.starts_at), array_agg(b.ends_at), array_agg(b.kept)
  INTO entry_kinds, entry_reservations, since, places, mappings, resources, actives, priorities, begins, ends, kept
  FROM unnest(kinds, reservations, moments) AS c (kind, reservation, moment) CROSS JOIN LATERAL (
    SELECT m.id, coalesce(m.resource_id, v.resource_id) AS room, coalesce(v.active, false) AS active,
      coalesce(v.priority_level, m.priority_level) AS priority_level, coalesce(v.starts_at, m.starts_at) AS starts_at,
      coalesce(v.ends_at, m.ends_at) AS ends_at,
      CASE WHEN cardinality(reservations) <= kept_items AND v.active IS NOT NULL THEN jsonb_build_object(
        'active', v.active, 'startsAt', v.starts_at, 'endsAt', v.ends_at,
        'state', bridge_item_state(v.starts_at, v.ends_at, v.all_day, v.title, v.description, v.is_private)
          || CASE WHEN r.style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(v), r.style) END) END AS kept
    FROM (SELECT id, resource_id, priority_level, starts_at, ends_at FROM bridge_mappings
          WHERE reservation_type = c.kind AND reservation_id = c.reservation) m
    FULL JOIN (SELECT * FROM bridge_items WHERE reservation_type = c.kind AND reservation_id = c.reservation) v
      ON v.resource_id = m.resource_id
    CROSS JOIN LATERAL (SELECT CASE WHEN cardinality(reservations) <= kept_items THEN bridge_style(v.resource_id) END AS style OFFSET 0) r
    OFFSET 0) b
  -- of each its room: a plan that was made while there were few rooms must not read all that is above for each of them
  CROSS JOIN LATERAL (SELECT o.id FROM bridge_resource_mappings o WHERE o.resource_id = b.room AND o.active = 1 OFFSET 0) r;
  FOR n IN 1 .. coalesce(cardinality(mappings), 0) LOOP
    IF mappings[n] IS NULL THEN
      are_fresh := true;
    ELSE
      changed := changed || mappings[n];
      IF NOT places[n] = ANY (rooms) THEN
        rooms := rooms || places[n];
      END IF;
      IF kept[n] IS NOT NULL THEN
        items := items || jsonb_build_object(mappings[n], kept[n]);
      END IF;
    END IF;
  END LOOP;
  IF cardinality(changed) > 0 THEN
    UPDATE bridge_mappings m
    SET present = s.active, starts_at = s.begins, ends_at = s.ends, priority_level = s.priority,
        -- what is due already stays so since then: no index has to know of another edit
        due_at = CASE WHEN m.due_at <= now() THEN m.due_at ELSE now() END, lane = 0, attempt = 0, revision = m.revision + 1,
        changed_at = CASE WHEN m.due_at IS NULL THEN s.since ELSE coalesce(m.changed_at, s.since) END,
        last_modified_booking = s.since, updated_at = now(),
        sync_status = CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END
    FROM unnest(mappings, since, actives, priorities, begins, ends) AS s (id, since, active, priority, begins, ends) WHERE m.id = s.id;
  END IF;
  IF are_fresh THEN
    WITH fresh AS (
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, priority_level,
        starts_at, ends_at, due_at, changed_at, last_modified_booking)
      SELECT s.kind, s.reservation, s.resource, r.outlook_item_id, s.priority, s.begins, s.ends, now(), s.since, s.since
      FROM unnest(mappings, entry_kinds, entry_reservations, since, resources, actives, priorities, begins, ends)
        AS s (id, kind, reservation, since, resource, active, priority, begins, ends)
      JOIN bridge_resource_mappings r ON r.resource_id = s.resource AND r.active = 1
      WHERE s.id IS NULL AND s.active AND r.sync_direction <> 'outlook_to_booking'
        AND s.ends > (SELECT w.opens FROM bridge_window(past_days, future_days) w)
        AND s.begins < (SELECT w.closes FROM bridge_window(past_days, future_days) w)
      ON CONFLICT (reservation_type, reservation_id, resource_id) DO UPDATE -- a reconcile found it in the same moment
      SET present = true, starts_at = excluded.starts_at, ends_at = excluded.ends_at, due_at = now(), lane = 0, attempt = 0,
          revision = bridge_mappings.revision + 1, changed_at = coalesce(bridge_mappings.changed_at, excluded.changed_at),
          last_modified_booking = excluded.last_modified_booking
      RETURNING id, reservation_type, reservation_id, resource_id
    )
    SELECT array_agg(f.id), array_agg(DISTINCT r.id), coalesce(jsonb_object_agg(f.id, s.item) FILTER (WHERE s.item IS NOT NULL), '{}')
    INTO made, made_in, made_items
    FROM fresh f JOIN bridge_resource_mappings r ON r.resource_id = f.resource_id AND r.active = 1
    LEFT JOIN unnest(entry_kinds, entry_reservations, resources, kept) AS s (kind, reservation, resource, item)
      ON cardinality(reservations) <= kept_items AND s.kind = f.reservation_type AND s.reservation = f.reservation_id
      AND s.resource = f.resource_id;
    changed := changed || made;
    rooms := rooms || made_in;
    items := items || made_items;
  END IF;
  IF array_position(reservations, NULL) IS NOT NULL THEN
    UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now(), updated_at = now(),
      push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END;
  END IF;
END $gather$;

-- Something is due in these rooms.
CREATE OR REPLACE FUNCTION bridge_ring_rooms(rooms integer[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $ring$
BEGIN
  UPDATE bridge_room_state s SET push_due_at = least(s.push_due_at, now()), push_lane = 0, updated_at = now()
  WHERE s.resource_mapping_id = ANY (rooms);
END $ring$;

-- The fold by itself. Returns how many outbox rows were taken.
CREATE OR REPLACE FUNCTION bridge_fold(past_days integer, future_days integer, most integer) RETURNS integer LANGUAGE plpgsql AS $fold$
DECLARE
  gathered record;
BEGIN
  gathered := bridge_gather(past_days, future_days, most);
  PERFORM bridge_ring_rooms(gathered.rooms);
  RETURN gathered.taken;
END $fold$;
