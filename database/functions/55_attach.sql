-- A mapping gets an existing event. (Created and imported events are stored by bridge_settle and bridge_write_booking; bridge_hand_over
-- gives a reservation the event of the one that it replaces.)

-- Gives events to mappings that wait for one (see sync/match): to the mapping `id`, or to that of the reservation `type` and
-- `reservation`, which is made if there is none in this room. `was` and `revision` (optional): its event and revision
-- when this was decided. A mapping that changed since is left alone, and so is an event that another reservation has. `kept`: the
-- agreement of both sides stays, so that a difference of the new event is an edit; else `outlookBase` and `bookingBase` are the new
-- agreement. Returns the ids of the mappings that got their event.
CREATE OR REPLACE FUNCTION bridge_attach(room_id integer, epoch bigint, pairs jsonb) RETURNS jsonb LANGUAGE plpgsql AS $attach$
DECLARE
  room bridge_resource_mappings;
  attached jsonb;
BEGIN
  -- see 04_locks.sql
  PERFORM bridge_lock_for_settlement();
  SELECT r.* INTO room FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id
  WHERE r.id = room_id AND s.lease_epoch = epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of room % was lost', room_id USING ERRCODE = 'BR001';
  END IF;
  INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, priority_level, present, starts_at, ends_at, due_at)
  SELECT p.type, p.reservation, room.resource_id, room.outlook_item_id, coalesce(v.priority_level, 1), coalesce(v.active, false),
    coalesce(v.starts_at, (p."outlookBase" ->> 'startsAt')::timestamptz), coalesce(v.ends_at, (p."outlookBase" ->> 'endsAt')::timestamptz), now()
  FROM jsonb_to_recordset(pairs) AS p (id bigint, type text, reservation bigint, "outlookBase" jsonb)
  LEFT JOIN LATERAL (SELECT i.active, i.starts_at, i.ends_at, i.priority_level FROM bridge_items i
    WHERE i.reservation_type = p.type AND i.reservation_id = p.reservation AND i.resource_id = room.resource_id OFFSET 0) v ON true
  WHERE p.id IS NULL
  ON CONFLICT (reservation_type, reservation_id, resource_id) DO NOTHING;
  SELECT coalesce(jsonb_agg(to_jsonb(p) || jsonb_build_object('id', m.id)), '[]') INTO attached
  FROM jsonb_to_recordset(pairs) AS p (id bigint, type text, reservation bigint, was text, revision bigint, "eventId" text, kept boolean,
    "outlookBase" jsonb, agreement text, "bookingBase" jsonb, news text, lane smallint, "isOrganizer" boolean, "iCalUId" text,
    "originalStart" timestamptz, "seriesMasterId" text, "notCreated" boolean, reason text)
  JOIN bridge_mappings m ON CASE WHEN p.id IS NULL THEN m.reservation_type = p.type AND m.reservation_id = p.reservation ELSE m.id = p.id END
  WHERE m.resource_id = room.resource_id AND m.outlook_item_id = room.outlook_item_id
    AND m.outlook_event_id IS NOT DISTINCT FROM p.was AND m.revision = coalesce(p.revision, m.revision)
    AND NOT EXISTS (SELECT FROM bridge_mappings o WHERE o.outlook_item_id = m.outlook_item_id AND o.outlook_event_id = p."eventId"
                    AND o.id <> m.id AND o.reservation_id IS NOT NULL AND o.sync_status <> 'cancelled');
  -- the event is removed from other mappings: an unmapped event that waited for its import, and a cancelled reservation
  DELETE FROM bridge_mappings o USING jsonb_to_recordset(attached) AS a ("eventId" text)
  WHERE o.outlook_item_id = room.outlook_item_id AND o.outlook_event_id = a."eventId" AND o.reservation_id IS NULL;
  UPDATE bridge_mappings o SET outlook_event_id = NULL, revision = o.revision + 1
  FROM jsonb_to_recordset(attached) AS a (id bigint, "eventId" text)
  WHERE o.outlook_item_id = room.outlook_item_id AND o.outlook_event_id = a."eventId" AND o.id <> a.id;
  -- the event exists again: a removal that was let through does not apply to a later loss
  DELETE FROM bridge_removals d USING jsonb_to_recordset(attached) AS a (id bigint) WHERE d.mapping_id = a.id;
  WITH given AS (
    UPDATE bridge_mappings m SET outlook_event_id = a."eventId", outlook_etag = NULL,
      outlook_base = CASE WHEN a.kept THEN m.outlook_base ELSE a."outlookBase" END,
      booking_base = CASE WHEN a.kept THEN m.booking_base ELSE a."bookingBase" END,
      agreement = CASE WHEN a.kept THEN m.agreement ELSE coalesce(a.agreement, bridge_agreement(a."bookingBase")) END,
      outlook_news = a.news, noticed_at = CASE WHEN a.news IS NULL THEN m.noticed_at ELSE coalesce(m.noticed_at, now()) END,
      is_organizer = a."isOrganizer", ical_uid = a."iCalUId", original_start = a."originalStart", series_master_id = a."seriesMasterId", off_pattern = false,
      sync_status = 'pending', event_intent = NULL, removing = false, waits_for = NULL, conflict = NULL, error_message = NULL, hint = NULL, due_at = now(), lane = a.lane,
      generation = m.generation + 1, -- should it need an event of its own again
      -- an older daemon does not say whether it was created
      unrecorded_creates = CASE WHEN NOT a."notCreated" THEN array_remove(m.unrecorded_creates, m.generation)
        WHEN a."notCreated" AND m.outlook_event_id IS NULL THEN bridge_with_create(m.unrecorded_creates, m.generation) ELSE m.unrecorded_creates END,
      attempt = 0, revision = m.revision + 1, updated_at = now()
    FROM jsonb_to_recordset(attached) AS a (id bigint, "eventId" text, kept boolean, "outlookBase" jsonb, agreement text, "bookingBase" jsonb, news text,
      lane smallint, "isOrganizer" boolean, "iCalUId" text, "originalStart" timestamptz, "seriesMasterId" text, "notCreated" boolean)
    WHERE m.id = a.id
    RETURNING m.*
  )
  INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, action, reason)
  SELECT g.id, g.resource_id, g.reservation_type, g.reservation_id, g.outlook_item_id, g.outlook_event_id, 'adopted', a.reason
  FROM given g JOIN jsonb_to_recordset(attached) AS a (id bigint, reason text) USING (id);
  PERFORM bridge_need_lease(room_id, epoch);
  RETURN (SELECT coalesce(jsonb_agg(a.id), '[]') FROM jsonb_to_recordset(attached) AS a (id bigint));
END $attach$;
