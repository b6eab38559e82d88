-- Up Migration

-- What one room does differently from the others. NULL: as the environment of the daemon says.
ALTER TABLE bridge_resource_mappings
  ADD COLUMN conflict_policy text CHECK (conflict_policy IN ('booking', 'outlook', 'newest', 'ask')),
  ADD COLUMN overlap_policy text CHECK (overlap_policy IN ('flag', 'import', 'decline')),
  ADD COLUMN import_mode text CHECK (import_mode IN ('auto', 'manual')),
  ADD COLUMN privacy text CHECK (privacy IN ('neutral', 'busy-only', 'full')),
  ADD COLUMN title_template text CONSTRAINT bridge_resource_mappings_title_template CHECK (
    length(title_template) <= 200 AND title_template ~ '^([^{}[:cntrl:]]|\{(title|organizer|type|room)\})*$'
    AND title_template ~ '[^[:space:]]' AND title_template !~ '\{title\}.*\{title\}');
COMMENT ON COLUMN bridge_resource_mappings.privacy IS 'neutral: private items without their texts; busy-only: times alone, of every item; full: the texts of private items, too';
COMMENT ON COLUMN bridge_resource_mappings.title_template IS 'subject of an event, with the placeholders {title}, {organizer}, {type} and {room}';

-- Down Migration

DROP FUNCTION IF EXISTS bridge_own_settings(bridge_resource_mappings);
ALTER TABLE bridge_resource_mappings DROP COLUMN conflict_policy, DROP COLUMN overlap_policy, DROP COLUMN import_mode,
  DROP COLUMN privacy, DROP COLUMN title_template;
