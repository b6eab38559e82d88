-- A booking system that cancels a reservation and makes another one when a booking moves says so by `replaces` in its view.

-- Gives the events of reservations that were replaced to those that replaced them, room by room, before the one is taken for
-- cancelled and the other for new. `room` NULL: of what waits in the outbox; else of everything in that room.
CREATE OR REPLACE FUNCTION bridge_hand_over(room integer) RETURNS void LANGUAGE plpgsql AS $hand$
BEGIN
  IF NOT bridge_view_has('{replaces}') THEN
    RETURN;
  END IF;
  -- a statement of its own: what follows has to see the numbers
  PERFORM bridge_key_id(c.reservation_type, c.reservation_key)
  FROM (SELECT reservation_type, reservation_key FROM bridge_changes WHERE room IS NULL AND reservation_key IS NOT NULL LIMIT 5000) c;
  WITH fresh AS MATERIALIZED (
    SELECT i.reservation_type AS kind, i.reservation_id AS id, i.resource_id, to_jsonb(i) ->> 'replaces' AS former
    FROM (SELECT DISTINCT c.reservation_type,
            coalesce(c.reservation_id, bridge_named(c.reservation_type, c.reservation_key)) AS reservation_id
          FROM (SELECT reservation_type, reservation_id, reservation_key FROM bridge_changes WHERE room IS NULL LIMIT 5000) c) c
    CROSS JOIN LATERAL (SELECT * FROM bridge_items v WHERE v.reservation_type = c.reservation_type AND v.reservation_id = c.reservation_id OFFSET 0) i
    WHERE bridge_stands(to_jsonb(i))
    UNION ALL
    SELECT i.reservation_type, i.reservation_id, i.resource_id, to_jsonb(i) ->> 'replaces' FROM bridge_items i
    WHERE room IS NOT NULL AND i.resource_id = room AND i.reservation_id IS NOT NULL AND bridge_stands(to_jsonb(i))
  ), moved AS (
    UPDATE bridge_mappings m
    SET reservation_type = f.kind, reservation_id = f.id, revision = m.revision + 1, due_at = now(), lane = 0, attempt = 0,
        -- only events of ours carry properties
        renames = m.is_organizer AND m.sync_direction = 'booking_to_outlook' AND m.outlook_event_id IS NOT NULL, updated_at = now()
    FROM fresh f
    WHERE f.former LIKE '%/%' AND m.reservation_type = split_part(f.former, '/', 1)
      AND m.reservation_id = bridge_named(split_part(f.former, '/', 1), substr(f.former, position('/' IN f.former) + 1)) AND m.resource_id = f.resource_id AND m.sync_status <> 'cancelled'
      -- one that is still there keeps its event
      AND NOT EXISTS (SELECT FROM bridge_items o WHERE o.reservation_type = m.reservation_type AND o.reservation_id = m.reservation_id
                      AND o.resource_id = m.resource_id AND bridge_stands(to_jsonb(o)))
      AND NOT EXISTS (SELECT FROM bridge_mappings o WHERE o.reservation_type = f.kind AND o.reservation_id = f.id AND o.resource_id = f.resource_id)
    RETURNING m.reservation_type, m.reservation_id, split_part(f.former, '/', 1) AS former_type,
      bridge_named(split_part(f.former, '/', 1), substr(f.former, position('/' IN f.former) + 1)) AS former_id
  )
  UPDATE bridge_meetings t SET reservation_type = n.reservation_type, reservation_id = n.reservation_id
  FROM moved n WHERE t.reservation_type = n.former_type AND t.reservation_id = n.former_id;
END $hand$;
