-- Up Migration
-- An event whose deletion is undone in Outlook after its reservation got another event is known as that of the reservation.

ALTER TABLE bridge_mappings ADD COLUMN former_events jsonb;
COMMENT ON COLUMN bridge_mappings.former_events IS 'events that the mapping had before, oldest first, each with the last agreement on it';

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN former_events;
