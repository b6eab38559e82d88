-- Up Migration

-- Each room's calendar carries a claim: which installation and resource writes there, and a number that is raised with
-- each full scan, here first. A higher number in a mailbox than here: this database was set back. One sequence for all
-- rooms, so that a row that was deleted and added again is none of that.
CREATE SEQUENCE bridge_claim_seq;
ALTER TABLE bridge_room_state
  -- the number that was last written into the mailbox; NULL: none
  ADD claim_number bigint,
  -- when our own claim was last read in the mailbox; NULL: never
  ADD claim_read_at timestamptz,
  -- why the mailbox takes no claim; NULL: it does, or nobody has asked yet
  ADD claim_refused text,
  -- the claim of another installation or resource for which the room is held, and the one that a person declared void
  ADD claim_found text,
  ADD claim_void text;

-- Which rows name one mailbox: by its object id once that is known.
CREATE INDEX bridge_resource_mappings_object ON bridge_resource_mappings (lower(coalesce(outlook_object_id, outlook_item_id)))
  WHERE active = 1;

-- Down Migration

DROP INDEX bridge_resource_mappings_object;
ALTER TABLE bridge_room_state DROP claim_number, DROP claim_read_at, DROP claim_refused, DROP claim_found, DROP claim_void;
DROP SEQUENCE bridge_claim_seq;
