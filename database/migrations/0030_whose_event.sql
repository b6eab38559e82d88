-- Up Migration
-- An event of the same meeting as another one may be that one, made again.
CREATE INDEX bridge_mappings_meeting ON bridge_mappings (ical_uid) WHERE ical_uid <> '';
-- What was refused because its time is taken is tried again when that is free.
CREATE INDEX bridge_mappings_conflict ON bridge_mappings (resource_id) WHERE sync_status = 'conflict';

-- Down Migration
DROP INDEX bridge_mappings_conflict;
DROP INDEX bridge_mappings_meeting;
