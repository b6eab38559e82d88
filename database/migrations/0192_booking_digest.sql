-- Up Migration

-- An UPDATE of the booking system is noted without comparing the old row with the new; the fold leaves alone what is as it was.
ALTER TABLE bridge_mappings ADD COLUMN booking_digest bigint;
COMMENT ON COLUMN bridge_mappings.booking_digest IS 'of the reservation as it was last folded; null: not known. Where it is the same again, the booking system changed nothing';

DO $$
BEGIN
  -- helpers that take another argument now; daemons never called them
  IF to_regprocedure('bridge_make_triggers(regclass, text, text[])') IS NOT NULL THEN
    DROP FUNCTION bridge_make_triggers(regclass, text, text[]);
    DROP FUNCTION bridge_watch_body(regclass, text, text[], text[], text[]);
  END IF;
END $$;

-- Down Migration

ALTER TABLE bridge_mappings DROP COLUMN booking_digest;
DROP FUNCTION IF EXISTS bridge_make_triggers(regclass, text, text[], text[]);
DROP FUNCTION IF EXISTS bridge_watch_body(regclass, text, text[], text[], text[], text);
DROP FUNCTION IF EXISTS bridge_way_of(regclass, text, text[], text[]);
