-- Parts of bridge_settle that are seldom needed.

-- Deletes the mappings of results with the status 'forget': no event is mapped to a reservation by them any more. `ofCreate`: an
-- unrecorded create of a reservation had made the deleted event, so the log names that one, and the event is on record.
CREATE OR REPLACE FUNCTION bridge_settle_forgotten(results jsonb) RETURNS void LANGUAGE sql AS $forgotten$
  WITH dropped AS (
    DELETE FROM bridge_mappings m USING jsonb_to_recordset(results) AS r (id bigint, revision bigint, status text, "eventId" text, action text, reason text, "ofCreate" jsonb)
    WHERE m.id = r.id AND m.revision = r.revision AND r.status = 'forget'
      AND (m.outlook_event_id IS NULL OR m.reservation_id IS NULL OR r."eventId" IS NULL)
    RETURNING m.*, r.action, r.reason, r."ofCreate" AS of_create
  ), found AS (
    UPDATE bridge_mappings m SET unrecorded_creates = array_remove(m.unrecorded_creates, (d.of_create ->> 'generation')::integer),
      generation = greatest(m.generation, (d.of_create ->> 'generation')::integer + 1)
    FROM dropped d
    WHERE m.reservation_type = d.of_create ->> 'type' AND m.reservation_id = (d.of_create ->> 'id')::bigint AND m.resource_id = d.resource_id
  )
  -- an event that was declined or deleted has its line in the log, although its mapping is deleted
  INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, action, reason)
  SELECT d.id, d.resource_id, coalesce(d.reservation_type, d.of_create ->> 'type'), coalesce(d.reservation_id, (d.of_create ->> 'id')::bigint), d.outlook_item_id, d.outlook_event_id, d.action, d.reason
  FROM dropped d WHERE d.action NOT IN ('forgotten', 'unchanged');
$forgotten$;

-- With this generation, of which no event is on record. The oldest ones are dropped: their creates have ended long ago.
CREATE OR REPLACE FUNCTION bridge_with_create(creates integer[], generation integer) RETURNS integer[] LANGUAGE sql IMMUTABLE AS $create$
  SELECT (o.others || generation)[greatest(1, cardinality(o.others) - 18):] FROM (SELECT array_remove(creates, generation) AS others) o
$create$;

-- An older version has this instead of bridge_settle_events.
DO $drop$
BEGIN
  IF to_regprocedure('bridge_settle_met(jsonb)') IS NOT NULL THEN
    DROP FUNCTION bridge_settle_met(jsonb);
  END IF;
END $drop$;

-- Resolves events that several mappings would have: an event of one of these results that another mapping has, or two results with
-- the same event. Each event stays with one mapping. Returns the results as they are to be stored.
CREATE OR REPLACE FUNCTION bridge_settle_events(results jsonb) RETURNS jsonb LANGUAGE plpgsql AS $events$
BEGIN
  -- an event that waited for its import belongs to a reservation, so its own mapping is deleted
  DELETE FROM bridge_mappings m USING jsonb_to_recordset(results) AS r (id bigint, "eventId" text), bridge_mappings mine
  WHERE mine.id = r.id AND m.outlook_item_id = mine.outlook_item_id AND m.outlook_event_id = r."eventId" AND m.id <> r.id
    AND m.reservation_id IS NULL;
  -- a person restored the event of a cancelled reservation: it gets another mapping, and the cancelled one loses the event id
  UPDATE bridge_mappings m SET outlook_event_id = NULL, revision = m.revision + 1
  FROM jsonb_to_recordset(results) AS r (id bigint, "eventId" text), bridge_mappings mine
  WHERE mine.id = r.id AND m.outlook_item_id = mine.outlook_item_id AND m.outlook_event_id = r."eventId" AND m.id <> r.id
    AND m.sync_status = 'cancelled';
  RETURN (
    SELECT jsonb_agg(CASE
        -- Graph answered a create with an event that another reservation has by now: the answer to an earlier create with the same
        -- idempotency key was lost, and its event was imported. The event stays there, and the next create uses the next key.
        WHEN EXISTS (SELECT FROM bridge_mappings m JOIN bridge_mappings o ON o.outlook_item_id = m.outlook_item_id AND o.id <> m.id
                     WHERE m.id = r.id AND m.outlook_event_id IS DISTINCT FROM r.event AND o.outlook_event_id = r.event)
          THEN r.result || '{"status": "pending", "eventId": null, "agreement": "never", "bookingBase": null, "outlookBase": null, "dueInMs": 0,
            "sinceAcceptedMs": null, "action": "waiting", "reason": "its idempotency key was used for the event of another reservation"}'
            || jsonb_build_object('generation', (r.result ->> 'generation')::integer + 1)
        -- a cancelled reservation whose event another of these results has
        WHEN r.result ->> 'status' = 'cancelled' AND EXISTS (
          SELECT FROM jsonb_array_elements(results) AS x WHERE (x ->> 'id')::bigint <> r.id AND x ->> 'eventId' = r.event)
          THEN r.result || '{"eventId": null}'
        ELSE r.result END)
    FROM (SELECT e AS result, (e ->> 'id')::bigint AS id, e ->> 'eventId' AS event FROM jsonb_array_elements(results) e) r);
END $events$;

-- An event that was detached from its reservation gets a mapping of its own: a meeting whose reservation was moved in the booking
-- system, which waits for a person's decision, or the event of a cancelled reservation that a person restored.
CREATE OR REPLACE FUNCTION bridge_settle_counterparts(results jsonb) RETURNS void LANGUAGE sql AS $counterparts$
  INSERT INTO bridge_mappings (resource_id, outlook_item_id, outlook_event_id, sync_status, sync_direction,
    starts_at, ends_at, present, outlook_base, outlook_seen, outlook_news, due_at, noticed_at, is_organizer, conflict, resolution)
  SELECT m.resource_id, m.outlook_item_id, r.counterpart ->> 'eventId', r.counterpart ->> 'status', 'outlook_to_booking',
    (r.counterpart -> 'item' ->> 'startsAt')::timestamptz, (r.counterpart -> 'item' ->> 'endsAt')::timestamptz, false,
    r.counterpart -> 'item', r.counterpart -> 'item', r.counterpart ->> 'news',
    CASE WHEN r.counterpart ->> 'news' IS NOT NULL THEN now() END, now(), (r.counterpart -> 'isOrganizer')::boolean,
    r.counterpart -> 'conflict', r.counterpart ->> 'resolution'
  FROM jsonb_to_recordset(results) AS r (id bigint, counterpart jsonb) JOIN bridge_mappings m ON m.id = r.id
  WHERE jsonb_typeof(r.counterpart) = 'object'
  ON CONFLICT (outlook_item_id, outlook_event_id) DO NOTHING;
$counterparts$;

-- Deletes the removals (bridge_removals) of these mappings whose reservation or event exists again: the removal is no longer wanted,
-- and a person's decision about it does not apply to a later one.
CREATE OR REPLACE FUNCTION bridge_settle_removals(results jsonb) RETURNS void LANGUAGE sql AS $removals$
  DELETE FROM bridge_removals d USING bridge_mappings m, jsonb_to_recordset(results) AS r (id bigint)
  WHERE d.mapping_id = r.id AND m.id = r.id AND CASE
    WHEN d.applied_at IS NOT NULL THEN m.present AND m.sync_status = 'synced'
    WHEN d.side = 'outlook' THEN m.present
    ELSE m.outlook_news IS NULL END;
$removals$;
