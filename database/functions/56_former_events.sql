-- The events that a mapping had before (bridge_mappings.former_events, oldest first): a deletion may be undone in Outlook when the
-- reservation has another event. Each has the last agreement on it, which is that of the mapping until the new event is stored.
-- `status`: the state of the mapping; `removed`: the bridge removed it, or was about to.

-- The present event of the mapping is none of them. The oldest ones are dropped.
CREATE OR REPLACE FUNCTION bridge_event_replaced() RETURNS trigger LANGUAGE plpgsql AS $replaced$
DECLARE
  others constant jsonb := coalesce((
    SELECT jsonb_agg(f.one ORDER BY f.n) FROM jsonb_array_elements(OLD.former_events) WITH ORDINALITY f (one, n)
    WHERE f.one ->> 'id' NOT IN (OLD.outlook_event_id, coalesce(NEW.outlook_event_id, ''))), '[]');
BEGIN
  NEW.former_events := CASE WHEN jsonb_array_length(others) > 7 THEN others - 0 ELSE others END || jsonb_build_object(
    'id', OLD.outlook_event_id, 'iCalUId', OLD.ical_uid, 'originalStart', OLD.original_start, 'status', OLD.sync_status,
    'removed', OLD.event_intent IS NOT NULL AND OLD.event_intent IN ('remove', 'remove_again'),
    'agreement', OLD.agreement, 'bookingBase', OLD.booking_base, 'outlookBase', OLD.outlook_base);
  RETURN NEW;
END $replaced$;
CREATE OR REPLACE TRIGGER bridge_mappings_replaced BEFORE UPDATE OF outlook_event_id ON bridge_mappings FOR EACH ROW
  WHEN (NEW.outlook_event_id IS DISTINCT FROM OLD.outlook_event_id AND OLD.outlook_event_id IS NOT NULL AND NEW.reservation_id IS NOT NULL)
  EXECUTE FUNCTION bridge_event_replaced();
