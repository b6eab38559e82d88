-- Reports from Outlook: delta rounds, full scans, verified removals.
-- Columns and arguments that published daemons use keep their names: bridge_mappings.noticed_at is the time since which a change in
-- Outlook is reported and not settled; outlook_news is the report ('look': the event is to be read); `born` are unmapped events, and
-- `rung` is the time at which a delta round was requested.

-- Stores reports on events of one room, which the same drain handles. `known`: mappings whose events are to be read ('look') or
-- verified ('missing'); `born`: unmapped events, due after `dueInMs`, because a room rewrites an invitation in the first seconds.
-- `noticed`: the time of the report.
CREATE OR REPLACE FUNCTION bridge_notice(room_id integer, epoch bigint, noticed timestamptz, known jsonb, born jsonb) RETURNS void
LANGUAGE plpgsql AS $notice$
BEGIN
  -- see 04_locks.sql
  PERFORM bridge_lock_for_settlement();
  PERFORM bridge_need_lease(room_id, epoch);
  UPDATE bridge_mappings m
  SET outlook_news = k.news, noticed_at = coalesce(m.noticed_at, noticed), revision = m.revision + 1, attempt = 0, lane = 0,
      due_at = CASE WHEN k."dueInMs" IS NULL THEN least(m.due_at, now()) ELSE coalesce(m.due_at, now()) END,
      sync_status = CASE WHEN m.sync_status IN ('synced', 'error') AND m.reservation_id IS NOT NULL THEN 'pending' ELSE m.sync_status END,
      updated_at = now()
  FROM jsonb_to_recordset(known) AS k (id bigint, news text, "dueInMs" double precision) WHERE m.id = k.id AND k.news IS NOT NULL;
  -- the event was not edited, but has a new etag, which the next write needs
  UPDATE bridge_mappings m SET outlook_etag = k.etag
  FROM jsonb_to_recordset(known) AS k (id bigint, news text, etag text)
  WHERE m.id = k.id AND k.news IS NULL AND m.sync_status = 'synced' AND m.outlook_etag IS DISTINCT FROM k.etag;
  INSERT INTO bridge_mappings (resource_id, outlook_item_id, outlook_event_id, sync_status, sync_direction, starts_at, ends_at,
    present, outlook_seen, outlook_news, noticed_at, due_at, waits_for, hint, is_organizer, ical_uid, original_start, series_master_id, outlook_organizer)
  SELECT r.resource_id, r.outlook_item_id, b."eventId", 'imported', 'outlook_to_booking', b."startsAt", b."endsAt",
    false, b.item, CASE WHEN b."dueInMs" IS NOT NULL THEN 'look' END, noticed, now() + b."dueInMs" * interval '1 millisecond',
    b."waitsFor", b.hint, b."isOrganizer", b."iCalUId",
    b."originalStart", b."seriesMasterId", b."outlookOrganizer"
  FROM jsonb_to_recordset(born) AS b ("eventId" text, "startsAt" timestamptz, "endsAt" timestamptz, item jsonb,
    "dueInMs" double precision, "waitsFor" text, hint text, "isOrganizer" boolean, "iCalUId" text, "originalStart" timestamptz, "seriesMasterId" text, "outlookOrganizer" text)
  JOIN bridge_resource_mappings r ON r.id = room_id
  ON CONFLICT (outlook_item_id, outlook_event_id) DO NOTHING;
  PERFORM bridge_need_lease(room_id, epoch);
END $notice$;

-- The same for one page of a delta round, together with the links of the next page or round.
CREATE OR REPLACE FUNCTION bridge_pulled(room_id integer, epoch bigint, noticed timestamptz, known jsonb, born jsonb, links text[])
RETURNS void LANGUAGE plpgsql AS $pulled$
BEGIN
  PERFORM bridge_notice(room_id, epoch, noticed, known, born);
  UPDATE bridge_room_state SET delta_links = links, pulled_at = now(), updated_at = now() WHERE resource_mapping_id = room_id;
END $pulled$;

-- Stores what hinted events showed and deletes those hints, or, with `againMs`, sets the time of their next read; a later hint of the
-- same event stays. Hints that wait for their time still do.
CREATE OR REPLACE FUNCTION bridge_hinted(room_id integer, epoch bigint, noticed timestamptz, known jsonb, born jsonb, done jsonb)
RETURNS void LANGUAGE plpgsql AS $hinted$
BEGIN
  PERFORM bridge_notice(room_id, epoch, noticed, known, born);
  PERFORM FROM bridge_room_state WHERE resource_mapping_id = room_id FOR UPDATE;
  UPDATE bridge_hints h SET misses = h.misses + 1, read_after = clock_timestamp() + d."againMs" * interval '1 millisecond'
  FROM jsonb_to_recordset(done) AS d ("eventId" text, "hintedAt" timestamptz, "againMs" double precision)
  WHERE h.resource_mapping_id = room_id AND h.event_id = d."eventId" AND h.hinted_at <= d."hintedAt" AND d."againMs" IS NOT NULL;
  DELETE FROM bridge_hints h USING jsonb_to_recordset(done) AS d ("eventId" text, "hintedAt" timestamptz, "againMs" double precision)
  WHERE h.resource_mapping_id = room_id AND h.event_id = d."eventId" AND h.hinted_at <= d."hintedAt" AND d."againMs" IS NULL;
  PERFORM bridge_tell_hints(room_id);
END $hinted$;

-- Deletes the hints that a page of a delta round answers: it shows the version that the hint names, or the removal. A page may show
-- an older version, so all others stay, as do those that a read did not confirm: another replica of the mailbox may answer it again.
-- `shown`: ids and versions of its rows; `removed`: ids.
CREATE OR REPLACE FUNCTION bridge_answer_hints(room_id integer, shown jsonb, removed text[]) RETURNS void LANGUAGE plpgsql AS $answer$
BEGIN
  PERFORM FROM bridge_room_state WHERE resource_mapping_id = room_id FOR UPDATE;
  DELETE FROM bridge_hints h WHERE h.resource_mapping_id = room_id AND h.misses = 0
    AND (NOT h.deleted AND (h.event_id, h.etag) IN (SELECT s.id, s.etag FROM jsonb_to_recordset(shown) AS s (id text, etag text))
      OR h.deleted AND h.event_id = ANY (removed));
  IF FOUND THEN
    PERFORM bridge_tell_hints(room_id);
  END IF;
END $answer$;

-- Stores in the locked row of a room whether hints are left, and when they may be read. A later time, from which they may be read, is
-- kept, unless it is that of another read.
CREATE OR REPLACE FUNCTION bridge_tell_hints(room_id integer) RETURNS void LANGUAGE sql AS $tell$
  UPDATE bridge_room_state s SET
    hinted_at = CASE WHEN s.hinted_at > clock_timestamp() AND NOT s.hints_retry AND h.at IS NOT NULL THEN greatest(s.hinted_at, h.at) ELSE h.at END,
    hints_retry = coalesce(h.at > greatest(clock_timestamp(), CASE WHEN NOT s.hints_retry THEN s.hinted_at END), false)
  FROM (SELECT min(coalesce(read_after, hinted_at)) AS at FROM bridge_hints WHERE resource_mapping_id = room_id AND event_id <> '') h
  WHERE s.resource_mapping_id = room_id;
$tell$;

-- For rooms whose rows were locked, or that have too many hints: marks rooms with hints that were stored without a mark, and requests a
-- full scan of those with a hint of the whole room, at most one in half a minute. That hint stays until a scan that began later has
-- ended. Each room is locked before its hints are looked for: a mark without a hint would never be removed. Deletes hints of rooms that
-- were deleted. `sure_ms`: the delay of the delta round that finds missed changes.
CREATE OR REPLACE FUNCTION bridge_mark_hinted(sure_ms double precision) RETURNS integer LANGUAGE plpgsql AS $mark$
DECLARE
  room integer;
  marked integer := 0;
BEGIN
  FOR room IN
    SELECT s.resource_mapping_id FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
    WHERE s.resource_mapping_id IN (SELECT h.resource_mapping_id FROM bridge_hints h)
      AND (s.hinted_at IS NULL AND EXISTS (SELECT FROM bridge_hints h WHERE h.resource_mapping_id = r.id AND h.event_id <> '')
        -- a scan of the schedule, which may be minutes off, does not replace it
        OR (s.compare_at IS NULL OR s.pull_due_at IS NULL AND s.lease_owner IS NULL)
          AND EXISTS (SELECT FROM bridge_hints h WHERE h.resource_mapping_id = r.id AND h.event_id = ''))
      AND r.active = 1 AND r.sync_direction <> 'booking_to_outlook'
    ORDER BY 1 FOR UPDATE OF s SKIP LOCKED
  LOOP
    UPDATE bridge_room_state s SET hinted_at = h.at, sure_at = coalesce(s.sure_at, now() + sure_ms * interval '1 millisecond')
    FROM (SELECT min(coalesce(read_after, hinted_at)) AS at FROM bridge_hints WHERE resource_mapping_id = room AND event_id <> '') h
    WHERE s.resource_mapping_id = room AND s.hinted_at IS NULL AND h.at IS NOT NULL;
    UPDATE bridge_room_state s SET compare_at = coalesce(s.compare_at, scan.at), pull_due_at = least(s.pull_due_at, greatest(scan.at, s.compare_at))
    FROM bridge_room_state t
    CROSS JOIN LATERAL (SELECT greatest(now(), t.baselined_at + interval '30 seconds') AS at) scan
    WHERE s.resource_mapping_id = room AND t.resource_mapping_id = room
      AND (s.compare_at IS NULL OR s.pull_due_at IS NULL AND s.lease_owner IS NULL)
      AND EXISTS (SELECT FROM bridge_hints h WHERE h.resource_mapping_id = room AND h.event_id = '');
    marked := marked + 1;
  END LOOP;
  DELETE FROM bridge_hints h WHERE NOT EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.id = h.resource_mapping_id);
  IF marked > 0 THEN
    PERFORM bridge_wake();
  END IF;
  RETURN marked;
END $mark$;

-- Stores the result of a full scan of a room: the reports on the events in its window (bridge_notice), the links at which its delta
-- rounds begin, and that window. Events in `adoptions` are attached to mappings without an event (bridge_attach). `requested`: the
-- request that was known when the scan began. Returns whether it was the last one: a mapping may have been deleted after the scan read
-- it, so a later request needs another scan.
CREATE OR REPLACE FUNCTION bridge_baselined(room_id integer, epoch bigint, adoptions jsonb, noticed timestamptz, known jsonb, born jsonb,
  links text[], from_at timestamptz, to_at timestamptz, poll_ms double precision, requested timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $baselined$
DECLARE
  is_last boolean;
BEGIN
  PERFORM bridge_lock_for_settlement(), bridge_need_lease(room_id, epoch);
  -- mappings of a resource that had this mailbox before
  DELETE FROM bridge_mappings m USING bridge_resource_mappings r
  WHERE r.id = room_id AND m.outlook_item_id = r.outlook_item_id AND m.resource_id <> r.resource_id;
  PERFORM bridge_notice(room_id, epoch, noticed, known, born);
  -- compared here, because the UPDATE may wait for the transaction that requests another scan
  UPDATE bridge_room_state SET
    baselined_at = CASE WHEN scan_requested_at IS NOT DISTINCT FROM requested THEN now() ELSE baselined_at END,
    pulled_at = now(), delta_links = links, window_from = from_at,
    window_to = to_at, pull_attempt = 0, compare_at = NULL, updated_at = now(),
    next_poll_at = CASE WHEN poll_ms IS NULL THEN NULL ELSE now() + poll_ms * interval '1 millisecond' END
  WHERE resource_mapping_id = room_id
  RETURNING scan_requested_at IS NOT DISTINCT FROM requested INTO is_last;
  PERFORM bridge_attach(room_id, epoch, adoptions);
  RETURN is_last;
END $baselined$;

-- Begins a delta round: sets the time of the next poll, and a request from now on asks for another round. `rung`: the time at which
-- this round was requested, NULL if it was not. After a requested round the next poll follows soon, because Graph may show one of
-- several notified changes later than the others (Microsoft: delta-query-overview).
-- `active`, `quiet`: factors of the poll interval of a room without a subscription; `active` if Outlook changed something there in the
-- last ten minutes.
CREATE OR REPLACE FUNCTION bridge_begin_pull(room_id integer, epoch bigint, poll_ms double precision, unheard_ms double precision,
  active double precision, quiet double precision, OUT rung timestamptz,
  OUT links text[], OUT from_at timestamptz, OUT attempt integer, OUT compare boolean) LANGUAGE plpgsql AS $begin$
BEGIN
  SELECT s.pull_due_at, s.delta_links, s.window_from, s.pull_attempt, coalesce(s.compare_at <= now(), false)
  INTO rung, links, from_at, attempt, compare
  FROM bridge_room_state s WHERE s.resource_mapping_id = room_id AND s.lease_epoch = epoch FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', room_id USING ERRCODE = 'BR001';
  END IF;
  -- a room without a subscription is polled more often
  -- a full scan that may not begin yet keeps its time
  UPDATE bridge_room_state s SET pull_due_at = CASE WHEN s.compare_at > now() THEN s.compare_at END, sure_at = NULL, updated_at = now(),
    next_poll_at = now() + interval '1 millisecond' * CASE
      WHEN rung IS NOT NULL THEN least(poll_ms, unheard_ms, 10000)
      WHEN EXISTS (SELECT FROM bridge_subscriptions b WHERE b.resource_mapping_id = room_id AND b.expires_at > now()) THEN poll_ms
      ELSE least(poll_ms, unheard_ms) * CASE WHEN s.active_at > now() - interval '10 minutes' THEN active ELSE quiet END END
  WHERE resource_mapping_id = room_id;
END $begin$;

-- Stores the results of verifying events that were reported as removed. Throws BR001 if the lease was lost: the events would be
-- verified again and again.
CREATE OR REPLACE FUNCTION bridge_verified(room_id integer, epoch bigint, results jsonb) RETURNS void LANGUAGE plpgsql AS $verified$
BEGIN
  -- see 04_locks.sql
  PERFORM bridge_lock_for_settlement();
  UPDATE bridge_mappings m SET outlook_news = v.news, off_pattern = coalesce(v."offPattern", false),
    due_at = least(m.due_at, now()), revision = m.revision + 1
  FROM jsonb_to_recordset(results) AS v (id bigint, revision bigint, news text, "offPattern" boolean)
  WHERE m.id = v.id AND m.revision = v.revision;
  PERFORM bridge_need_lease(room_id, epoch);
END $verified$;

-- Stores that we are about to delete or decline the events of these mappings. Returns the mappings that have not changed since they
-- were read; their revision is one higher now. `replaced`: another event is to take its place, and if the removal fails, the mapping is
-- decided about again. Throws BR001 if the lease was lost: the mappings would be decided about again and again.
CREATE OR REPLACE FUNCTION bridge_removing(room_id integer, epoch bigint, wanted jsonb) RETURNS jsonb LANGUAGE plpgsql AS $removing$
DECLARE
  noted jsonb;
BEGIN
  PERFORM bridge_lock_for_settlement();
  WITH those AS (
    UPDATE bridge_mappings m SET removing = true, event_intent = CASE m.sync_status WHEN 'cancelled' THEN 'remove_again' ELSE 'remove' END, revision = m.revision + 1,
      outlook_news = CASE WHEN w.replaced THEN coalesce(m.outlook_news, 'look') ELSE m.outlook_news END, due_at = CASE WHEN w.replaced THEN now() ELSE m.due_at END
    FROM jsonb_to_recordset(wanted) AS w (id bigint, revision bigint, replaced boolean)
    WHERE m.id = w.id AND m.revision = w.revision
    RETURNING m.id
  ) SELECT coalesce(jsonb_agg(id), '[]') INTO noted FROM those;
  PERFORM bridge_need_lease(room_id, epoch);
  RETURN noted;
END $removing$;

-- An older version has this with fewer arguments.
DO $drop$
BEGIN
  IF to_regprocedure('bridge_show_again(integer, text)') IS NOT NULL THEN
    DROP FUNCTION bridge_show_again(integer, text);
  END IF;
END $drop$;

-- A room has another mailbox: the events in the old one stay, and all items are matched or created in the new one. The ids of each
-- meeting are kept, so that a restored mailbox is recognised. `former`: only mappings that name this mailbox; NULL: all of the room.
CREATE OR REPLACE FUNCTION bridge_show_again(room integer, mailbox text, former text) RETURNS void LANGUAGE plpgsql AS $again$
BEGIN
  DELETE FROM bridge_mappings WHERE resource_id = room AND reservation_id IS NULL AND (former IS NULL OR outlook_item_id = former);
  UPDATE bridge_mappings
  SET outlook_item_id = mailbox, outlook_event_id = NULL, agreement = 'never', booking_base = NULL, outlook_base = NULL, outlook_etag = NULL, sent_states = NULL,
      outlook_seen = NULL, outlook_news = NULL, event_intent = NULL, removing = false, is_organizer = true, waits_for = NULL, conflict = NULL, resolution = NULL,
      error_message = NULL, hint = NULL, attempt = 0, generation = generation + 1, revision = revision + 1, lane = 1, due_at = now(),
      sync_status = CASE WHEN sync_status IN ('synced', 'error', 'conflict') THEN 'pending' ELSE sync_status END
  WHERE resource_id = room AND (former IS NULL OR outlook_item_id = former);
END $again$;

-- Whether a mailbox by its former name is that of a room, as far as is known: names differ in case, or one is the object id, or the
-- address of the room has changed and its object id has not.
CREATE OR REPLACE FUNCTION bridge_is_mailbox(room bridge_resource_mappings, former text) RETURNS boolean LANGUAGE sql STABLE AS $is$
  SELECT lower(former) IN (lower(room.outlook_item_id), lower(coalesce(room.outlook_object_id, room.outlook_item_id)))
    OR EXISTS (SELECT FROM bridge_resource_mappings e WHERE lower(e.outlook_item_id) = lower(former)
      AND lower(e.outlook_object_id) IN (lower(room.outlook_item_id), lower(room.outlook_object_id)))
    OR EXISTS (SELECT FROM bridge_room_state s
      WHERE s.resource_mapping_id = room.id AND lower(s.former_object_id) IN (lower(room.outlook_item_id), lower(room.outlook_object_id)))
$is$;

-- All mappings of an active room name its mailbox. Those that name another one are shown again in this one: their events are in the
-- other one, and would be taken for deleted here. If it is the same mailbox under a former name (`same`: a name that is known to be
-- its own), they keep their events. Returns whether any named another mailbox or name.
CREATE OR REPLACE FUNCTION bridge_follow_mailbox(room_id integer, same text) RETURNS boolean LANGUAGE plpgsql AS $follow$
DECLARE
  room bridge_resource_mappings;
  former text;
  follows boolean := false;
BEGIN
  SELECT * INTO room FROM bridge_resource_mappings WHERE id = room_id AND active = 1;
  FOR former IN SELECT DISTINCT m.outlook_item_id FROM bridge_mappings m
    WHERE m.resource_id = room.resource_id AND m.outlook_item_id <> room.outlook_item_id ORDER BY 1
  LOOP
    follows := true;
    IF lower(former) = lower(same) OR bridge_is_mailbox(room, former) THEN
      UPDATE bridge_mappings m SET outlook_item_id = room.outlook_item_id, revision = m.revision + 1
      WHERE m.resource_id = room.resource_id AND m.outlook_item_id = former
        -- under the new name the event may have a mapping already
        AND NOT EXISTS (SELECT FROM bridge_mappings o
                        WHERE o.outlook_item_id = room.outlook_item_id AND o.outlook_event_id = m.outlook_event_id);
    END IF;
    PERFORM bridge_show_again(room.resource_id, room.outlook_item_id, former);
  END LOOP;
  UPDATE bridge_room_state SET former_object_id = NULL WHERE resource_mapping_id = room.id AND former_object_id IS NOT NULL;
  RETURN follows;
END $follow$;

-- The same for every active room, because an older version or a disabled trigger may have left such mappings. Returns how many rooms
-- had some.
CREATE OR REPLACE FUNCTION bridge_follow_mailboxes() RETURNS integer LANGUAGE plpgsql AS $follow$
DECLARE
  rooms integer[];
BEGIN
  SELECT array_agg(r.id) INTO rooms FROM bridge_resource_mappings r JOIN (
    SELECT DISTINCT resource_id, outlook_item_id FROM bridge_mappings) m ON m.resource_id = r.resource_id AND m.outlook_item_id <> r.outlook_item_id
  JOIN bridge_room_state s ON s.resource_mapping_id = r.id
  -- a new address is resolved first
  WHERE r.active = 1 AND (r.outlook_object_id IS NOT NULL OR s.former_object_id IS NULL);
  UPDATE bridge_room_state SET baselined_at = NULL, lease_epoch = lease_epoch + 1, push_due_at = now(), push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END, updated_at = now()
  WHERE resource_mapping_id = ANY (rooms);
  PERFORM bridge_follow_mailbox(id, NULL) FROM unnest(rooms) AS id;
  RETURN coalesce(cardinality(rooms), 0);
END $follow$;

-- A room's mailbox is addressed by `object_id` from now on (NULL: by its address), and its calendar is scanned before any other work.
-- `is_new`: it is another mailbox than before, or was created anew.
CREATE OR REPLACE FUNCTION bridge_replace_mailbox(room_id integer, epoch bigint, object_id text, is_new boolean) RETURNS void
LANGUAGE plpgsql AS $replace$
DECLARE
  room bridge_resource_mappings;
BEGIN
  -- see 04_locks.sql
  PERFORM bridge_lock_for_settlement();
  UPDATE bridge_resource_mappings r SET outlook_object_id = object_id FROM bridge_room_state s
  WHERE r.id = room_id AND s.resource_mapping_id = room_id AND s.lease_epoch = epoch RETURNING r.* INTO room;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', room_id USING ERRCODE = 'BR001';
  END IF;
  UPDATE bridge_room_state SET baselined_at = NULL, updated_at = now(),
    claim_read_at = CASE WHEN NOT is_new THEN claim_read_at END,
    delta_links = CASE WHEN NOT is_new THEN delta_links END -- they show later whether the mailbox is the same
  WHERE resource_mapping_id = room_id;
  -- subscriptions of the former mailbox expire in Graph by themselves
  UPDATE bridge_subscriptions SET subscription_id = NULL, expires_at = NULL, renewed_at = NULL, mailbox = NULL, due_at = now()
  WHERE resource_mapping_id = room_id AND ended_at IS NULL AND off_at IS NULL;
  IF is_new THEN
    PERFORM bridge_show_again(room.resource_id, room.outlook_item_id, NULL);
  END IF;
END $replace$;
