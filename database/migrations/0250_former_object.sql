-- Up Migration
-- A mailbox gets another address, and its row follows: its events keep their mappings once the new address is resolved to the same object id.

ALTER TABLE bridge_room_state ADD COLUMN former_object_id text;
COMMENT ON COLUMN bridge_room_state.former_object_id IS 'the object id of the mailbox that the mappings name, until the new address of the room is resolved';

-- Down Migration

ALTER TABLE bridge_room_state DROP COLUMN former_object_id;
