-- Leases: a room is leased together with its due mappings, and released. For plans of statements see 30_fold.sql.

-- Throws BR001 if the lease of one of these rooms was lost: another daemon has it now, or the room was changed. A settlement checks this
-- again at its end, because it may have waited for the transaction that made such a change.
CREATE OR REPLACE FUNCTION bridge_need_leases(room_ids integer[], epochs bigint[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $need$
DECLARE
  lost integer;
BEGIN
  SELECT l.id INTO lost FROM unnest(room_ids, epochs) AS l (id, epoch)
  WHERE NOT EXISTS (SELECT FROM bridge_room_state s WHERE s.resource_mapping_id = l.id AND s.lease_epoch = l.epoch) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', lost USING ERRCODE = 'BR001';
  END IF;
END $need$;
CREATE OR REPLACE FUNCTION bridge_need_lease(room_id integer, epoch bigint) RETURNS void LANGUAGE sql AS $need$
  SELECT bridge_need_leases(ARRAY[room_id], ARRAY[epoch])
$need$;

-- Whether a create of a reservation that is not in the room (any more) may have been sent: its event is searched as after a lost answer.
CREATE OR REPLACE FUNCTION bridge_may_be_sent(m bridge_mappings, active boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS $sent$
  SELECT m.outlook_event_id IS NULL AND active IS NOT TRUE AND m.agreement = 'never' AND m.generation = ANY (m.unrecorded_creates)
$sent$;

-- A work item: a mapping with its item, which has `booking` for a state, or NULL. `status` to `changed_at` are columns of the mapping as
-- they will be stored. `recorded`: the present state is stored as sent; `sent`: the other ones. This and bridge_work_of are in SQL, so that they are inlined.
CREATE OR REPLACE FUNCTION bridge_work_item(m bridge_mappings, status text, revision bigint, attempt integer, lane integer, changed_at timestamptz,
  recorded boolean, sent jsonb, active boolean, booking jsonb, unreadable jsonb, in_window boolean, covered boolean, cover_confirmed boolean, ended boolean,
  elsewhere boolean) RETURNS json LANGUAGE sql STABLE AS $item$
  SELECT json_build_object(
    'id', m.id, 'reservationType', m.reservation_type, 'reservationId', m.reservation_id, 'eventId', m.outlook_event_id,
    'status', status, 'direction', m.sync_direction, 'generation', m.generation, 'revision', revision, 'createdAt', m.created_at,
    'attempt', attempt, 'lane', lane, 'agreement', CASE WHEN bridge_may_be_sent(m, active) THEN 'unanswered' ELSE m.agreement END,
    'bookingBase', CASE WHEN bridge_may_be_sent(m, active) THEN '{}' ELSE m.booking_base END, 'outlookBase', m.outlook_base,
    'followed', m.followed_state, 'outlookSeen', m.outlook_seen, 'recorded', recorded, 'sent', sent, 'active', active, 'booking', booking, 'unreadable', unreadable, 'inWindow', in_window,
    'covered', covered, 'coverConfirmed', cover_confirmed, 'ended', ended, 'elsewhere', elsewhere,
    'news', m.outlook_news, 'isOrganizer', m.is_organizer, 'iCalUId', m.ical_uid, 'originalStart', m.original_start,
    'etag', m.outlook_etag, 'intent', m.event_intent, 'removing', m.removing, 'waitsFor', m.waits_for, 'renames', m.renames, 'conflict', m.conflict, 'error', m.error_message, 'resolution', m.resolution, 'importAsked', m.import_asked_at IS NOT NULL,
    'bookingChangedAt', changed_at)
$item$;

-- The same of a stored mapping and an item as bridge_read_item returns it. A daemon of the previous version does not know `unreadable`: it
-- gets the state that the mapping stores, so that it removes nothing.
CREATE OR REPLACE FUNCTION bridge_work_of(m bridge_mappings, item jsonb, opens timestamptz, closes timestamptz, covered boolean,
  cover_confirmed boolean, elsewhere boolean) RETURNS json LANGUAGE sql STABLE AS $of$
  SELECT bridge_work_item(m, m.sync_status, m.revision, m.attempt, m.lane, m.last_modified_booking,
    coalesce(m.sent_states -> -1 = item -> 'state', false), bridge_others_sent(m.sent_states, item -> 'state'),
    CASE WHEN item ? 'unreadable' THEN m.present ELSE (item ->> 'active')::boolean END,
    CASE WHEN item ? 'unreadable' THEN coalesce(m.booking_seen,
      nullif(coalesce(m.outlook_seen, m.outlook_base, '{}') || coalesce(m.booking_base, '{}'), '{}')) ELSE coalesce(item -> 'state', item -> 'elsewhere') END,
    item -> 'unreadable',
    CASE WHEN item ? 'unreadable' THEN m.ends_at > opens AND m.starts_at < closes
      ELSE (item ->> 'endsAt')::timestamptz > opens AND (item ->> 'startsAt')::timestamptz < closes END,
    covered OR item ? 'unreadable' AND m.sync_status = 'shadowed',
    cover_confirmed OR item ? 'unreadable' AND m.sync_status = 'shadowed', coalesce((item ->> 'endsAt')::timestamptz, m.ends_at) <= now(), elsewhere)
$of$;

-- The work items of mappings of one room: everything that `decide` needs, in one read. `known`: items that were read in this
-- transaction, by mapping. `active` is null if the reservation has no row in this room any more; `unreadable`: its row fails.
-- `elsewhere`: it has a row in another room, and `booking` is its state there. `covered`, `coverConfirmed`: see bridge_cover_of. The result is json, not jsonb, which would be rebuilt in each enclosing value.
CREATE OR REPLACE FUNCTION bridge_work(room integer, rows_ bridge_mappings[], opens timestamptz, closes timestamptz, known jsonb)
RETURNS json LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $work$
DECLARE
  m bridge_mappings;
  style jsonb;
  unread bigint[] := '{}';
  kinds text[] := '{}';
  ids bigint[] := '{}';
  items jsonb := known;
  item jsonb;
  active boolean;
  begins timestamptz;
  ends timestamptz;
  covered boolean;
  cover_confirmed boolean;
  elsewhere boolean;
  answer json[] := '{}';
BEGIN
  FOREACH m IN ARRAY rows_ LOOP
    IF m.reservation_id IS NOT NULL AND NOT items ? m.id::text THEN
      unread := unread || m.id;
      kinds := kinds || m.reservation_type;
      ids := ids || m.reservation_id;
    END IF;
  END LOOP;
  IF cardinality(unread) > 0 THEN
    style := bridge_style(room);
    BEGIN
      SELECT items || coalesce(jsonb_object_agg(u.id, v.item), '{}') INTO items
      FROM unnest(unread, kinds, ids) AS u (id, kind, reservation) CROSS JOIN LATERAL (
        SELECT jsonb_build_object('active', i.active, 'startsAt', i.starts_at, 'endsAt', i.ends_at, 'state',
          bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
            || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END) AS item
        FROM bridge_items i
        WHERE i.reservation_type = u.kind AND i.reservation_id = u.reservation AND i.resource_id = room
        OFFSET 0) v;
    EXCEPTION WHEN OTHERS THEN
      IF NOT bridge_concerns_rows(SQLSTATE) THEN
        RAISE;
      END IF;
      SELECT items || coalesce(jsonb_object_agg(u.id, v.item) FILTER (WHERE v.item IS NOT NULL), '{}') INTO items
      FROM unnest(unread, kinds, ids) AS u (id, kind, reservation)
      CROSS JOIN LATERAL (SELECT bridge_read_item(u.kind, u.reservation, room, style) AS item OFFSET 0) v;
    END;
  END IF;
  FOREACH m IN ARRAY rows_ LOOP
    item := items -> m.id::text;
    active := (item ->> 'active')::boolean;
    begins := (item ->> 'startsAt')::timestamptz;
    ends := (item ->> 'endsAt')::timestamptz;
    covered := false;
    cover_confirmed := false;
    -- Outlook refuses an item that ends before it starts; here its range would be an error that stops all items of the room
    IF active AND m.priority_level > 1 AND begins < ends THEN
      SELECT c.covered, c.confirmed INTO covered, cover_confirmed FROM bridge_cover_of(room, m.priority_level, begins, ends) c;
    END IF;
    elsewhere := false;
    IF item IS NULL AND m.reservation_id IS NOT NULL THEN
      elsewhere := EXISTS (SELECT FROM bridge_items e
        WHERE e.reservation_type = m.reservation_type AND e.reservation_id = m.reservation_id);
      IF elsewhere AND m.outlook_event_id IS NOT NULL THEN
        item := jsonb_strip_nulls(jsonb_build_object('elsewhere', bridge_read_elsewhere(m.reservation_type, m.reservation_id, room)));
      END IF;
    END IF;
    answer := answer || bridge_work_of(m, item, opens, closes, covered, cover_confirmed, elsewhere);
  END LOOP;
  RETURN array_to_json(answer);
END $work$;

-- The same as rows.
CREATE OR REPLACE FUNCTION bridge_work_items(room integer, rows_ bridge_mappings[], opens timestamptz, closes timestamptz, known jsonb)
RETURNS SETOF jsonb LANGUAGE sql STABLE AS $rows$
  SELECT w::jsonb FROM json_array_elements(bridge_work(room, rows_, opens, closes, known)) w
$rows$;

-- The work items of one room that are due, in the order of the work; `mappings`: only these.
CREATE OR REPLACE FUNCTION bridge_due(room integer, most integer, opens timestamptz, closes timestamptz, known jsonb, mappings bigint[])
RETURNS json LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $due$
BEGIN
  IF mappings IS NOT NULL THEN
    RETURN bridge_work(room, ARRAY(
      SELECT b FROM bridge_mappings b WHERE b.id = ANY (mappings) AND b.resource_id = room
      ORDER BY b.priority_level, b.starts_at LIMIT most), opens, closes, known);
  END IF;
  RETURN bridge_work(room, ARRAY(
    SELECT b FROM bridge_mappings b
    WHERE b.resource_id = room AND b.due_at <= clock_timestamp()
      -- a live change is not batched with a backfill
      AND (b.lane = 0 OR NOT EXISTS (SELECT FROM bridge_mappings live
                                     WHERE live.resource_id = room AND live.lane = 0 AND live.due_at <= clock_timestamp()))
    -- failed ones come after untried ones, and unmapped events after reservations: removals and moves free time for imports
    ORDER BY b.lane, b.attempt > 0, b.reservation_id IS NULL, b.priority_level, b.starts_at, b.id LIMIT most), opens, closes, known);
END $due$;

-- The same as rows, for people.
CREATE OR REPLACE FUNCTION bridge_due_items(room integer, most integer, opens timestamptz, closes timestamptz, known jsonb DEFAULT '{}')
RETURNS SETOF jsonb LANGUAGE sql STABLE AS $rows$
  SELECT d::jsonb FROM json_array_elements(bridge_due(room, most, opens, closes, known, NULL)) d
$rows$;

-- Hints of a room. Events that have a mapping come first, so that a flood of hints of unknown events does not delay edits; then those
-- that were not read yet, then the newest, because delta rounds answer the oldest ones. A later hint of the same event has another `hintedAt`. Left out are those that
-- wait for another read, and that of the whole room.
CREATE OR REPLACE FUNCTION bridge_hints_of(room_id integer) RETURNS jsonb LANGUAGE sql STABLE AS $hints$
  SELECT coalesce(jsonb_agg(jsonb_build_object('eventId', h.event_id, 'deleted', h.deleted, 'etag', h.etag, 'hintedAt', h.hinted_at, 'misses', h.misses)
    ORDER BY h.is_known DESC, h.misses, h.hinted_at DESC), '[]')
  FROM (SELECT n.*, EXISTS (SELECT FROM bridge_mappings m WHERE m.outlook_item_id = r.outlook_item_id AND m.outlook_event_id = n.event_id) AS is_known
    FROM bridge_hints n JOIN bridge_resource_mappings r ON r.id = n.resource_mapping_id
    WHERE n.resource_mapping_id = room_id AND n.event_id <> '' AND coalesce(n.read_after <= clock_timestamp(), true)
    ORDER BY is_known DESC, n.misses, n.hinted_at DESC LIMIT 100) h
$hints$;

-- Whether a room may be leased at `moment` by a daemon that has the rooms in `held` already.
CREATE OR REPLACE FUNCTION bridge_room_is_free(room_id integer, retry_at timestamptz, throttled_until timestamptz, asked_at timestamptz,
  moment timestamptz, held integer[], asked_only boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS $free$
  SELECT (retry_at IS NULL OR retry_at <= moment) AND (throttled_until IS NULL OR throttled_until <= moment)
    AND (NOT asked_only OR asked_at IS NOT NULL) AND NOT room_id = ANY (held)
$free$;

-- The epoch of a lease that this transaction takes: microseconds, so that it is not used again if the transaction is rolled back after
-- its answer. (The number of the transaction is lower than former ones in a database that was restored in another cluster.)
CREATE OR REPLACE FUNCTION bridge_next_epoch(epoch bigint) RETURNS bigint LANGUAGE sql STABLE AS $next$
  SELECT greatest(epoch + 1, (extract(epoch FROM now()) * 1000000)::bigint)
$next$;

-- Whether an event of the room was reported as removed, and that is not decided about yet.
CREATE OR REPLACE FUNCTION bridge_misses(resource integer) RETURNS boolean LANGUAGE sql STABLE AS $misses$
  SELECT EXISTS (SELECT FROM bridge_mappings m WHERE m.resource_id = resource AND m.outlook_news IN ('missing', 'gone'))
$misses$;

-- Those of the rooms that are not active any more.
CREATE OR REPLACE FUNCTION bridge_stopped(rooms integer[]) RETURNS json LANGUAGE sql STABLE AS $stopped$
  SELECT coalesce(json_agg(h.id), '[]') FROM unnest(rooms) AS h (id)
  WHERE NOT EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.id = h.id AND r.active = 1)
$stopped$;

-- A leased room: its row of the list, columns of its state from before the lease, whether it `pulls`, has hints (`hinted`) or misses an
-- event, and its `due` work items. Subqueries would prevent inlining, and a row type of bridge_room_state would prevent dropping that table.
CREATE OR REPLACE FUNCTION bridge_leased(r bridge_resource_mappings, owner uuid, epoch bigint, baselined_at timestamptz,
  reconciled_at timestamptz, attempt integer, pulls boolean, hinted boolean, missing boolean, due json) RETURNS json LANGUAGE sql STABLE AS $leased$
  SELECT json_build_object(
    'id', r.id, 'resourceId', r.resource_id, 'mailbox', coalesce(r.outlook_object_id, r.outlook_item_id),
    'outlookItemId', r.outlook_item_id, 'name', coalesce(r.outlook_item_name, r.outlook_item_id), 'direction', r.sync_direction,
    'own', bridge_own_settings(r), 'baselined', baselined_at IS NOT NULL AND owner IS NULL, 'reconciled', reconciled_at IS NOT NULL,
    'abandoned', owner IS NOT NULL, 'pulls', coalesce(pulls, false), 'hints', CASE WHEN hinted THEN bridge_hints_of(r.id) ELSE '[]' END,
    'missing', missing, 'attempt', attempt, 'epoch', bridge_next_epoch(epoch), 'due', due)
$leased$;

-- Folds, leases due rooms for one daemon and reads their first work items: one round trip from wake to work.
-- The lease is a session advisory lock of the calling connection and an epoch that fences every settlement; `held` are the rooms that
-- this daemon has already (session locks re-enter). Candidates are chosen before a lock is tried. `changed_first`: after a fold of few
-- changes only their rooms are leased; the caller asks for the others soon after. A single change: see 41_lease_one.sql.
CREATE OR REPLACE FUNCTION bridge_lease(replica uuid, held integer[], rooms integer, most integer, past_days integer,
  future_days integer, fold_most integer, any_lane boolean, asked_only boolean, changed_first boolean) RETURNS json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $lease$
DECLARE
  few constant integer := 4;
  most_candidates constant integer := rooms * 4 + 4;
  gathered record;
  due json;
  is_narrow boolean;
  moment timestamptz;
  span record;
  candidates integer[];
  candidate integer;
  left_out integer[] := held;
  passed_by integer[] := '{}';
  taken json[] := '{}';
  more boolean := false;
  room record;
BEGIN
  gathered := bridge_gather(past_days, future_days, fold_most, NULL);
  moment := clock_timestamp();
  is_narrow := changed_first AND gathered.taken > 0 AND cardinality(gathered.rooms) BETWEEN 1 AND few;
  IF is_narrow THEN
    candidates := gathered.rooms;
  ELSIF gathered.taken > 0 AND cardinality(gathered.rooms) > 0 THEN
    PERFORM bridge_ring_rooms(gathered.rooms);
  END IF;
  LOOP
    IF NOT is_narrow THEN
      -- live changes and notifications before polls and backfills, each by an index
      candidates := ARRAY(
        SELECT r.id FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
        WHERE least(CASE WHEN s.push_lane = 0 THEN s.push_due_at END, s.pull_due_at, s.hinted_at) <= moment
          AND r.active = 1 AND bridge_room_is_free(s.resource_mapping_id, s.retry_at, s.throttled_until, s.asked_at, moment, left_out, asked_only)
        ORDER BY least(CASE WHEN s.push_lane = 0 THEN s.push_due_at END, s.pull_due_at, s.hinted_at) LIMIT most_candidates);
      IF any_lane AND cardinality(candidates) < most_candidates THEN
        candidates := candidates || ARRAY(
          SELECT r.id FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
          WHERE least(s.push_due_at, s.pull_due_at, s.next_poll_at, s.hinted_at, s.sure_at) <= moment
            AND r.active = 1 AND bridge_room_is_free(s.resource_mapping_id, s.retry_at, s.throttled_until, s.asked_at, moment, left_out || candidates, asked_only)
          ORDER BY least(s.push_due_at, s.pull_due_at, s.next_poll_at, s.hinted_at, s.sure_at) LIMIT most_candidates - cardinality(candidates));
      END IF;
    END IF;
    IF span IS NULL AND cardinality(candidates) > 0 THEN
      span := bridge_window(past_days, future_days);
    END IF;
    FOREACH candidate IN ARRAY candidates LOOP
      IF cardinality(taken) >= rooms THEN
        -- a room that another daemon works on is due as well, and waits for no place
        more := EXISTS (SELECT FROM bridge_room_state s WHERE s.lease_owner IS NULL
          AND s.resource_mapping_id = ANY (candidates[array_position(candidates, candidate):]));
        EXIT WHEN NOT is_narrow;
      END IF;
      IF cardinality(taken) >= rooms OR candidate = ANY (held) OR NOT bridge_try_lock_room(candidate) THEN
        passed_by := passed_by || candidate;
        CONTINUE;
      END IF;
      -- Its row is read again, because a release frees the lock before its commit. A row that another transaction has locked is
      -- skipped, because that one may take any time.
      SELECT r AS of_list, r.resource_id, s.lease_owner, s.lease_epoch, s.baselined_at, s.reconciled_at, s.attempt,
        least(s.pull_due_at, s.next_poll_at, s.sure_at) <= moment AS pulls, s.hinted_at <= moment AS hinted
      INTO room
      FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
      WHERE s.resource_mapping_id = candidate AND r.active = 1
        AND bridge_room_is_free(s.resource_mapping_id, s.retry_at, s.throttled_until, s.asked_at, moment, '{}', asked_only)
      FOR NO KEY UPDATE OF s SKIP LOCKED;
      IF NOT FOUND THEN
        PERFORM bridge_unlock_room(candidate);
        passed_by := passed_by || candidate;
        CONTINUE;
      END IF;
      -- Its last holder disappeared during its work: there may be a create that was not stored (hence the full scan), and the state
      -- of the events of due mappings is unknown, so they are read. A due create may have been sent: its generation is stored, by which
      -- its event is known as ours whenever its reservation ends and its event is found. A row that a person's transaction has locked is
      -- not waited for.
      IF room.lease_owner IS NOT NULL THEN
        BEGIN
          PERFORM FROM bridge_mappings m WHERE m.resource_id = room.resource_id AND m.due_at IS NOT NULL AND m.reservation_id IS NOT NULL
            FOR NO KEY UPDATE NOWAIT;
          UPDATE bridge_mappings SET outlook_news = coalesce(outlook_news, 'look'), revision = revision + 1
          WHERE resource_id = room.resource_id AND due_at IS NOT NULL AND outlook_event_id IS NOT NULL AND sync_status <> 'cancelled';
          UPDATE bridge_mappings SET unrecorded_creates = bridge_with_create(unrecorded_creates, generation), revision = revision + 1
          WHERE resource_id = room.resource_id AND due_at IS NOT NULL AND reservation_id IS NOT NULL
            AND (outlook_event_id IS NULL OR sync_status = 'cancelled');
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
          PERFORM bridge_unlock_room(candidate);
          passed_by := passed_by || candidate;
          CONTINUE;
        END;
      END IF;
      -- a room is due for as long as it is leased: if its holder disappears, the next daemon takes it at once
      UPDATE bridge_room_state s SET lease_owner = replica, lease_epoch = bridge_next_epoch(s.lease_epoch), asked_at = NULL,
        push_lane = CASE WHEN is_narrow THEN 0 WHEN s.push_due_at IS NULL THEN 1 ELSE s.push_lane END,
        push_due_at = least(s.push_due_at, moment),
        baselined_at = CASE WHEN s.lease_owner IS NULL THEN s.baselined_at END
      WHERE s.resource_mapping_id = candidate;
      IF room.baselined_at IS NULL OR room.reconciled_at IS NULL OR room.lease_owner IS NOT NULL THEN
        due := '[]';
      ELSE
        due := bridge_due(room.resource_id, most, span.opens, span.closes, gathered.items, CASE WHEN is_narrow THEN gathered.changed END);
      END IF;
      taken := taken || bridge_leased(room.of_list, room.lease_owner, room.lease_epoch, room.baselined_at, room.reconciled_at, room.attempt,
        room.pulls, room.hinted, bridge_misses(room.resource_id), due);
    END LOOP;
    -- others hold all candidates: the next ones are tried
    EXIT WHEN is_narrow OR cardinality(taken) >= rooms OR cardinality(candidates) < most_candidates;
    left_out := left_out || candidates;
  END LOOP;
  IF is_narrow AND cardinality(passed_by) > 0 THEN
    PERFORM bridge_ring_rooms(passed_by);
  END IF;
  RETURN json_build_object('folded', gathered.taken, 'more', more, 'rooms', array_to_json(taken), 'stopped', bridge_stopped(held));
END $lease$;

-- Ends the leases of rooms whose rows this transaction has locked: see bridge_release.
CREATE OR REPLACE FUNCTION bridge_release_locked(room_ids integer[], epochs bigint[], rest_ms double precision, throttled boolean, why text,
  what_to_do text, condition text) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $locked$
BEGIN
  UPDATE bridge_room_state s
  SET push_due_at = CASE WHEN s.reconciled_at IS NULL THEN now()
        -- a full scan that failed is requested again by pull_due_at, and work that needs none goes on
        WHEN s.baselined_at IS NULL AND (condition = 'ok' OR rest_ms IS NOT NULL) THEN now()
        -- after the rooms that wait already, however long ago the rest of this one became due
        WHEN due.at < now() THEN now() ELSE due.at END,
      push_lane = coalesce(due.lane, 1), lease_owner = NULL,
      -- a request that came during the work and is done does not allow another round
      asked_at = CASE WHEN due.at IS NOT NULL OR s.pull_due_at IS NOT NULL OR s.compare_at IS NOT NULL OR s.baselined_at IS NULL
        OR s.reconciled_at IS NULL THEN s.asked_at END,
      retry_at = CASE WHEN rest_ms IS NULL OR throttled THEN NULL ELSE clock_timestamp() + rest_ms * interval '1 millisecond' END,
      throttled_until = CASE WHEN throttled THEN clock_timestamp() + rest_ms * interval '1 millisecond' END,
      -- waiting without a rest: part of the work goes on, and this may happen several times a second
      attempt = CASE WHEN rest_ms IS NOT NULL THEN s.attempt + 1 WHEN condition = 'waiting' THEN least(s.attempt + 1, 6)
                     WHEN condition = 'ok' THEN 0 ELSE 1 END,
      health = condition, error_message = why, hint = what_to_do, updated_at = now()
  FROM unnest(room_ids, epochs) AS l (id, epoch) JOIN bridge_resource_mappings r ON r.id = l.id
  LEFT JOIN LATERAL (
    SELECT min(m.due_at) AS at,
           (SELECT f.lane FROM bridge_mappings f WHERE f.resource_id = r.resource_id AND f.due_at IS NOT NULL
            ORDER BY f.lane LIMIT 1) AS lane
    FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.due_at IS NOT NULL) due ON true
  WHERE s.resource_mapping_id = l.id AND s.lease_epoch = l.epoch;
  PERFORM bridge_unlock_room(l.id) FROM unnest(room_ids) AS l (id);
END $locked$;

-- Releases a room: it is due again with its earliest due mapping, and not before `rest_ms` from now (`throttled`: as Graph demanded).
CREATE OR REPLACE FUNCTION bridge_release(room_id integer, epoch bigint, rest_ms double precision, throttled boolean, why text,
  what_to_do text, condition text) RETURNS boolean LANGUAGE plpgsql AS $release$
BEGIN
  -- A transaction that makes something due here has locked this row (bridge_ring_room) and may still be open: the due mappings are
  -- read after its end. A single statement would wait as well, and then go by its older snapshot.
  PERFORM FROM bridge_room_state s WHERE s.resource_mapping_id = room_id FOR NO KEY UPDATE;
  PERFORM bridge_release_locked(ARRAY[room_id], ARRAY[epoch], rest_ms, throttled, why, what_to_do, condition);
  RETURN true;
END $release$;

-- Releases rooms that need no rest. Returns those of them that were released: a row that another transaction has locked is not waited for,
-- because two transactions that each wait for a row of the other would end in a deadlock.
CREATE OR REPLACE FUNCTION bridge_release_rooms(room_ids integer[], epochs bigint[]) RETURNS integer[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $release$
DECLARE
  free_ids integer[];
  free_epochs bigint[];
BEGIN
  -- a statement of its own, as in bridge_release
  SELECT array_agg(f.id), array_agg(f.epoch) INTO free_ids, free_epochs FROM (
    SELECT l.id, l.epoch FROM unnest(room_ids, epochs) AS l (id, epoch)
    JOIN bridge_room_state s ON s.resource_mapping_id = l.id FOR NO KEY UPDATE OF s SKIP LOCKED) f;
  IF free_ids IS NOT NULL THEN
    PERFORM bridge_release_locked(free_ids, free_epochs, NULL, false, NULL, NULL, 'ok');
  END IF;
  RETURN coalesce(free_ids, '{}');
END $release$;
