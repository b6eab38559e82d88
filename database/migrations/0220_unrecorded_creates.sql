-- Up Migration
-- An event with the idempotency key of a recorded event is its copy, or was restored; only one of an unrecorded create is ours.

ALTER TABLE bridge_mappings ADD COLUMN unrecorded_creates integer[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN bridge_mappings.unrecorded_creates IS 'former generations of which no event is on record: their creates may have been carried out without an answer';

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN unrecorded_creates;
