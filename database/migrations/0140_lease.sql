-- Up Migration
DO $$
BEGIN
  -- it answers otherwise now; daemons never called it by themselves
  IF to_regprocedure('bridge_gather(integer, integer, integer)') IS NOT NULL THEN
    DROP FUNCTION bridge_gather(integer, integer, integer);
  END IF;
END $$;

-- One of two alike.
DROP INDEX bridge_mappings_conflict;

-- When Outlook last changed something in the room: more is expected there.
ALTER TABLE bridge_room_state ADD COLUMN active_at timestamptz;

-- Down Migration
ALTER TABLE bridge_room_state DROP COLUMN active_at;
-- It takes a row of a table that is dropped next.
DROP FUNCTION IF EXISTS bridge_room_is_free(integer, timestamptz, timestamptz, timestamptz, timestamptz, integer[], boolean);
DROP FUNCTION IF EXISTS bridge_gather(integer, integer, integer);
CREATE INDEX bridge_mappings_conflict ON bridge_mappings (resource_id) WHERE sync_status = 'conflict';
