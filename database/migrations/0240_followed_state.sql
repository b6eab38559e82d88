-- Up Migration
-- The event of a reservation of several rooms is deleted in one room and edited in another one: the edit is no change of the booking system
-- that keeps the deletion from being followed.

ALTER TABLE bridge_mappings ADD COLUMN followed_state jsonb;
COMMENT ON COLUMN bridge_mappings.followed_state IS 'the reservation since the last agreement, if only edits in Outlook of its events in other rooms have changed it';

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN followed_state;
