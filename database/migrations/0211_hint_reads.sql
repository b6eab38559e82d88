-- Up Migration
-- A hinted event may show later than its notification: its hint then waits for another read. Hints are stored although another
-- transaction has locked the row of their room, so they do not reference it; a hint without an event_id is one of the whole room.

ALTER TABLE bridge_hints
  DROP CONSTRAINT bridge_hints_resource_mapping_id_fkey,
  -- reads that did not show what the notification announced, and when the next one is due
  ADD COLUMN misses smallint NOT NULL DEFAULT 0,
  ADD COLUMN read_after timestamptz;
-- all hints of the room wait for another read, and a new one need not wait for them
ALTER TABLE bridge_room_state ADD COLUMN hints_retry boolean NOT NULL DEFAULT false;

-- Down Migration

ALTER TABLE bridge_room_state DROP COLUMN hints_retry;
DELETE FROM bridge_hints h WHERE h.event_id = '' OR NOT EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.id = h.resource_mapping_id);
ALTER TABLE bridge_hints
  DROP COLUMN misses,
  DROP COLUMN read_after,
  ADD FOREIGN KEY (resource_mapping_id) REFERENCES bridge_resource_mappings (id) ON DELETE CASCADE;
