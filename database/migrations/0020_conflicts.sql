-- Up Migration

-- What waits for a person is looked for by room at every settlement.
CREATE INDEX bridge_mappings_conflicts ON bridge_mappings (resource_id) WHERE sync_status = 'conflict';

-- Down Migration

DROP INDEX bridge_mappings_conflicts;
