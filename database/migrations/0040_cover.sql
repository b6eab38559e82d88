-- Up Migration

-- What lies beneath a reservation is examined by a trigger now (functions/25_cover.sql). A fresh database never had it.
DO $$ BEGIN
  IF to_regprocedure('bridge_ring_neighbours(integer, smallint, timestamptz, timestamptz)') IS NOT NULL THEN
    DROP FUNCTION bridge_ring_neighbours(integer, smallint, timestamptz, timestamptz);
  END IF;
END $$;

-- When the last comparison with the booking system was asked for: one that began before does not answer it.
ALTER TABLE bridge_room_state ADD COLUMN reconcile_requested_at timestamptz;

-- Down Migration

ALTER TABLE bridge_room_state DROP COLUMN reconcile_requested_at;

-- They take a row of a table that is dropped next.
DROP FUNCTION IF EXISTS bridge_cover_is_shown(bridge_mappings), bridge_covers(bridge_mappings);
