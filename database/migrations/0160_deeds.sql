-- Up Migration

ALTER TABLE bridge_mappings ADD COLUMN off_pattern boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN bridge_mappings.off_pattern IS 'its event went because the pattern of its series no longer has its date';

-- Removals with the same deed happened at once and count as one; NULL: by a deed of its own.
ALTER TABLE bridge_removals ADD COLUMN deed text;

-- Down Migration

ALTER TABLE bridge_removals DROP COLUMN deed;
ALTER TABLE bridge_mappings DROP COLUMN off_pattern;
