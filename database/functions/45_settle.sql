-- Settlements: the results of work on mappings are stored.

-- Stores the results of work on mappings of leased rooms, each with its line in bridge_log. Returns the `latency` of each change, and of
-- each of the `rooms` whether `more` is due in it or a delta round is requested (`pulls`). Throws BR001 if the lease of one of them was
-- lost, and gives up soon if another transaction has locked a row: the caller then stores the results of each room by themselves.
--
-- A fold, a notification or a person may have changed a mapping since it was read. Its revision differs then: the mapping was overtaken.
-- The rules for each column:
--   * what was learnt (the event, its meeting, what each side shows, what both agree on) is stored in any case;
--   * a mapping that was overtaken stays due, in its lane and since the later change: synced and error become pending;
--   * what was reported or asked for meanwhile (outlook_news, resolution, import_asked_at, noticed_at) stays to be dealt with. A mapping
--     that is due again (`dueInMs`) keeps a person's request and the start of its latency, too;
--   * an attribute of the event that the result does not name stays as it was, unless the mapping has another event now.
-- Each column compares the revisions itself, because the UPDATE may wait for a person's transaction: a comparison made once in the
-- subquery would use the row from before that transaction.
CREATE OR REPLACE FUNCTION bridge_settle_rooms(room_ids integer[], epochs bigint[], results jsonb, patience text DEFAULT '20ms') RETURNS jsonb
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $settle$
DECLARE
  latency jsonb;
  forgets boolean;
  meets boolean;
  detaches boolean;
  removes boolean;
BEGIN
  -- a fold must not wait for the disk here; after a crash of the server, which may lose settlements, events are read again (`doubtRooms`)
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM bridge_lock_for_settlement();
  PERFORM set_config('lock_timeout', patience, true);
  PERFORM bridge_need_leases(room_ids, epochs);
  -- which of the rare parts (44_settle_rare.sql) are needed
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
    results := bridge_settle_events(results);
  END IF;
  WITH settled AS (
    UPDATE bridge_mappings m SET
      -- its state, and when it is due again
      sync_status = CASE WHEN r.status = 'forget' OR m.revision <> r.revision AND r.status IN ('synced', 'error') THEN 'pending' ELSE r.status END,
      due_at = CASE WHEN m.revision <> r.revision THEN coalesce(m.due_at, now()) ELSE now() + r."dueInMs" * interval '1 millisecond' END,
      lane = CASE WHEN m.revision = r.revision AND r."dueInMs" IS NULL THEN 0 ELSE m.lane END,
      changed_at = CASE WHEN m.revision <> r.revision THEN m.last_modified_booking WHEN r."dueInMs" IS NOT NULL THEN m.changed_at END,
      attempt = r.attempt, error_message = r.error, hint = r.hint,
      last_sync_at = CASE WHEN r.error IS NULL THEN now() ELSE m.last_sync_at END,
      -- its event
      outlook_event_id = r."eventId", generation = r.generation,
      unrecorded_creates = CASE WHEN r."eventId" <> coalesce(m.outlook_event_id, '') THEN array_remove(m.unrecorded_creates, m.generation)
        WHEN r.generation > m.generation AND m.outlook_event_id IS NULL AND m.reservation_id IS NOT NULL
          THEN bridge_with_create(m.unrecorded_creates, m.generation) ELSE m.unrecorded_creates END,
      outlook_etag = coalesce(r.etag, m.outlook_etag),
      is_organizer = coalesce(r."isOrganizer", m.is_organizer), ical_uid = coalesce(r."iCalUId", m.ical_uid),
      original_start = coalesce(r."originalStart", CASE WHEN r."eventId" IS NULL OR r."eventId" = m.outlook_event_id THEN m.original_start END),
      series_master_id = coalesce(r."seriesMasterId", CASE WHEN r."eventId" IS NULL OR r."eventId" = m.outlook_event_id THEN m.series_master_id END),
      outlook_organizer = coalesce(r."outlookOrganizer", CASE WHEN r."eventId" IS NULL OR r."eventId" = m.outlook_event_id THEN m.outlook_organizer END),
      last_modified_outlook = coalesce(r."outlookChangedAt", m.last_modified_outlook),
      renames = m.renames AND NOT coalesce(r.renamed, false),
      -- what each side shows, and what both agree on; another room of the same meeting may have agreed on more meanwhile
      -- (bridge_agree_in_other_rooms)
      booking_base = CASE WHEN m.revision <> r.revision AND NOT coalesce(r."isOrganizer", m.is_organizer) THEN m.booking_base ELSE r."bookingBase" END,
      agreement = CASE WHEN m.revision <> r.revision AND NOT coalesce(r."isOrganizer", m.is_organizer) THEN m.agreement
                       -- a daemon of 1.0 does not name it
                       ELSE coalesce(r.agreement, bridge_agreement(r."bookingBase")) END,
      outlook_base = r."outlookBase", booking_seen = r."bookingSeen", outlook_seen = r."outlookSeen",
      -- what Outlook shows is known now: of the states that may have been sent, a later one is left, which is sent next
      sent_states = CASE WHEN r."keepsSent" THEN m.sent_states
        WHEN m.revision <> r.revision AND m.sent_states -> -1 <> r."bookingSeen" THEN jsonb_build_array(m.sent_states -> -1) END,
      -- reports and requests that are not settled yet
      outlook_news = CASE WHEN m.revision <> r.revision THEN coalesce(m.outlook_news, r.news) ELSE r.news END,
      resolution = CASE WHEN m.revision <> r.revision OR r."dueInMs" IS NOT NULL THEN m.resolution END,
      import_asked_at = CASE WHEN m.revision <> r.revision OR r."dueInMs" IS NOT NULL THEN m.import_asked_at END,
      noticed_at = CASE WHEN m.revision <> r.revision OR r."dueInMs" IS NOT NULL THEN m.noticed_at END,
      conflict = r.conflict, waits_for = r."waitsFor",
      -- the intended change of the event; a daemon of 1.0 names `removing` only
      event_intent = CASE WHEN r.removing IS NULL THEN r.intent ELSE bridge_intent(r.removing, r.status, r."outlookBase", m.event_intent, false) END,
      removing = CASE WHEN r.removing IS NULL THEN r.intent IN ('remove', 'renew', 'remove_again') AND r.intent IS NOT NULL ELSE r.removing END,
      revision = m.revision + 1, updated_at = now()
    FROM (
      SELECT r.*, b.changed_at AS was_changed_at, b.noticed_at AS was_noticed_at, b.outlook_event_id AS was_event_id,
        -- the content that was copied to the other side: the former and the new one
        CASE r.action WHEN 'updated' THEN b.booking_base WHEN 'booking-updated' THEN b.outlook_base END AS old,
        CASE r.action WHEN 'updated' THEN r."bookingBase" WHEN 'booking-updated' THEN r."outlookBase" END AS new
      FROM jsonb_to_recordset(results) AS r (id bigint, revision bigint, status text, "eventId" text, generation integer,
        agreement text, "bookingBase" jsonb, "outlookBase" jsonb, "bookingSeen" jsonb, "outlookSeen" jsonb, error text, hint text, "dueInMs" double precision,
        attempt integer, action text, reason text, news text, intent text, removing boolean, "waitsFor" text, "isOrganizer" boolean, "iCalUId" text, "originalStart" timestamptz,
        "seriesMasterId" text, "outlookOrganizer" text, etag text, conflict jsonb, "outlookChangedAt" timestamptz, "sinceAcceptedMs" double precision, "callMs" double precision,
        "requestId" text, detail jsonb, renamed boolean, "keepsSent" boolean)
      JOIN bridge_mappings b USING (id)) r
    WHERE m.id = r.id
    RETURNING m.id, m.resource_id, m.reservation_type, m.reservation_id, m.outlook_item_id, coalesce(m.outlook_event_id, r.was_event_id) AS event_id,
      r.action, coalesce(r.error, r.reason) AS reason,
      CASE WHEN r.action IN ('imported', 'booking-updated', 'booking-cancelled') THEN
          greatest(0, extract(epoch FROM clock_timestamp() - r.was_noticed_at)::float8 * 1000)
        WHEN r."sinceAcceptedMs" IS NOT NULL AND r.was_changed_at IS NOT NULL THEN
          greatest(0, extract(epoch FROM clock_timestamp() - r.was_changed_at)::float8 * 1000 - r."sinceAcceptedMs") END AS latency_ms,
      r."callMs" AS call_ms, r."requestId" AS request_id,
      -- the log keeps no descriptions, only whether they differ
      CASE WHEN r.old IS NULL OR r.new IS NULL THEN r.detail
        ELSE jsonb_build_object('was', r.old - 'description', 'is', r.new - 'description',
          'text', r.old ->> 'description' IS DISTINCT FROM r.new ->> 'description') END AS detail
  ), told AS (
    INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id,
      action, reason, latency_ms, call_ms, request_id, detail)
    SELECT * FROM settled s WHERE s.action <> 'unchanged'
    RETURNING mapping_id, latency_ms
  )
  SELECT coalesce(jsonb_object_agg(mapping_id, latency_ms) FILTER (WHERE latency_ms IS NOT NULL), '{}') INTO latency FROM told;
  IF detaches THEN
    PERFORM bridge_settle_counterparts(results);
  END IF;
  -- a conflict of the kind `moved` depends on the present time of a reservation, so one about these reservations is due
  IF EXISTS (SELECT FROM bridge_resource_mappings r JOIN bridge_mappings c ON c.resource_id = r.resource_id
      WHERE r.id = ANY (room_ids) AND c.sync_status = 'conflict' AND c.conflict ->> 'kind' = 'moved') THEN
    UPDATE bridge_mappings c SET due_at = now(), lane = 0, revision = c.revision + 1
    FROM bridge_resource_mappings room
    WHERE room.id = ANY (room_ids) AND c.resource_id = room.resource_id AND c.sync_status = 'conflict' AND c.conflict ->> 'kind' = 'moved'
      AND EXISTS (SELECT FROM jsonb_to_recordset(results) AS r (id bigint) LEFT JOIN bridge_mappings m ON m.id = r.id
        WHERE r.id = (c.conflict ->> 'mapping')::bigint
          OR m.resource_id = c.resource_id AND m.reservation_type = c.conflict -> 'reservation' ->> 'type'
            AND m.reservation_id = (c.conflict -> 'reservation' ->> 'id')::bigint);
  END IF;
  IF removes THEN
    PERFORM bridge_settle_removals(results);
  END IF;
  PERFORM bridge_need_leases(room_ids, epochs);
  RETURN jsonb_build_object('latency', latency, 'rooms', (
    SELECT jsonb_object_agg(s.resource_mapping_id, jsonb_build_object(
      'more', EXISTS (SELECT FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.due_at <= clock_timestamp()),
      'pulls', coalesce(least(s.hinted_at, s.pull_due_at) <= clock_timestamp(), false)))
    FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
    WHERE s.resource_mapping_id = ANY (room_ids)));
END $settle$;

-- The same for one room, patient with other transactions.
CREATE OR REPLACE FUNCTION bridge_settle(room_id integer, epoch bigint, results jsonb) RETURNS jsonb LANGUAGE plpgsql AS $settle$
DECLARE
  answer constant jsonb := bridge_settle_rooms(ARRAY[room_id], ARRAY[epoch], results, '250ms');
BEGIN
  RETURN jsonb_build_object('latency', answer -> 'latency') || (answer -> 'rooms' -> room_id::text);
END $settle$;

-- Puts off the due creates of a leased room (reservations without a known event) and the mappings in `held`. Without `in_ms`, those that
-- were put off are due at once. Throws BR001 if the lease was lost: the creates would be put off again and again.
CREATE OR REPLACE FUNCTION bridge_put_off_creates(room_id integer, epoch bigint, held bigint[], in_ms double precision) RETURNS void
LANGUAGE plpgsql AS $put_off$
BEGIN
  -- see bridge_settle
  PERFORM bridge_lock_for_settlement();
  UPDATE bridge_mappings m SET due_at = clock_timestamp() + coalesce(in_ms, 0) * interval '1 millisecond'
  FROM bridge_resource_mappings r
  WHERE r.id = room_id AND m.resource_id = r.resource_id
    AND (m.reservation_id IS NOT NULL AND m.outlook_event_id IS NULL AND m.present OR m.id = ANY (held))
    AND CASE WHEN in_ms IS NULL THEN m.due_at > clock_timestamp() ELSE m.due_at <= clock_timestamp() END;
  PERFORM bridge_need_lease(room_id, epoch);
END $put_off$;

-- Makes mappings due that wait for a repair of the booking system, because it works again: those with the error `why` (NULL: with any
-- error of it), or of each error the one that would be tried next (`one_each`).
CREATE OR REPLACE FUNCTION bridge_retry_failed(why text, one_each boolean) RETURNS integer LANGUAGE plpgsql AS $retry$
DECLARE
  chosen bigint[];
  resource integer;
BEGIN
  SELECT array_agg(id) INTO chosen FROM (
    SELECT m.id, row_number() OVER (PARTITION BY m.error_message ORDER BY m.due_at, m.id) AS place FROM bridge_mappings m
    WHERE m.due_at > clock_timestamp() AND CASE WHEN why IS NULL THEN m.error_message ~ 'SQLSTATE [0-9A-Z]{5}\)$' ELSE m.error_message = why END) w
  WHERE NOT one_each OR place = 1;
  IF chosen IS NULL THEN
    RETURN 0;
  END IF;
  -- see bridge_settle
  PERFORM bridge_lock_for_settlement();
  FOR resource IN
    WITH due AS (
      UPDATE bridge_mappings m SET due_at = clock_timestamp() WHERE m.id IN (
        SELECT f.id FROM bridge_mappings f WHERE f.id = ANY (chosen) AND f.due_at > clock_timestamp() FOR UPDATE SKIP LOCKED)
      RETURNING m.resource_id)
    SELECT DISTINCT d.resource_id FROM due d ORDER BY 1
  LOOP
    PERFORM bridge_ring_room(resource);
  END LOOP;
  RETURN cardinality(chosen);
END $retry$;

-- Parks a mapping of a leased room whose settlement cannot be stored: it stays as it was, with the reason. A mapping that changed
-- meanwhile is left alone, because it is due.
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
