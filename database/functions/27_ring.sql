-- Rooms become due, because a mapping in them is.

-- The room of a resource (bridge_resource_mappings.resource_id) becomes due, and the daemons are woken: for triggers, whose transaction
-- is often not one of a daemon's that leases the room next. Where the room is due already, nothing is written and no daemon is woken.
-- A room that is leased, or about to be, is due already, and its release computes when it is due next: its row is locked, so that the
-- release waits for the end of this transaction (see bridge_release). The lock is a statement of its own, because a single statement
-- that waited for a release would go by the snapshot from before it.
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

-- These rooms (bridge_resource_mappings.id) become due. The daemons are not woken: the caller is a daemon that leases rooms right
-- after it, see bridge_lease.
CREATE OR REPLACE FUNCTION bridge_ring_rooms(rooms integer[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $ring$
BEGIN
  UPDATE bridge_room_state s SET push_due_at = least(s.push_due_at, now()), push_lane = 0, updated_at = now()
  WHERE s.resource_mapping_id = ANY (rooms);
END $ring$;
