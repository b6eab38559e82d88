-- Up Migration
-- The history of a room, page by page; and who organises an event that the booking system may not have.

CREATE INDEX bridge_log_room ON bridge_log (resource_id, id);
ALTER TABLE bridge_mappings ADD COLUMN outlook_organizer text;
COMMENT ON COLUMN bridge_mappings.outlook_organizer IS 'who invited the room, by name or address; null: the room itself, or not known';

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN outlook_organizer;
DROP INDEX bridge_log_room;
