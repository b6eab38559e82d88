-- Up Migration
-- What is due is worked on by lane, then what was not tried, then what has a reservation, then by priority and start.

DROP INDEX bridge_mappings_due;
CREATE INDEX bridge_mappings_due ON bridge_mappings (resource_id, lane, (attempt > 0), (reservation_id IS NULL), priority_level, starts_at)
  WHERE due_at IS NOT NULL;

-- Down Migration
DROP INDEX bridge_mappings_due;
CREATE INDEX bridge_mappings_due ON bridge_mappings (resource_id, lane, priority_level, starts_at) WHERE due_at IS NOT NULL;
