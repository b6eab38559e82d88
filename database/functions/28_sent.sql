-- States of a reservation that may have been sent to Outlook and whose effect there is unknown (bridge_mappings.sent_states, oldest first).
--
-- A create or a change is sent only after its state is stored here, so that the state is known after a lost answer or a `kill -9`. The
-- fold stores it with the change that it stores anyway; a daemon that is about to send another state stores it first (bridge_sending).
-- A settlement that knows what Outlook shows clears it.

-- With this state as the last one, which is one of them already.
CREATE OR REPLACE FUNCTION bridge_sent_again(sent jsonb, state jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $again$
  SELECT CASE WHEN jsonb_array_length(o.others) > 15 THEN o.others - 8 ELSE o.others END || jsonb_build_array(state)
  FROM (SELECT coalesce(jsonb_agg(s.one ORDER BY s.n) FILTER (WHERE s.one <> state), '[]') AS others
        FROM jsonb_array_elements(sent) WITH ORDINALITY AS s (one, n)) o
$again$;

-- With this state as the last one. Of more than 16, the first eight and the last eight are kept: in an outage the former were sent,
-- and one of the latter will be. It has no query, so that it is inlined: the fold calls it for each change.
CREATE OR REPLACE FUNCTION bridge_with_sent(sent jsonb, state jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $with$
  SELECT CASE WHEN state IS NULL OR sent -> -1 = state THEN sent
    WHEN sent IS NULL THEN jsonb_build_array(state)
    WHEN sent @> jsonb_build_array(state) THEN bridge_sent_again(sent, state)
    ELSE CASE WHEN jsonb_array_length(sent) > 15 THEN sent - 8 ELSE sent END || jsonb_build_array(state) END
$with$;

-- Those of the states that were sent, without this one if it is the last.
CREATE OR REPLACE FUNCTION bridge_others_sent(sent jsonb, state jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $others$
  SELECT CASE WHEN sent -> -1 = state THEN nullif(sent - (-1), '[]') ELSE sent END
$others$;

-- Stores states that are about to be sent. Returns the mappings that have not changed since they were read; their revision is one
-- higher now. Throws BR001 if the lease was lost.
CREATE OR REPLACE FUNCTION bridge_sending(room_id integer, epoch bigint, wanted jsonb) RETURNS jsonb LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $sending$
DECLARE
  stored jsonb;
BEGIN
  PERFORM bridge_lock_for_settlement();
  WITH those AS (
    UPDATE bridge_mappings m SET sent_states = bridge_with_sent(m.sent_states, w.state), revision = m.revision + 1
    FROM jsonb_to_recordset(wanted) AS w (id bigint, revision bigint, state jsonb)
    WHERE m.id = w.id AND m.revision = w.revision
    RETURNING m.id
  ) SELECT coalesce(jsonb_agg(id), '[]') INTO stored FROM those;
  PERFORM bridge_need_lease(room_id, epoch);
  RETURN stored;
END $sending$;

-- After the lease session was lost: a crashed server may have lost our leases and folds while writes were under way. The next daemon to
-- lease these rooms reads Outlook first. `sent`: what was sent in them of late (the mapping, its event, the state, the room), in that
-- order. Without an event it was sent with a create, whose mapping may be lost, too: it is stored again, so that the event is known as that
-- of the create. A person's transaction must not keep the daemon from all rooms: returns the rooms that have a locked row, for which
-- nothing is stored.
CREATE OR REPLACE FUNCTION bridge_store_doubt(room_ids integer[], replica uuid, sent jsonb) RETURNS integer[] LANGUAGE plpgsql AS $doubt$
DECLARE
  those constant bigint[] := ARRAY(SELECT DISTINCT d.id FROM jsonb_to_recordset(sent) AS d (id bigint));
  mappings bigint[];
  rooms integer[];
  locked integer[];
  one record;
BEGIN
  PERFORM bridge_lock_for_settlement();
  mappings := ARRAY(SELECT m.id FROM bridge_mappings m WHERE m.id = ANY (those) ORDER BY m.id FOR NO KEY UPDATE SKIP LOCKED);
  rooms := ARRAY(SELECT s.resource_mapping_id FROM bridge_room_state s WHERE s.resource_mapping_id = ANY (room_ids)
    ORDER BY s.resource_mapping_id FOR NO KEY UPDATE SKIP LOCKED);
  locked := ARRAY(
    SELECT s.resource_mapping_id FROM bridge_room_state s
    WHERE s.resource_mapping_id = ANY (room_ids) AND (NOT s.resource_mapping_id = ANY (rooms)
      OR EXISTS (SELECT FROM jsonb_to_recordset(sent) AS d (id bigint, room integer) JOIN bridge_mappings m ON m.id = d.id
                 WHERE d.room = s.resource_mapping_id AND NOT m.id = ANY (mappings))));
  FOR one IN
    SELECT * FROM jsonb_to_recordset(sent) AS d (id bigint, "eventId" text, state jsonb, room integer, reservation jsonb, "resourceId" integer)
  LOOP
    CONTINUE WHEN one.room = ANY (locked);
    IF one."eventId" IS NULL THEN
      UPDATE bridge_mappings m SET sent_states = bridge_with_sent(m.sent_states, one.state), due_at = least(m.due_at, now()), revision = m.revision + 1
      WHERE m.id = (SELECT k.id FROM bridge_mappings k WHERE k.reservation_type = one.reservation ->> 'type'
        AND k.reservation_id = (one.reservation ->> 'id')::bigint AND k.resource_id = one."resourceId" AND k.outlook_event_id IS NULL
        AND k.sync_status <> 'cancelled' FOR NO KEY UPDATE SKIP LOCKED);
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, starts_at, ends_at, due_at, agreement,
        booking_base, outlook_seen, sent_states, priority_level)
      SELECT one.reservation ->> 'type', (one.reservation ->> 'id')::bigint, r.resource_id, r.outlook_item_id,
        (one.state ->> 'startsAt')::timestamptz, (one.state ->> 'endsAt')::timestamptz, now(), 'unanswered', '{}', one.state - 'as',
        jsonb_build_array(one.state), coalesce((SELECT max(p.priority_level) FROM bridge_mappings p WHERE p.resource_id = r.resource_id), 1)
      FROM bridge_resource_mappings r WHERE r.resource_id = one."resourceId" AND r.active = 1 AND r.id = ANY (room_ids) AND NOT r.id = ANY (locked)
      ON CONFLICT DO NOTHING;
      CONTINUE;
    END IF;
    UPDATE bridge_mappings m SET sent_states = bridge_with_sent(m.sent_states, one.state), outlook_news = coalesce(m.outlook_news, 'look'),
      due_at = least(m.due_at, now()), revision = m.revision + 1
    WHERE m.id = one.id AND m.outlook_event_id = one."eventId" AND m.reservation_id IS NOT NULL AND m.sync_status <> 'cancelled'
      AND m.id = ANY (mappings);
  END LOOP;
  UPDATE bridge_room_state s SET lease_owner = replica, push_due_at = least(s.push_due_at, now()), updated_at = now()
  FROM bridge_resource_mappings r
  WHERE r.id = s.resource_mapping_id AND r.active = 1 AND r.id = ANY (room_ids) AND NOT r.id = ANY (locked) AND s.lease_owner IS NULL;
  RETURN locked;
END $doubt$;
