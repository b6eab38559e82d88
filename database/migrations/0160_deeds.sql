-- Up Migration

ALTER TABLE bridge_mappings ADD COLUMN off_pattern boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN bridge_mappings.off_pattern IS 'its event went because the pattern of its series no longer has its date';

-- Removals with the same deed happened at once and count as one; NULL: by a deed of its own.
ALTER TABLE bridge_removals ADD COLUMN deed text;
-- what was applied within the hour counts on: a series that went as a whole by one deed
UPDATE bridge_removals d SET deed = 'series ' || m.series_master_id FROM bridge_mappings m
WHERE m.id = d.mapping_id AND d.side = 'booking' AND d.applied_at > now() - interval '1 hour' AND m.series_master_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM bridge_mappings o
    WHERE o.series_master_id = m.series_master_id AND o.outlook_item_id = m.outlook_item_id AND o.present AND o.ends_at > now()
      AND o.sync_status <> 'cancelled' AND o.outlook_news IS DISTINCT FROM 'gone');

-- Down Migration

ALTER TABLE bridge_removals DROP COLUMN deed;
ALTER TABLE bridge_mappings DROP COLUMN off_pattern;
