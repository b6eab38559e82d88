-- Up Migration

-- What both sides of a mapping agree on, and what is meant to happen to its event, have names.
ALTER TABLE bridge_mappings
  -- as nearly all of them are, which need not be written then
  ADD COLUMN agreement text NOT NULL DEFAULT 'agreed'
    CONSTRAINT bridge_mappings_agreement CHECK (agreement IN ('never', 'unanswered', 'partly', 'agreed')),
  ADD COLUMN event_intent text
    CONSTRAINT bridge_mappings_event_intent CHECK (event_intent IN ('remove', 'renew', 'remove_again', 'keep'));
ALTER TABLE bridge_mappings ALTER COLUMN agreement SET DEFAULT 'never';
COMMENT ON COLUMN bridge_mappings.agreement IS 'never: both sides never agreed on anything; unanswered: something was sent, or an event is known to be there, and nobody knows what it shows; partly: on the fields of booking_base; agreed: on all of booking_base';
COMMENT ON COLUMN bridge_mappings.event_intent IS 'what it means that the event is not there, or is. remove: we are about to delete or decline it, so nobody else did; renew: should it be gone, it is made anew; remove_again: it was not there when we deleted it, should it show, it is deleted; keep: a person keeps it although its reservation is gone';

-- The agreement that a content stands for.
CREATE FUNCTION bridge_agreement(base jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $agreement$
  SELECT CASE WHEN base IS NULL OR jsonb_typeof(base) = 'null' THEN 'never'
    WHEN base ?& ARRAY['startsAt', 'endsAt', 'allDay', 'title', 'description', 'isPrivate'] THEN 'agreed'
    WHEN base ?| ARRAY['startsAt', 'endsAt', 'allDay', 'title', 'description', 'isPrivate'] THEN 'partly'
    ELSE 'unanswered' END
$agreement$;

-- The intent that `removing`, as daemons of 1.0 wrote it, stands for.
CREATE FUNCTION bridge_intent(removing boolean, status text, outlook_base jsonb, was text, is_wanted boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $intent$
  SELECT CASE WHEN status = 'cancelled' AND outlook_base IS NOT NULL THEN 'keep'
    WHEN NOT removing THEN NULL
    WHEN status = 'cancelled' THEN 'remove_again'
    WHEN was IN ('remove', 'renew') THEN was
    WHEN is_wanted THEN 'renew'
    ELSE 'remove' END
$intent$;

-- they say nothing, and are not made any more
DELETE FROM bridge_mappings WHERE reservation_id IS NULL AND outlook_event_id IS NULL;
UPDATE bridge_mappings SET booking_base = NULL, revision = revision + 1 WHERE jsonb_typeof(booking_base) = 'null';
UPDATE bridge_mappings SET agreement = bridge_agreement(booking_base), revision = revision + 1
WHERE bridge_agreement(booking_base) <> 'agreed';
UPDATE bridge_mappings SET revision = revision + 1, removing = removing AND NOT (sync_status = 'cancelled' AND outlook_base IS NOT NULL),
  event_intent = bridge_intent(removing, sync_status, outlook_base, NULL, present AND outlook_news IS NOT DISTINCT FROM 'look')
WHERE removing OR sync_status = 'cancelled' AND outlook_base IS NOT NULL;
ALTER TABLE bridge_mappings ADD CONSTRAINT bridge_mappings_agreed_on CHECK ((agreement = 'never') = (booking_base IS NULL));

-- A daemon of 1.0 writes all this into `booking_base`, `removing`, and the `outlook_base` of what is cancelled, and so may people.
-- Where a statement gave the name, the others follow; else the name follows them. This stands here and not among the functions,
-- because such a daemon works on between the two. A later version drops it, and `removing` with it.
CREATE FUNCTION bridge_named_states() RETURNS trigger LANGUAGE plpgsql AS $named$
DECLARE
  is_new constant boolean := TG_OP = 'INSERT';
BEGIN
  IF (NEW.agreement <> CASE WHEN is_new THEN 'never' ELSE OLD.agreement END) THEN
    NEW.booking_base := CASE NEW.agreement WHEN 'never' THEN NULL WHEN 'unanswered' THEN '{}' ELSE NEW.booking_base END;
  ELSE
    NEW.agreement := bridge_agreement(NEW.booking_base);
  END IF;
  IF NEW.event_intent = 'keep' AND NEW.sync_status = 'cancelled' THEN
    NEW.outlook_base := coalesce(NEW.outlook_base, '{}');
    NEW.removing := false;
  ELSIF (NEW.event_intent IS DISTINCT FROM CASE WHEN is_new THEN NULL ELSE OLD.event_intent END) THEN
    NEW.removing := NEW.event_intent IS NOT NULL;
  ELSE
    NEW.event_intent := bridge_intent(NEW.removing, NEW.sync_status, NEW.outlook_base, NEW.event_intent,
      NEW.present AND NEW.outlook_news IS NOT DISTINCT FROM 'look');
    NEW.removing := NEW.removing AND NEW.event_intent <> 'keep';
  END IF;
  RETURN NEW;
END $named$;
-- The last of its kind by its name: it sees what the others made of a row. Its condition is read anew for each statement, so it
-- calls no function, and statements that name none of these columns, such as the fold's, do not come by it.
CREATE TRIGGER bridge_mappings_zz_named
  BEFORE INSERT OR UPDATE OF agreement, booking_base, event_intent, removing, outlook_base ON bridge_mappings FOR EACH ROW
  WHEN (NEW.agreement <> CASE WHEN NEW.booking_base IS NULL OR NEW.booking_base = 'null' THEN 'never'
      WHEN NEW.booking_base ?& ARRAY['startsAt', 'endsAt', 'allDay', 'title', 'description', 'isPrivate'] THEN 'agreed'
      WHEN NEW.booking_base ?| ARRAY['startsAt', 'endsAt', 'allDay', 'title', 'description', 'isPrivate'] THEN 'partly'
      ELSE 'unanswered' END
    OR (NEW.event_intent IS NOT NULL AND NEW.event_intent <> 'keep') <> NEW.removing
    OR (NEW.event_intent IS NOT DISTINCT FROM 'keep') <> (NEW.sync_status = 'cancelled' AND NEW.outlook_base IS NOT NULL))
  EXECUTE FUNCTION bridge_named_states();

-- Down Migration

DROP TRIGGER bridge_mappings_zz_named ON bridge_mappings;
DROP FUNCTION bridge_named_states();
ALTER TABLE bridge_mappings DROP COLUMN agreement, DROP COLUMN event_intent;
DROP FUNCTION bridge_intent(boolean, text, jsonb, text, boolean);
DROP FUNCTION bridge_agreement(jsonb);
