-- Parts of bridge_settle that are seldom needed.

-- What was never shown and has nothing to show any more is dropped.
CREATE OR REPLACE FUNCTION bridge_settle_forgotten(results jsonb) RETURNS void LANGUAGE sql AS $forgotten$
  WITH dropped AS (
    DELETE FROM bridge_mappings m USING jsonb_to_recordset(results) AS r (id bigint, revision bigint, status text, "eventId" text, action text, reason text)
    WHERE m.id = r.id AND m.revision = r.revision AND r.status = 'forget'
      AND (m.outlook_event_id IS NULL OR m.reservation_id IS NULL OR r."eventId" IS NULL)
    RETURNING m.*, r.action, r.reason
  )
  -- what was declined or deleted for somebody is remembered, though there is no mapping of it any more
  INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, action, reason)
  SELECT d.id, d.resource_id, d.reservation_type, d.reservation_id, d.outlook_item_id, d.outlook_event_id, d.action, d.reason
  FROM dropped d WHERE d.action NOT IN ('forgotten', 'unchanged');
$forgotten$;

-- Other mappings let go of the events that these results have.
CREATE OR REPLACE FUNCTION bridge_settle_met(results jsonb) RETURNS void LANGUAGE sql AS $met$
  -- an event that waited to be imported and turned out to be that of a reservation
  DELETE FROM bridge_mappings m USING jsonb_to_recordset(results) AS r (id bigint, "eventId" text), bridge_mappings mine
  WHERE mine.id = r.id AND m.outlook_item_id = mine.outlook_item_id AND m.outlook_event_id = r."eventId" AND m.id <> r.id
    AND m.reservation_id IS NULL;
  -- an event that a person brought back: it begins anew, so the cancelled reservation lets go of its id
  UPDATE bridge_mappings m SET outlook_event_id = NULL, revision = m.revision + 1
  FROM jsonb_to_recordset(results) AS r (id bigint, "eventId" text), bridge_mappings mine
  WHERE mine.id = r.id AND m.outlook_item_id = mine.outlook_item_id AND m.outlook_event_id = r."eventId" AND m.id <> r.id
    AND m.sync_status = 'cancelled';
$met$;

-- An event that was detached from its reservation begins anew: a meeting that the booking system moved away from, which waits
-- for a person, or the event of a cancelled reservation that somebody brought back.
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

-- What is back on the side it was gone from: what a person said about its removal was about another time, and a removal that was
-- taken back is none.
CREATE OR REPLACE FUNCTION bridge_settle_removals(results jsonb) RETURNS void LANGUAGE sql AS $removals$
  DELETE FROM bridge_removals d USING bridge_mappings m, jsonb_to_recordset(results) AS r (id bigint)
  WHERE d.mapping_id = r.id AND m.id = r.id AND CASE
    WHEN d.applied_at IS NOT NULL THEN m.present AND m.sync_status = 'synced'
    WHEN d.side = 'outlook' THEN m.present
    ELSE m.outlook_news IS NULL END;
$removals$;
