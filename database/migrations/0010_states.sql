-- Up Migration

-- What a mapping waits for that neither we nor a retry can bring about.
ALTER TABLE bridge_mappings ADD COLUMN waits_for text CHECK (waits_for IN ('answer', 'free', 'import'));
COMMENT ON COLUMN bridge_mappings.waits_for IS 'answer: the room has not answered the invitation, or not again since it was changed; free: somebody shows the event as free; import: a person has to ask for it';
UPDATE bridge_mappings SET waits_for = 'import'
WHERE reservation_id IS NULL AND sync_status = 'imported' AND due_at IS NULL;
-- an event that was shown as free or not answered was noted like one that was cancelled: it is read again
UPDATE bridge_mappings SET outlook_news = 'look' WHERE outlook_news = 'vacated';

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN waits_for;
