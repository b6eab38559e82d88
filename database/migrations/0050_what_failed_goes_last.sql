-- Up Migration
-- What is due is worked on by lane, then what was not tried, then by priority and start.

DROP INDEX bridge_mappings_due;
CREATE INDEX bridge_mappings_due ON bridge_mappings (resource_id, lane, (attempt > 0), priority_level, starts_at) WHERE due_at IS NOT NULL;

-- Down Migration
DROP INDEX bridge_mappings_due;
CREATE INDEX bridge_mappings_due ON bridge_mappings (resource_id, lane, priority_level, starts_at) WHERE due_at IS NOT NULL;
