-- The fold: from the outbox to due mappings.
--
-- The functions from wake to work plan each of their statements once: planning a query of `bridge_items`, a union over the booking
-- system's tables, takes longer than running it. Such a plan may have been made while our tables were empty and is kept while a
-- backfill fills them, so sequential scans are off.

-- Takes up to `most` rows from the outbox and makes their reservations due in every room they are or were in.
-- Ten edits of one reservation become one due row. Rows are taken because they are there, never by a position in a sequence: a
-- transaction that took its number early and commits late is not missed. Returns how many outbox
-- rows were `taken`, the `changed` mappings, which are due now, the `rooms` (ids of bridge_resource_mappings) that they are
-- in, for the caller to make due as well, and of a few changes the `items` that were read on the way, by mapping.
-- A statement without work is skipped: for one booking, starting a statement takes longer than running it.
-- `one_change`: that row of the outbox and no other.
--
-- The triggers also record rows without a relevant change, so each mapping gets a verdict:
--   rests: its item is in the state that a settlement read last (`booking_seen`), at the same time. It is left as it is.
--   doubtful: unchanged as well, but it has a failure, a conflict or news from Outlook, or was written from Outlook (65_write_back.sql
--     sets `booking_digest` to -1, which means: the state in the booking system was written by us). It is decided on again.
--   busy: it is due already, and its item is as it was folded last. Work on it may be based on a state that was changed and changed
--     back, so its revision is raised.
--   changed: all others. Only these get a new `last_modified_booking`.
CREATE OR REPLACE FUNCTION bridge_gather(past_days integer, future_days integer, most integer, one_change tid, OUT taken integer, OUT rooms integer[],
  OUT changed bigint[], OUT items jsonb) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
-- a bitmap scan for each reservation takes longer than all other reads of it
SET enable_bitmapscan = off
-- the outbox has no index: with sequential scans off, the estimated cost of reading it is so high that the query would be compiled
SET jit = off AS $gather$
DECLARE
  kept_items constant integer := 12;
  are_few boolean;
  -- the optional columns of the view
  has_replaces boolean;
  has_more boolean;
  -- every room shows its items unchanged
  is_plain boolean;
  kinds text[];
  reservations bigint[];
  moments timestamptz[];
  -- one entry for each room that one of them is in or was in
  entry_kinds text[];
  entry_reservations bigint[];
  since timestamptz[];
  mappings bigint[];
  resources integer[];
  actives boolean[];
  priorities smallint[];
  begins timestamptz[];
  ends timestamptz[];
  digests bigint[];
  verdicts text[];
  kept jsonb[];
  states jsonb[];
  are_touched boolean;
  are_fresh boolean;
  made bigint[];
  made_in integer[];
  made_items jsonb;
BEGIN
  taken := 0;
  rooms := '{}';
  changed := '{}';
  items := '{}';
  IF most = 0 OR NOT EXISTS (SELECT FROM bridge_changes) THEN
    RETURN;
  END IF;
  PERFORM bridge_lock_for_fold();
  SELECT coalesce(bool_or(a.attname = 'replaces'), false), coalesce(bool_or(a.attname <> 'replaces'), false),
    count(*) FILTER (WHERE a.attname <> 'replaces') = 0
      AND NOT EXISTS (SELECT FROM bridge_settings s WHERE s.name IN ('privacy', 'title_template') AND s.value NOT IN ('neutral', '{title}'))
      AND NOT EXISTS (SELECT FROM bridge_resource_mappings o WHERE o.privacy IS NOT NULL OR o.title_template IS NOT NULL)
  INTO has_replaces, has_more, is_plain
  FROM pg_attribute a WHERE a.attrelid = to_regclass('public.bridge_items')
    AND a.attname = ANY ('{replaces,state,setup_minutes,teardown_minutes}'::name[]);
  IF has_replaces THEN
    PERFORM bridge_hand_over(NULL, one_change);
  END IF;
  WITH gone AS (
    DELETE FROM bridge_changes
    -- by ctid: rows of the outbox are never updated, so none moves
    WHERE ctid = ANY (CASE WHEN one_change IS NULL THEN ARRAY(SELECT ctid FROM bridge_changes LIMIT most FOR UPDATE SKIP LOCKED) ELSE ARRAY[one_change] END)
    RETURNING reservation_type, reservation_id, reservation_key, changed_at
  )
  SELECT coalesce(sum(e.n), 0), array_agg(e.kind), array_agg(e.reservation), array_agg(e.changed_at)
  INTO taken, kinds, reservations, moments
  FROM (SELECT reservation_type AS kind, CASE WHEN reservation_key IS NULL THEN reservation_id ELSE bridge_key_id(reservation_type, reservation_key) END
          AS reservation, min(changed_at) AS changed_at, count(*) AS n
        FROM gone GROUP BY 1, 2) e;
  are_few := coalesce(cardinality(reservations), 0) <= kept_items;
  -- for every active room that a reservation is in or was in: its mapping and its item, as far as they exist (a room that is switched
  -- off is compared later)
  SELECT array_agg(e.kind), array_agg(e.reservation), array_agg(e.moment), array_agg(e.id), array_agg(e.room), array_agg(e.active),
    array_agg(e.priority_level), array_agg(e.starts_at), array_agg(e.ends_at), array_agg(e.digest), array_agg(e.verdict), array_agg(e.kept),
    array_agg(CASE WHEN e.active AND e.has_event THEN e.state END),
    bool_or(e.verdict <> 'rests'), bool_or(e.id IS NULL),
    coalesce(array_agg(e.id) FILTER (WHERE e.is_rung), '{}'),
    coalesce(array_agg(e.place) FILTER (WHERE e.is_rung), '{}'),
    coalesce(jsonb_object_agg(e.id, e.kept) FILTER (WHERE e.is_rung AND e.kept IS NOT NULL), '{}')
  INTO entry_kinds, entry_reservations, since, mappings, resources, actives, priorities, begins, ends, digests, verdicts, kept, states,
    are_touched, are_fresh, changed, rooms, items
  FROM (
    SELECT j.*,
      -- a write-back or a hand-over may have made it due without its room
      j.verdict IN ('changed', 'doubtful') OR j.verdict = 'busy' AND j.due_at <= now() AS is_rung
    FROM (
    SELECT i.*,
      CASE WHEN are_few AND i.state IS NOT NULL
        THEN jsonb_build_object('active', i.active, 'startsAt', i.starts_at, 'endsAt', i.ends_at, 'state', i.state) END AS kept,
      CASE WHEN i.id IS NULL THEN NULL
        WHEN i.stays AND CASE WHEN i.active OR i.state #> '{as,awaiting}' = 'true'
            -- a room that only follows Outlook stores no booking_seen
            THEN i.booking_seen = i.state OR i.sync_direction = 'outlook_to_booking' AND i.booking_digest = i.digest
            ELSE i.sync_status = 'cancelled' END
          THEN CASE WHEN i.due_at IS NOT NULL THEN 'busy'
            WHEN i.outlook_news IS NULL AND i.booking_digest IS DISTINCT FROM -1 AND i.sync_status IN ('synced', 'shadowed', 'cancelled')
              THEN 'rests' ELSE 'doubtful' END
        WHEN i.booking_digest = i.digest THEN CASE WHEN i.due_at IS NOT NULL THEN 'busy' ELSE 'doubtful' END
        ELSE 'changed' END AS verdict
    FROM (
      SELECT c.kind, c.reservation, c.moment, b.*, r.place, r.sync_direction,
        CASE WHEN has_more AND b.is_there THEN jsonb_hash_extended(b.item, 0) ELSE b.digest_of_row END AS digest,
        CASE WHEN b.is_there AND (are_few OR b.has_event OR b.stays AND (b.due_at IS NULL OR b.booking_digest IS NULL)) THEN
          bridge_item_state(b.starts_at, b.ends_at, b.all_day, b.title, b.description, b.is_private)
            || CASE WHEN r.style IS NULL THEN '{}' ELSE bridge_appearance(b.item, r.style) END END AS state
      FROM unnest(kinds, reservations, moments) AS c (kind, reservation, moment) CROSS JOIN LATERAL (
        SELECT m.id, coalesce(m.resource_id, v.resource_id) AS room, coalesce(v.active, false) AS active,
          coalesce(v.priority_level, m.priority_level, 1) AS priority_level, coalesce(v.starts_at, m.starts_at) AS starts_at,
          coalesce(v.ends_at, m.ends_at) AS ends_at, m.due_at, m.sync_status, m.outlook_news, m.booking_seen, m.booking_digest,
          v.active IS NOT NULL AS is_there, m.outlook_event_id IS NOT NULL AS has_event, v.all_day, v.title, v.description, v.is_private,
          CASE WHEN NOT is_plain AND v.active IS NOT NULL THEN to_jsonb(v) END AS item,
          CASE WHEN v.active IS NULL THEN 0
            ELSE hash_record_extended(ROW(v.active, v.priority_level, v.starts_at, v.ends_at, v.all_day, v.title, v.description,
              v.organizer_name, v.organizer_email, v.is_private), 0) END AS digest_of_row,
          (m.present, m.priority_level, m.starts_at, m.ends_at) IS NOT DISTINCT FROM (coalesce(v.active, false),
            coalesce(v.priority_level, m.priority_level), coalesce(v.starts_at, m.starts_at), coalesce(v.ends_at, m.ends_at)) AS stays
        FROM (SELECT * FROM bridge_mappings WHERE reservation_type = c.kind AND reservation_id = c.reservation) m
        FULL JOIN (SELECT * FROM bridge_items WHERE reservation_type = c.kind AND reservation_id = c.reservation) v
          ON v.resource_id = m.resource_id
        OFFSET 0) b
      -- last, so that a plan made for few rooms does not read all of the above once for each room
      CROSS JOIN LATERAL (
        SELECT o.id AS place, o.sync_direction, CASE WHEN NOT is_plain THEN bridge_style(o.resource_id) END AS style
        FROM bridge_active_room(b.room) o OFFSET 0) r
      OFFSET 0) i
    OFFSET 0) j
    OFFSET 0) e;
  IF are_touched THEN
    UPDATE bridge_mappings m
    SET present = s.active, starts_at = s.begins, ends_at = s.ends, priority_level = s.priority, booking_digest = s.digest,
        -- one that is due keeps its time, so that no index is updated for a further edit
        due_at = CASE WHEN m.due_at <= now() OR s.is_same AND m.due_at IS NOT NULL THEN m.due_at ELSE now() END,
        lane = CASE WHEN s.is_same AND m.due_at IS NOT NULL THEN m.lane ELSE 0 END,
        attempt = CASE WHEN s.is_same AND m.due_at IS NOT NULL THEN m.attempt ELSE 0 END, revision = m.revision + 1,
        changed_at = CASE WHEN s.is_same THEN m.changed_at WHEN m.due_at IS NULL THEN s.since ELSE coalesce(m.changed_at, s.since) END,
        last_modified_booking = CASE WHEN s.is_same THEN m.last_modified_booking ELSE s.since END, updated_at = now(),
        -- see 28_sent.sql
        sent_states = CASE WHEN s.state IS NULL THEN m.sent_states WHEN m.sent_states IS NULL THEN jsonb_build_array(s.state)
          ELSE bridge_with_sent(m.sent_states, s.state) END,
        sync_status = CASE WHEN m.sync_status IN ('synced', 'error') AND NOT (s.is_same AND m.due_at IS NOT NULL) THEN 'pending' ELSE m.sync_status END
    FROM (SELECT u.*, u.verdict <> 'changed' AS is_same FROM unnest(mappings, since, actives, priorities, begins, ends, digests, verdicts, states)
      AS u (id, since, active, priority, begins, ends, digest, verdict, state) WHERE u.verdict <> 'rests') s WHERE m.id = s.id;
  END IF;
  IF are_fresh THEN
    WITH fresh AS (
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, priority_level,
        starts_at, ends_at, due_at, changed_at, last_modified_booking, booking_digest, sent_states)
      -- a join in the view may return a row twice
      SELECT DISTINCT ON (s.kind, s.reservation, s.resource) s.kind, s.reservation, s.resource, r.outlook_item_id, s.priority, s.begins, s.ends, now(), s.since, s.since, s.digest,
        -- of many, the daemon stores it before it sends the create
        CASE WHEN s.item IS NOT NULL THEN jsonb_build_array(s.item -> 'state') END
      FROM unnest(mappings, entry_kinds, entry_reservations, since, resources, actives, priorities, begins, ends, digests, kept)
        AS s (id, kind, reservation, since, resource, active, priority, begins, ends, digest, item)
      CROSS JOIN LATERAL bridge_active_room(s.resource) r
      WHERE s.id IS NULL AND s.active AND r.sync_direction <> 'outlook_to_booking'
        AND s.ends > (SELECT w.opens FROM bridge_window(past_days, future_days) w)
        AND s.begins < (SELECT w.closes FROM bridge_window(past_days, future_days) w)
      ON CONFLICT (reservation_type, reservation_id, resource_id) DO UPDATE -- a reconcile found it in the same moment
      SET present = true, starts_at = excluded.starts_at, ends_at = excluded.ends_at, due_at = now(), lane = 0, attempt = 0,
          revision = bridge_mappings.revision + 1, changed_at = coalesce(bridge_mappings.changed_at, excluded.changed_at),
          last_modified_booking = excluded.last_modified_booking, booking_digest = excluded.booking_digest
      RETURNING id, reservation_type, reservation_id, resource_id
    )
    SELECT array_agg(DISTINCT f.id), array_agg(DISTINCT r.id), coalesce(jsonb_object_agg(f.id, s.item) FILTER (WHERE s.item IS NOT NULL), '{}')
    INTO made, made_in, made_items
    FROM fresh f CROSS JOIN LATERAL bridge_active_room(f.resource_id) r
    -- no items of many are kept; a join with them would compare each mapping with each entry
    LEFT JOIN (SELECT * FROM unnest(entry_kinds, entry_reservations, resources, kept) AS e (kind, reservation, resource, item)
      LIMIT CASE WHEN NOT are_few THEN 0 END) s
      ON s.kind = f.reservation_type AND s.reservation = f.reservation_id AND s.resource = f.resource_id;
    changed := changed || made;
    rooms := rooms || made_in;
    items := items || made_items;
  END IF;
  -- each room once: bridge_lease leases all of them
  IF cardinality(rooms) > 1 THEN
    rooms := ARRAY(SELECT DISTINCT r FROM unnest(rooms) r);
  END IF;
  IF array_position(reservations, NULL) IS NOT NULL THEN
    UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now(), updated_at = now(),
      push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END;
  END IF;
END $gather$;

-- The fold without a lease. Returns how many outbox rows were taken.
CREATE OR REPLACE FUNCTION bridge_fold(past_days integer, future_days integer, most integer) RETURNS integer LANGUAGE plpgsql AS $fold$
DECLARE
  gathered record;
BEGIN
  gathered := bridge_gather(past_days, future_days, most, NULL);
  PERFORM bridge_ring_rooms(gathered.rooms);
  RETURN gathered.taken;
END $fold$;
