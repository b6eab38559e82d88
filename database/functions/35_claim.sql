-- The claim: a copied or restored database must not write into the rooms of the original.

-- The identity of this database, which a copy does not have. `system` is NULL if our role may not read it.
CREATE OR REPLACE FUNCTION bridge_this_database() RETURNS jsonb LANGUAGE plpgsql STABLE AS $database$
DECLARE
  system text;
BEGIN
  BEGIN
    SELECT c.system_identifier::text INTO system FROM pg_control_system() c;
  EXCEPTION WHEN insufficient_privilege THEN
    NULL;
  END;
  RETURN (SELECT jsonb_build_object('system', system, 'oid', d.oid::bigint, 'name', d.datname)
          FROM pg_database d WHERE d.datname = current_database());
END $database$;

-- The reason why nothing may be written until a person confirms. `database`: the installation was confirmed for another database;
-- `set-back`: a mailbox has a newer claim of ours than this database knows. NULL: there is none.
CREATE OR REPLACE FUNCTION bridge_hold() RETURNS text LANGUAGE plpgsql STABLE AS $hold$
DECLARE
  here constant jsonb := bridge_this_database();
  known jsonb;
BEGIN
  SELECT s.value::jsonb INTO known FROM bridge_settings s WHERE s.name = 'database';
  IF known ->> 'oid' <> here ->> 'oid' OR known ->> 'name' <> here ->> 'name' OR known ->> 'system' <> here ->> 'system' THEN
    RETURN 'database';
  END IF;
  IF EXISTS (SELECT FROM bridge_settings s WHERE s.name = 'set_back') THEN
    RETURN 'set-back';
  END IF;
  RETURN NULL;
END $hold$;

-- A person confirms that the bridge may write. `choice` for a held installation: 'same': moved or restored, it keeps its rooms;
-- 'copy': it has no room until a person assigns it; NULL: by the reason of the hold. Either gets a new installation id, so that its
-- creates are not taken for former ones. Returns the time of the confirmation, and whether it was confirmed before.
CREATE OR REPLACE FUNCTION bridge_confirm(choice text) RETURNS jsonb LANGUAGE plpgsql AS $confirm$
DECLARE
  held text;
  is_copy boolean;
  old_id text;
  moment text := to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
  before text;
BEGIN
  SELECT s.value INTO old_id FROM bridge_settings s WHERE s.name = 'installation_id' FOR UPDATE;
  held := bridge_hold();
  SELECT s.value INTO before FROM bridge_settings s WHERE s.name = 'plan_confirmed_at';
  IF held IS NULL AND before IS NOT NULL THEN
    RETURN jsonb_build_object('at', before, 'before', true);
  END IF;
  IF held IS NOT NULL THEN
    is_copy := coalesce(choice, CASE held WHEN 'database' THEN 'copy' ELSE 'same' END) = 'copy';
    DELETE FROM bridge_settings s WHERE s.name = 'set_back';
    INSERT INTO bridge_settings AS s (name, value)
    SELECT * FROM (VALUES ('installation_id', gen_random_uuid()::text), ('database', bridge_this_database()::text),
      ('former_installations', CASE WHEN is_copy THEN '' ELSE left(concat_ws(' ', old_id, (
        SELECT f.value FROM bridge_settings f WHERE f.name = 'former_installations')), 740) END)) AS v (name, value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now();
    IF is_copy THEN
      -- subscriptions are those of the original
      DELETE FROM bridge_subscriptions;
      UPDATE bridge_room_state SET claim_number = NULL, claim_read_at = NULL;
    END IF;
  END IF;
  INSERT INTO bridge_settings AS s (name, value) VALUES ('plan_confirmed_at', moment)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now();
  -- as in the plan, both sides are compared first
  UPDATE bridge_room_state SET baselined_at = NULL, reconciled_at = NULL, push_due_at = now(), push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END, claim_found = NULL,
    retry_at = CASE WHEN health = 'held' THEN NULL ELSE retry_at END;
  PERFORM bridge_wake();
  RETURN jsonb_build_object('at', moment, 'before', false);
END $confirm$;

-- The first active row with the same mailbox, or NULL. A later one is held.
CREATE OR REPLACE FUNCTION bridge_earlier_room(room_id integer) RETURNS integer LANGUAGE sql STABLE AS $earlier$
  SELECT min(e.id) FROM bridge_resource_mappings r JOIN bridge_resource_mappings e
    ON lower(coalesce(e.outlook_object_id, e.outlook_item_id)) = lower(coalesce(r.outlook_object_id, r.outlook_item_id))
    AND e.active = 1 AND e.id < r.id
  WHERE r.id = room_id AND r.active = 1
$earlier$;

-- Stores the object id of a mailbox. Later rows with the same mailbox are due, and will be held.
CREATE OR REPLACE FUNCTION bridge_resolved(room_id integer, address text, object_id text) RETURNS void LANGUAGE plpgsql AS $resolved$
BEGIN
  UPDATE bridge_resource_mappings SET outlook_object_id = object_id
  WHERE id = room_id AND outlook_item_id = address AND outlook_object_id IS DISTINCT FROM object_id;
  IF FOUND THEN
    UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now(), push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END
    WHERE resource_mapping_id IN (SELECT r.id FROM bridge_resource_mappings r WHERE r.active = 1 AND r.id > room_id
      AND lower(coalesce(r.outlook_object_id, r.outlook_item_id)) = lower(object_id));
  END IF;
END $resolved$;

-- Stores what was read of a calendar's claim. `refused`: the reason why it takes none; `found`: the claim of another installation or
-- resource; `ours`: our claim was read.
CREATE OR REPLACE FUNCTION bridge_claim_read(room_id integer, epoch bigint, ours boolean, refused text, found text) RETURNS void
LANGUAGE sql AS $read$
  UPDATE bridge_room_state SET claim_read_at = CASE WHEN ours THEN now() ELSE claim_read_at END, claim_refused = refused,
    claim_found = found, claim_void = CASE WHEN ours THEN NULL ELSE claim_void END
  WHERE resource_mapping_id = room_id AND lease_epoch = epoch
$read$;
