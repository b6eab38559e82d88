-- The triggers on our own tables, by which changes of a person or a script take effect.

-- A change of the room list takes effect at once. A room that is switched on gets a full scan. A daemon that works on the room loses
-- its lease, because it knows the former state.
CREATE OR REPLACE FUNCTION bridge_rooms_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $rooms$
DECLARE
  same text;
  waits boolean;
BEGIN
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO bridge_room_state AS s (resource_mapping_id, push_due_at, push_lane)
    VALUES (NEW.id, now(), 1)
    ON CONFLICT (resource_mapping_id) DO UPDATE
      SET push_due_at = now(), push_lane = CASE WHEN s.push_due_at IS NULL THEN 1 ELSE s.push_lane END, baselined_at = NULL, reconciled_at = NULL, delta_links = NULL, pull_due_at = NULL, next_poll_at = NULL,
          lease_epoch = s.lease_epoch + 1,
          retry_at = NULL, attempt = 0, health = 'ok', error_message = NULL, hint = NULL, updated_at = now();
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.outlook_item_id <> NEW.outlook_item_id THEN
    IF lower(NEW.outlook_item_id) IN (lower(OLD.outlook_item_id), lower(OLD.outlook_object_id)) THEN
      same := OLD.outlook_item_id;
    ELSE
      UPDATE bridge_resource_mappings SET outlook_object_id = NULL WHERE id = NEW.id;
      UPDATE bridge_room_state SET claim_read_at = NULL, claim_refused = NULL, claim_found = NULL, claim_void = NULL,
        former_object_id = coalesce(OLD.outlook_object_id, former_object_id)
      WHERE resource_mapping_id = NEW.id;
    END IF;
  END IF;
  -- Another mailbox, perhaps by another row: events in the old one stay, and all items are shown in the new one. Whether a new address is
  -- that of the same mailbox is known when it is resolved, before any other work in the room.
  IF TG_OP <> 'DELETE' AND NEW.active = 1 THEN
    SELECT r.outlook_object_id IS NULL AND s.former_object_id IS NOT NULL INTO waits
    FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id WHERE r.id = NEW.id;
    IF NOT waits THEN
      PERFORM bridge_follow_mailbox(NEW.id, same);
    END IF;
  END IF;
  -- a held room may have waited for this row
  UPDATE bridge_room_state SET retry_at = NULL, push_due_at = now(), push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END
  WHERE health = 'held' AND retry_at IS NOT NULL;
  PERFORM bridge_wake();
  RETURN NULL;
END $rooms$;
CREATE OR REPLACE TRIGGER bridge_rooms_inserted AFTER INSERT OR DELETE ON bridge_resource_mappings
  FOR EACH ROW EXECUTE FUNCTION bridge_rooms_changed();
CREATE OR REPLACE TRIGGER bridge_rooms_updated AFTER UPDATE ON bridge_resource_mappings FOR EACH ROW
  WHEN ((OLD.active, OLD.resource_id, OLD.outlook_item_id, OLD.sync_direction)
        IS DISTINCT FROM (NEW.active, NEW.resource_id, NEW.outlook_item_id, NEW.sync_direction))
  EXECUTE FUNCTION bridge_rooms_changed();

-- A resource is given by its number or its key; the row stores both if there is a key.
CREATE OR REPLACE FUNCTION bridge_room_keyed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $keyed$
BEGIN
  IF NEW.resource_id IS NULL THEN
    NEW.resource_id := bridge_resource_id(NEW.resource_key);
  ELSIF NEW.resource_key IS NULL OR TG_OP = 'UPDATE' AND NEW.resource_id <> OLD.resource_id AND NEW.resource_key IS NOT DISTINCT FROM OLD.resource_key THEN
    NEW.resource_key := bridge_key_of('', NEW.resource_id);
  END IF;
  RETURN NEW;
END $keyed$;
-- not OF a column, because such a trigger would prevent dropping it
CREATE OR REPLACE TRIGGER bridge_rooms_keyed BEFORE INSERT OR UPDATE ON bridge_resource_mappings
  FOR EACH ROW EXECUTE FUNCTION bridge_room_keyed();

-- Rooms of a booking system that is only read have that direction only.
CREATE OR REPLACE FUNCTION bridge_only_way() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $way$
BEGIN
  IF TG_TABLE_NAME = 'bridge_settings' THEN
    UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook', updated_at = now()
    WHERE sync_direction <> 'booking_to_outlook' AND 'one-way' = ANY (bridge_abilities());
    RETURN NULL;
  END IF;
  IF NEW.sync_direction <> 'booking_to_outlook' AND 'one-way' = ANY (bridge_abilities()) THEN
    NEW.sync_direction := 'booking_to_outlook';
  END IF;
  RETURN NEW;
END $way$;
CREATE OR REPLACE TRIGGER bridge_rooms_only_way BEFORE INSERT OR UPDATE OF sync_direction ON bridge_resource_mappings
  FOR EACH ROW EXECUTE FUNCTION bridge_only_way();
CREATE OR REPLACE TRIGGER bridge_settings_only_way AFTER INSERT OR UPDATE OF value ON bridge_settings FOR EACH ROW
  WHEN (NEW.name = 'abilities') EXECUTE FUNCTION bridge_only_way();

-- Deleted numbers of keys are stored again at once: without them all reservations would seem to be gone.
CREATE OR REPLACE FUNCTION bridge_keys_lost() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $lost$
BEGIN
  PERFORM bridge_resource_id(r.resource_key) FROM bridge_resource_mappings r WHERE r.resource_key IS NOT NULL ORDER BY r.resource_key;
  PERFORM bridge_number_resources(), bridge_number_keys(NULL);
  RETURN NULL;
END $lost$;
CREATE OR REPLACE TRIGGER bridge_key_lost AFTER DELETE OR TRUNCATE ON bridge_key
  FOR EACH STATEMENT EXECUTE FUNCTION bridge_keys_lost();

-- `sync_status = 'pending'` set by a person: the row is due. The daemon raises the revision in its own updates, so an unchanged revision
-- means a person. If its event id was set to NULL, the event is matched again before one is created.
CREATE OR REPLACE FUNCTION bridge_mapping_touched() RETURNS trigger LANGUAGE plpgsql AS $touched$
BEGIN
  NEW.revision := OLD.revision + 1;
  NEW.due_at := now();
  NEW.lane := 0;
  NEW.attempt := 0;
  NEW.error_message := NULL;
  NEW.hint := NULL;
  NEW.updated_at := now();
  NEW.touched_at := clock_timestamp();
  IF NEW.outlook_event_id IS NULL THEN
    NEW.outlook_base := NULL;
    NEW.agreement := 'never';
    NEW.booking_base := NULL;
  ELSE
    -- it is read first, and created anew if it is gone
    NEW.outlook_news := 'look';
    NEW.event_intent := 'renew';
    NEW.removing := true;
  END IF;
  NEW.import_asked_at := clock_timestamp();
  RETURN NEW;
END $touched$;
CREATE OR REPLACE TRIGGER bridge_mappings_touched BEFORE UPDATE ON bridge_mappings FOR EACH ROW
  WHEN (NEW.sync_status = 'pending' AND NEW.revision = OLD.revision AND NEW.due_at IS NOT DISTINCT FROM OLD.due_at)
  EXECUTE FUNCTION bridge_mapping_touched();

-- A row without reservation and event is not stored. (One that is changed to that is deleted below.)
CREATE OR REPLACE FUNCTION bridge_mapping_empty() RETURNS trigger LANGUAGE plpgsql AS $empty$
BEGIN
  RETURN NULL;
END $empty$;
CREATE OR REPLACE TRIGGER bridge_mappings_empty BEFORE INSERT ON bridge_mappings FOR EACH ROW
  WHEN (NEW.reservation_id IS NULL AND NEW.outlook_event_id IS NULL)
  EXECUTE FUNCTION bridge_mapping_empty();

-- After a change by a person the room is due. A row without reservation and event is deleted. A room that lost an event id or a
-- reservation is compared with both sides before anything is created, so that nothing is created twice.
CREATE OR REPLACE FUNCTION bridge_mapping_reset() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $reset$
BEGIN
  IF NEW.reservation_id IS NULL AND NEW.outlook_event_id IS NULL THEN
    DELETE FROM bridge_mappings WHERE id = NEW.id;
  END IF;
  IF NEW.outlook_event_id IS NULL OR NEW.reservation_id IS NULL THEN
    UPDATE bridge_room_state s SET baselined_at = NULL, reconciled_at = NULL
    FROM bridge_resource_mappings r
    WHERE r.id = s.resource_mapping_id AND r.active = 1 AND r.resource_id = NEW.resource_id;
  END IF;
  PERFORM bridge_ring_room(NEW.resource_id);
  RETURN NULL;
END $reset$;
CREATE OR REPLACE TRIGGER bridge_mappings_reset AFTER UPDATE ON bridge_mappings FOR EACH ROW
  WHEN (NEW.touched_at IS DISTINCT FROM OLD.touched_at)
  EXECUTE FUNCTION bridge_mapping_reset();

-- Mappings with reservation and event were deleted, which the daemon never does: the room is compared with both sides before anything
-- is created. The request is stored even if one waits already: a full scan in progress may have read these mappings.
CREATE OR REPLACE FUNCTION bridge_mapping_lost() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $lost$
DECLARE
  rooms integer[]; -- NULL: all of them
BEGIN
  IF TG_OP = 'DELETE' THEN
    rooms := ARRAY(SELECT DISTINCT o.resource_id FROM old_rows o
                   WHERE o.reservation_id IS NOT NULL AND o.outlook_event_id IS NOT NULL AND o.sync_status <> 'cancelled');
    IF cardinality(rooms) = 0 THEN
      RETURN NULL;
    END IF;
  END IF;
  UPDATE bridge_room_state s
  SET baselined_at = NULL, reconciled_at = NULL, push_due_at = now(), push_lane = CASE WHEN s.push_due_at IS NULL THEN 1 ELSE s.push_lane END, updated_at = now()
  FROM bridge_resource_mappings r
  WHERE r.id = s.resource_mapping_id AND (rooms IS NULL OR r.resource_id = ANY (rooms));
  IF FOUND THEN
    PERFORM bridge_wake();
  END IF;
  RETURN NULL;
END $lost$;
-- for each statement, so that emptying the table is fast
CREATE OR REPLACE TRIGGER bridge_mappings_deleted AFTER DELETE ON bridge_mappings REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION bridge_mapping_lost();
CREATE OR REPLACE TRIGGER bridge_mappings_truncated AFTER TRUNCATE ON bridge_mappings FOR EACH STATEMENT
  EXECUTE FUNCTION bridge_mapping_lost();

-- Each `reconciled_at = NULL` requests a comparison of its own: see bridge_reconcile.
CREATE OR REPLACE FUNCTION bridge_reconcile_requested() RETURNS trigger LANGUAGE plpgsql AS $requested$
BEGIN
  NEW.reconcile_requested_at := clock_timestamp();
  RETURN NEW;
END $requested$;
CREATE OR REPLACE TRIGGER bridge_room_state_reconcile_requested BEFORE UPDATE OF reconciled_at ON bridge_room_state FOR EACH ROW
  WHEN (NEW.reconciled_at IS NULL) EXECUTE FUNCTION bridge_reconcile_requested();

-- Each `baselined_at = NULL` requests a full scan of its own: see bridge_baselined.
CREATE OR REPLACE FUNCTION bridge_scan_requested() RETURNS trigger LANGUAGE plpgsql AS $requested$
BEGIN
  NEW.scan_requested_at := clock_timestamp();
  RETURN NEW;
END $requested$;
CREATE OR REPLACE TRIGGER bridge_room_state_scan_requested BEFORE UPDATE OF baselined_at ON bridge_room_state FOR EACH ROW
  WHEN (NEW.baselined_at IS NULL) EXECUTE FUNCTION bridge_scan_requested();
