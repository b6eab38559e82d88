-- Rooms become due, because a mapping in them is.

-- The room of a resource (bridge_resource_mappings.resource_id) becomes due, and the daemons are woken; nothing is written and no daemon
-- is woken if it is due already. Triggers call this, in any session. A room that is leased, or about to be, is due already, and its
-- release computes when it is due next. So its row is locked, and the release waits for the end of this transaction (bridge_release).
-- The lock is a statement of its own, because a single statement that waited for a release would use the snapshot from before it.
CREATE OR REPLACE FUNCTION bridge_ring_room(resource integer) RETURNS void LANGUAGE plpgsql AS $ring$
BEGIN
  PERFORM FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
  WHERE r.active = 1 AND r.resource_id = resource FOR NO KEY UPDATE OF s;
  UPDATE bridge_room_state s SET push_due_at = now(), push_lane = 0, updated_at = now()
  FROM bridge_resource_mappings r
  WHERE r.id = s.resource_mapping_id AND r.active = 1 AND r.resource_id = resource AND (s.push_due_at IS NULL OR s.push_due_at > now());
  IF FOUND THEN
    PERFORM bridge_wake();
  END IF;
END $ring$;

-- These rooms (bridge_resource_mappings.id) become due, and no daemon is woken. The fold and bridge_lease call this: the daemon that
-- runs them leases due rooms next.
CREATE OR REPLACE FUNCTION bridge_ring_rooms(rooms integer[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $ring$
BEGIN
  UPDATE bridge_room_state s SET push_due_at = least(s.push_due_at, now()), push_lane = 0, updated_at = now()
  WHERE s.resource_mapping_id = ANY (rooms);
END $ring$;
