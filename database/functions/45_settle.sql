-- What was done is written down.

-- Throws BR001 when the lease of a room was lost: another daemon has it by now, or somebody changed the room. It is asked for at the
-- end, too: rows that we waited for may have been those of such a change.
CREATE OR REPLACE FUNCTION bridge_need_lease(room_id integer, epoch bigint) RETURNS void LANGUAGE plpgsql AS $need$
BEGIN
  PERFORM FROM bridge_room_state s WHERE s.resource_mapping_id = room_id AND s.lease_epoch = epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', room_id USING ERRCODE = 'BR001';
  END IF;
END $need$;

-- Writes down what was done to mappings of a leased room, with its line in bridge_log, and returns how long each
-- change took, and whether `more` is due there or its calendar is to be asked for changes (`pulls`).
-- Fenced: throws 'BR001' when the lease was lost. A row whose revision moved on meanwhile stays due.
CREATE OR REPLACE FUNCTION bridge_settle(room_id integer, epoch bigint, results jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $settle$
DECLARE
  answer jsonb;
  forgets boolean;
  meets boolean;
  detaches boolean;
  removes boolean;
BEGIN
  -- the fold need not wait for our disk; what a crash of the server forgets, the daemon reads again (`doubt_rooms`)
  PERFORM set_config('synchronous_commit', 'off', true);
  -- never at the same time as a fold, which takes the same rows in another order; settles of other rooms go on
  PERFORM bridge_lock_for_settlement();
  PERFORM bridge_need_lease(room_id, epoch);
  -- what is seldom to be done is asked for once
  SELECT bool_or(r.status = 'forget'), bool_or(jsonb_typeof(r.counterpart) = 'object'),
    bool_or(EXISTS (SELECT FROM bridge_removals d WHERE d.mapping_id = r.id)),
    bool_or(m.outlook_event_id IS DISTINCT FROM r."eventId" AND EXISTS (
      SELECT FROM bridge_mappings o WHERE o.outlook_item_id = m.outlook_item_id AND o.outlook_event_id = r."eventId" AND o.id <> r.id))
  INTO forgets, detaches, removes, meets
  FROM jsonb_to_recordset(results) AS r (id bigint, status text, "eventId" text, counterpart jsonb) JOIN bridge_mappings m ON m.id = r.id;
  IF forgets THEN
    PERFORM bridge_settle_forgotten(results);
  END IF;
  IF meets THEN
    PERFORM bridge_settle_met(results);
  END IF;
  WITH r AS (
    SELECT r.*,
      -- A create was answered with an event that another reservation has by now: an earlier answer to the same idempotency
      -- key was lost, and what it had made was imported. It stays there, and the next create gets the next key.
      CASE WHEN meets THEN EXISTS (
        SELECT FROM bridge_mappings m JOIN bridge_mappings o ON o.outlook_item_id = m.outlook_item_id AND o.id <> m.id
        WHERE m.id = r.id AND m.outlook_event_id IS DISTINCT FROM r."eventId" AND o.outlook_event_id = r."eventId") ELSE false END AS claimed,
      -- let go of above, and taken by another one just now
      CASE WHEN meets THEN r.status = 'cancelled' AND EXISTS (
        SELECT FROM jsonb_to_recordset(results) AS x (id bigint, "eventId" text)
        WHERE x.id <> r.id AND x."eventId" = r."eventId") ELSE false END AS left_alone
    FROM jsonb_to_recordset(results) AS r (id bigint, revision bigint, status text, "eventId" text, generation integer,
      agreement text, "bookingBase" jsonb, "outlookBase" jsonb, "bookingSeen" jsonb, "outlookSeen" jsonb, error text, hint text, "dueInMs" double precision,
      attempt integer, action text, reason text, news text, intent text, removing boolean, "waitsFor" text, "isOrganizer" boolean, "iCalUId" text, "originalStart" timestamptz,
      "seriesMasterId" text, "outlookOrganizer" text, etag text, conflict jsonb, counterpart jsonb, "outlookChangedAt" timestamptz, "sinceAcceptedMs" double precision, "callMs" double precision,
      "requestId" text, detail jsonb, renamed boolean)
  ), was AS (
    SELECT m.id, m.changed_at, m.noticed_at, m.outlook_event_id,
      -- what is copied to the other side: as it was, and as it is now
      CASE r.action WHEN 'updated' THEN m.booking_base WHEN 'booking-updated' THEN m.outlook_base END AS old,
      CASE r.action WHEN 'updated' THEN r."bookingBase" WHEN 'booking-updated' THEN r."outlookBase" END AS new
    FROM bridge_mappings m JOIN r USING (id)
  ), settled AS (
    UPDATE bridge_mappings m SET
      sync_status = CASE WHEN r.status = 'forget' OR r.claimed OR m.revision <> r.revision AND r.status IN ('synced', 'error') THEN 'pending'
                         ELSE r.status END,
      outlook_event_id = CASE WHEN NOT r.claimed AND NOT r.left_alone THEN r."eventId" END,
      generation = r.generation + r.claimed::integer,
      -- what another room of the same meeting agreed on meanwhile stays: see bridge_agree_in_other_rooms
      booking_base = CASE WHEN r.claimed THEN NULL WHEN m.revision <> r.revision AND NOT coalesce(r."isOrganizer", m.is_organizer) THEN m.booking_base
                          ELSE r."bookingBase" END,
      agreement = CASE WHEN r.claimed THEN 'never' WHEN m.revision <> r.revision AND NOT coalesce(r."isOrganizer", m.is_organizer) THEN m.agreement
                       -- a daemon of 1.0 does not name it
                       ELSE coalesce(r.agreement, bridge_agreement(r."bookingBase")) END,
      outlook_base = CASE WHEN NOT r.claimed THEN r."outlookBase" END, booking_seen = r."bookingSeen", outlook_seen = r."outlookSeen",
      error_message = r.error, hint = r.hint, attempt = r.attempt,
      due_at = CASE WHEN m.revision <> r.revision OR r.claimed THEN coalesce(m.due_at, now())
                    WHEN r."dueInMs" IS NULL THEN NULL ELSE now() + r."dueInMs" * interval '1 millisecond' END,
      lane = CASE WHEN m.revision = r.revision AND NOT r.claimed AND r."dueInMs" IS NULL THEN 0 ELSE m.lane END,
      changed_at = CASE WHEN m.revision <> r.revision THEN m.last_modified_booking
                        WHEN r."dueInMs" IS NULL AND NOT r.claimed THEN NULL ELSE m.changed_at END,
      last_sync_at = CASE WHEN r.error IS NULL THEN now() ELSE m.last_sync_at END,
      last_modified_outlook = coalesce(r."outlookChangedAt", m.last_modified_outlook),
      is_organizer = coalesce(r."isOrganizer", m.is_organizer), ical_uid = coalesce(r."iCalUId", m.ical_uid),
      -- another event than before says itself whether it is of a series
      original_start = coalesce(r."originalStart", CASE WHEN r."eventId" IS NOT DISTINCT FROM m.outlook_event_id OR r."eventId" IS NULL THEN m.original_start END),
      series_master_id = coalesce(r."seriesMasterId", CASE WHEN r."eventId" IS NOT DISTINCT FROM m.outlook_event_id OR r."eventId" IS NULL THEN m.series_master_id END),
      outlook_organizer = coalesce(r."outlookOrganizer", CASE WHEN r."eventId" IS NOT DISTINCT FROM m.outlook_event_id OR r."eventId" IS NULL THEN m.outlook_organizer END),
      outlook_etag = coalesce(r.etag, m.outlook_etag),
      -- what came in meanwhile stays to be dealt with
      outlook_news = CASE WHEN m.revision <> r.revision THEN coalesce(m.outlook_news, r.news) ELSE r.news END,
      resolution = CASE WHEN m.revision <> r.revision OR r."dueInMs" IS NOT NULL THEN m.resolution END,
      import_asked_at = CASE WHEN m.revision <> r.revision OR r."dueInMs" IS NOT NULL THEN m.import_asked_at END,
      noticed_at = CASE WHEN m.revision <> r.revision OR r."dueInMs" IS NOT NULL THEN m.noticed_at END,
      conflict = r.conflict, renames = m.renames AND NOT coalesce(r.renamed, false), waits_for = r."waitsFor",
      event_intent = CASE WHEN r.removing IS NULL THEN r.intent ELSE bridge_intent(r.removing, r.status, r."outlookBase", m.event_intent, false) END,
      removing = CASE WHEN r.removing IS NULL THEN r.intent IN ('remove', 'renew', 'remove_again') AND r.intent IS NOT NULL ELSE r.removing END,
      revision = m.revision + 1,
      updated_at = now()
    FROM r WHERE m.id = r.id
    RETURNING m.*
  ), told AS (
    INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id,
      action, reason, latency_ms, call_ms, request_id, detail)
    SELECT m.id, m.resource_id, m.reservation_type, m.reservation_id, m.outlook_item_id, coalesce(m.outlook_event_id, was.outlook_event_id),
      CASE WHEN r.claimed THEN 'waiting' ELSE r.action END,
      CASE WHEN r.claimed THEN 'its idempotency key was used for the event of another reservation' ELSE coalesce(r.error, r.reason) END,
      CASE WHEN r.action IN ('imported', 'booking-updated', 'booking-cancelled') THEN
          greatest(0, extract(epoch FROM clock_timestamp() - was.noticed_at)::float8 * 1000)
        WHEN NOT r.claimed AND r."sinceAcceptedMs" IS NOT NULL AND was.changed_at IS NOT NULL THEN
          greatest(0, extract(epoch FROM clock_timestamp() - was.changed_at)::float8 * 1000 - r."sinceAcceptedMs") END,
      r."callMs", r."requestId",
      -- the texts themselves are not kept longer than they are shown
      CASE WHEN was.old IS NULL OR was.new IS NULL THEN r.detail
        ELSE jsonb_build_object('was', was.old - 'description', 'is', was.new - 'description',
          'text', was.old ->> 'description' IS DISTINCT FROM was.new ->> 'description') END
    FROM settled m JOIN r USING (id) JOIN was USING (id)
    WHERE r.action <> 'unchanged'
    RETURNING mapping_id, latency_ms
  )
  SELECT jsonb_build_object('latency',
           (SELECT coalesce(jsonb_object_agg(mapping_id, latency_ms) FILTER (WHERE latency_ms IS NOT NULL), '{}') FROM told))
  INTO answer;
  IF detaches THEN
    PERFORM bridge_settle_counterparts(results);
  END IF;
  -- an event that one of these reservations moved away from: what becomes of it depends on where the reservation is now
  UPDATE bridge_mappings c SET due_at = now(), lane = 0, revision = c.revision + 1
  FROM (SELECT resource_id FROM bridge_resource_mappings WHERE id = room_id) room
  WHERE c.resource_id = room.resource_id AND c.sync_status = 'conflict' AND c.conflict ->> 'kind' = 'moved'
    AND EXISTS (SELECT FROM jsonb_to_recordset(results) AS r (id bigint) LEFT JOIN bridge_mappings m ON m.id = r.id
      WHERE r.id = (c.conflict ->> 'mapping')::bigint OR m.reservation_type = c.conflict -> 'reservation' ->> 'type'
        AND m.reservation_id = (c.conflict -> 'reservation' ->> 'id')::bigint);
  IF removes THEN
    PERFORM bridge_settle_removals(results);
  END IF;
  PERFORM bridge_need_lease(room_id, epoch);
  -- what the drain of the room would ask for next
  RETURN answer || jsonb_build_object(
    'more', EXISTS (SELECT FROM bridge_resource_mappings r JOIN bridge_mappings m ON m.resource_id = r.resource_id
                    WHERE r.id = room_id AND m.due_at <= clock_timestamp()),
    'pulls', EXISTS (SELECT FROM bridge_room_state s WHERE s.resource_mapping_id = room_id
      AND (s.pull_due_at <= clock_timestamp() OR s.hinted_at IS NOT NULL)));
END $settle$;

-- Puts off the creates of a leased room that are due, and the mappings in `held`; without `in_ms` those that were put off are
-- due at once. A row is a create while no event of it is known.
CREATE OR REPLACE FUNCTION bridge_put_off_creates(room_id integer, epoch bigint, held bigint[], in_ms double precision) RETURNS void
LANGUAGE plpgsql AS $put_off$
BEGIN
  -- see bridge_settle
  PERFORM bridge_lock_for_settlement();
  UPDATE bridge_mappings m SET due_at = clock_timestamp() + coalesce(in_ms, 0) * interval '1 millisecond'
  FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id
  WHERE r.id = room_id AND s.lease_epoch = epoch AND m.resource_id = r.resource_id
    AND (m.reservation_id IS NOT NULL AND m.outlook_event_id IS NULL AND m.present OR m.id = ANY (held))
    AND CASE WHEN in_ms IS NULL THEN m.due_at > clock_timestamp() ELSE m.due_at <= clock_timestamp() END;
END $put_off$;

-- Parks a mapping of a leased room whose settlement cannot be written down: it stays as it was, with the reason. Nothing is
-- done where it changed meanwhile, since it is due then.
CREATE OR REPLACE FUNCTION bridge_park(room_id integer, epoch bigint, mapping bigint, revision_read bigint, why text, what_to_do text)
RETURNS void LANGUAGE plpgsql AS $park$
BEGIN
  -- see bridge_settle
  PERFORM bridge_lock_for_settlement();
  WITH parked AS (
    UPDATE bridge_mappings m
    SET sync_status = CASE WHEN m.sync_status = 'conflict' THEN m.sync_status ELSE 'error' END, error_message = why, hint = what_to_do,
        due_at = NULL, attempt = m.attempt + 1, revision = m.revision + 1, updated_at = now()
    FROM bridge_room_state s
    WHERE m.id = mapping AND m.revision = revision_read AND s.resource_mapping_id = room_id AND s.lease_epoch = epoch
    RETURNING m.*
  )
  INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, action, reason)
  SELECT id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, 'parked', why FROM parked;
END $park$;
