-- The fold of a single change, the most frequent case. Starting a statement takes longer than running it, most of all in a session
-- that was idle, so this function starts few of them.

-- Folds the outbox if it contains the change of one reservation with one mapping and one item, both in the same active room. `taken`
-- NULL: it contains something else, nothing was done, and bridge_gather is to fold it; 0: it is empty. Else `room` (id of
-- bridge_resource_mappings), the `mapping`, which is due now, and its `item` as bridge_work wants it. It plans by the settings of
-- its caller, bridge_lease.
CREATE OR REPLACE FUNCTION bridge_fold_one(OUT taken integer, OUT room integer, OUT mapping bridge_mappings, OUT item jsonb)
LANGUAGE plpgsql AS $one$
DECLARE
  -- a reservation that a person saves may be written in several tables
  most_rows constant integer := 8;
  columns_of_each_view constant smallint := 13;
  waiting record;
  others record;
  folded record;
BEGIN
  -- rows that another fold has locked are skipped
  SELECT c.ctid AS place, c.reservation_type AS kind, c.reservation_id AS id, c.reservation_key AS key, c.changed_at AS since,
    ARRAY(SELECT o.ctid FROM bridge_changes o LIMIT most_rows + 1 FOR UPDATE SKIP LOCKED) AS places
  INTO waiting FROM bridge_changes c LIMIT 1;
  IF NOT FOUND THEN
    taken := 0;
    RETURN;
  END IF;
  -- a view with further columns may have keys, replaced reservations or states (sql/README.md)
  IF waiting.id IS NULL OR waiting.key IS NOT NULL OR NOT waiting.place = ANY (waiting.places) OR cardinality(waiting.places) > most_rows
    OR has_column_privilege('public.bridge_items'::regclass, (columns_of_each_view + 1)::smallint, 'SELECT') IS NOT NULL THEN
    RETURN;
  END IF;
  IF cardinality(waiting.places) > 1 THEN
    SELECT min(c.changed_at) AS since, bool_and(c.reservation_type = waiting.kind AND c.reservation_id = waiting.id) AS are_same INTO others
    FROM bridge_changes c WHERE c.ctid = ANY (waiting.places);
    IF others.are_same IS NOT TRUE THEN
      RETURN;
    END IF;
    waiting.since := others.since;
  END IF;
  PERFORM bridge_lock_for_fold();
  UPDATE bridge_mappings m
  SET present = (i.items[1] ->> 'active')::boolean, priority_level = coalesce((i.items[1] ->> 'priority')::smallint, m.priority_level),
      starts_at = (i.items[1] ->> 'startsAt')::timestamptz, ends_at = (i.items[1] ->> 'endsAt')::timestamptz,
      booking_digest = (i.items[1] ->> 'digest')::bigint,
      -- the rest as in bridge_gather
      due_at = CASE WHEN m.due_at <= now() THEN m.due_at ELSE now() END, lane = 0, attempt = 0, revision = m.revision + 1,
      changed_at = CASE WHEN m.due_at IS NULL THEN waiting.since ELSE coalesce(m.changed_at, waiting.since) END,
      last_modified_booking = waiting.since, updated_at = now(),
      sync_status = CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END
  FROM (
    SELECT ARRAY(
      SELECT jsonb_build_object('active', v.active, 'startsAt', v.starts_at, 'endsAt', v.ends_at, 'priority', v.priority_level,
        'resource', v.resource_id, 'room', r.id,
        'digest', hash_record_extended(ROW(v.active, v.priority_level, v.starts_at, v.ends_at, v.all_day, v.title, v.description,
          v.organizer_name, v.organizer_email, v.is_private), 0),
        'state', bridge_item_state(v.starts_at, v.ends_at, v.all_day, v.title, v.description, v.is_private)
          || CASE WHEN r.privacy IS NULL AND r.title_template IS NULL AND NOT EXISTS (
               SELECT FROM bridge_settings s WHERE s.name IN ('privacy', 'title_template') AND s.value NOT IN ('neutral', '{title}')) THEN '{}'
             ELSE coalesce(bridge_appearance(to_jsonb(v), bridge_style(v.resource_id)), '{}') END)
      FROM (SELECT * FROM bridge_items b WHERE b.reservation_type = waiting.kind AND b.reservation_id = waiting.id OFFSET 0) v
      -- the room of each item is looked up; in the other order the view would be read once for each room
      CROSS JOIN LATERAL (
        SELECT o.id, o.privacy, o.title_template FROM bridge_resource_mappings o
        WHERE o.resource_id = v.resource_id AND o.active = 1 OFFSET 0) r) AS items
    OFFSET 0) i
  WHERE m.reservation_type = waiting.kind AND m.reservation_id = waiting.id AND cardinality(i.items) = 1
    AND m.resource_id = (i.items[1] ->> 'resource')::integer
    -- an unchanged one is left to bridge_gather
    AND m.booking_digest IS DISTINCT FROM (i.items[1] ->> 'digest')::bigint
    AND (m.present IS DISTINCT FROM (i.items[1] ->> 'active')::boolean OR m.present AND m.booking_seen IS DISTINCT FROM i.items[1] -> 'state')
    AND NOT EXISTS (SELECT FROM bridge_mappings o
                    WHERE o.reservation_type = waiting.kind AND o.reservation_id = waiting.id AND o.id <> m.id)
  RETURNING m AS mapping, i.items[1] AS item INTO folded;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  DELETE FROM bridge_changes WHERE ctid = ANY (waiting.places);
  taken := cardinality(waiting.places);
  room := folded.item ->> 'room';
  mapping := folded.mapping;
  item := folded.item;
END $one$;
