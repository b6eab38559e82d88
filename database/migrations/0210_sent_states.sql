-- Up Migration
-- After a lost answer or the end of a daemon, Outlook may show what was sent, and that is no edit of a person.

ALTER TABLE bridge_mappings ADD COLUMN sent_states jsonb;
COMMENT ON COLUMN bridge_mappings.sent_states IS 'states of the reservation that may have been sent since both sides were last known, oldest first (functions/28_sent.sql)';

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN sent_states;
