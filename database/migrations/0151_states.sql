-- Up Migration

ALTER TABLE bridge_mappings ADD COLUMN renames boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN bridge_mappings.renames IS 'its event carries the extended properties of the reservation that this one replaced';

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN renames;
