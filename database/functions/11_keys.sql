-- Keys that are not numbers: uuids and codes. The bridge uses numbers; each key has one that never changes.

-- The number of a reservation's key, a hash, so that it is the same again when the tables were lost. A key that is a whole number is
-- its own number. `keyId` in src/keys.ts is the same function.
CREATE OR REPLACE FUNCTION bridge_key_hash(kind text, key text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $hash$
  SELECT CASE WHEN CASE WHEN key ~ '^[1-9][0-9]{0,18}$' THEN key::numeric < 9223372036854775808 END THEN key::bigint
    ELSE ('x' || encode(substr(sha256(convert_to(kind || '/' || key, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint & 9223372036854775807 END
$hash$;

-- The number of a reservation's key, which is stored. NULL, with a WARNING, if another key has it already: that happens in one of a
-- hundred million systems with a million keys each.
CREATE OR REPLACE FUNCTION bridge_key_id(kind_ text, key_ text) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $id$
DECLARE
  found_id bigint;
BEGIN
  SELECT k.id INTO found_id FROM bridge_key k WHERE k.kind = kind_ AND k.key = key_;
  IF found_id IS NOT NULL OR coalesce(key_, '') = '' THEN
    RETURN found_id;
  END IF;
  INSERT INTO bridge_key (kind, key, id) VALUES (kind_, key_, bridge_key_hash(kind_, key_)) ON CONFLICT DO NOTHING;
  SELECT k.id INTO found_id FROM bridge_key k WHERE k.kind = kind_ AND k.key = key_;
  IF found_id IS NULL THEN
    RAISE WARNING 'The key %/% has the number of another one and is left out.', kind_, key_;
  END IF;
  RETURN found_id;
END $id$;

-- The key of a number, or NULL.
CREATE OR REPLACE FUNCTION bridge_key_of(kind_ text, id_ bigint) RETURNS text LANGUAGE sql STABLE AS $key$
  SELECT k.key FROM public.bridge_key k WHERE k.id = id_ AND k.kind = kind_
$key$;

-- The number of a resource's key, which is stored: below 2^31, because people write it into bridge_resource_mappings.
CREATE OR REPLACE FUNCTION bridge_resource_id(key_ text) RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $id$
DECLARE
  found_id integer;
BEGIN
  SELECT k.id INTO found_id FROM bridge_key k WHERE k.kind = '' AND k.key = key_;
  IF found_id IS NOT NULL OR coalesce(key_, '') = '' THEN
    RETURN found_id;
  END IF;
  SELECT r.resource_id INTO found_id FROM bridge_resource_mappings r WHERE r.resource_key = key_ ORDER BY r.active DESC, r.id LIMIT 1;
  FOR attempt IN 0 .. 99 LOOP
    INSERT INTO bridge_key (kind, key, id)
    SELECT '', key_, coalesce(found_id, c.id) FROM (SELECT (bridge_key_hash('', 'resource ' || attempt || ' ' || key_) & 1073741823) | 1073741824 AS id) c
    WHERE found_id IS NOT NULL OR NOT EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.resource_id = c.id AND r.resource_key IS DISTINCT FROM key_)
    ON CONFLICT DO NOTHING;
    SELECT k.id INTO found_id FROM bridge_key k WHERE k.kind = '' AND k.key = key_;
    EXIT WHEN found_id IS NOT NULL;
  END LOOP;
  RETURN found_id;
END $id$;

-- For adapters: a key as a uuid, or NULL if it is none, so that a row is found by the index of a uuid column.
CREATE OR REPLACE FUNCTION bridge_uuid(key text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $uuid$
  SELECT CASE WHEN key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN key::uuid END
$uuid$;

-- The number of a reservation, given its key or its number.
CREATE OR REPLACE FUNCTION bridge_named(kind_ text, named text) RETURNS bigint LANGUAGE sql STABLE AS $named$
  SELECT coalesce((SELECT k.id FROM public.bridge_key k WHERE k.kind = kind_ AND k.key = named),
    CASE WHEN CASE WHEN named ~ '^[0-9]{1,19}$' THEN named::numeric < 9223372036854775808 END THEN named::bigint END)
$named$;

-- Stores the numbers of keys in a room (NULL: in the whole view) that have none yet.
CREATE OR REPLACE FUNCTION bridge_number_keys(room integer) RETURNS void LANGUAGE plpgsql AS $number$
BEGIN
  IF bridge_view_has('{reservation_key}') THEN
    -- sorted, so that two sessions cannot deadlock
    EXECUTE 'SELECT public.bridge_key_id(n.kind, n.key) FROM (
        SELECT DISTINCT i.reservation_type AS kind, i.reservation_key AS key FROM public.bridge_items i
        WHERE i.reservation_id IS NULL AND i.reservation_key IS NOT NULL' || CASE WHEN room IS NOT NULL THEN ' AND i.resource_id = $1' ELSE '' END || '
        ORDER BY 1, 2) n' USING room;
  END IF;
END $number$;

-- The same for one room, called before it is compared, in a statement of its own. It excludes the fold, which stores numbers as
-- well, so that neither waits for keys of the other.
CREATE OR REPLACE FUNCTION bridge_number_room(room_id integer) RETURNS void LANGUAGE plpgsql AS $number$
BEGIN
  IF bridge_view_has('{reservation_key}') THEN
    PERFORM bridge_lock_for_settlement();
    PERFORM bridge_number_keys(r.resource_id) FROM bridge_resource_mappings r WHERE r.id = room_id;
  END IF;
END $number$;

CREATE OR REPLACE FUNCTION bridge_number_resources() RETURNS void LANGUAGE plpgsql AS $number$
DECLARE
  of_resources constant boolean := EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass('public.bridge_resources')
    AND a.attname = 'resource_key' AND NOT a.attisdropped);
BEGIN
  IF of_resources OR bridge_view_has('{resource_key}') THEN
    EXECUTE format('SELECT public.bridge_resource_id(n.key) FROM (SELECT DISTINCT v.resource_key AS key FROM public.%I v
      WHERE v.resource_id IS NULL AND v.resource_key IS NOT NULL ORDER BY 1) n',
      CASE WHEN of_resources THEN 'bridge_resources' ELSE 'bridge_items' END);
  END IF;
END $number$;

-- An item as adapters get it: with `resource_keys` in addition to `resource_ids` if resources have keys.
CREATE OR REPLACE FUNCTION bridge_with_keys(item jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $with$
BEGIN
  IF NOT item ? 'resource_ids' OR NOT bridge_view_has('{resource_key}') THEN
    RETURN item;
  END IF;
  RETURN item || jsonb_build_object('resource_keys', (
    SELECT coalesce(jsonb_agg(k.key ORDER BY r.place), '[]')
    FROM jsonb_array_elements_text(item -> 'resource_ids') WITH ORDINALITY AS r (id, place)
    JOIN bridge_key k ON k.kind = '' AND k.id = r.id::bigint));
END $with$;

-- Imports by the adapter's function, whether that returns a number or a key.
CREATE OR REPLACE FUNCTION bridge_import(item jsonb, OUT reservation_type text, OUT reservation_id bigint) LANGUAGE plpgsql AS $import$
DECLARE
  made jsonb;
BEGIN
  SELECT to_jsonb(i) INTO made FROM bridge_import_item(bridge_with_keys(item)) i;
  reservation_type := made ->> 'reservation_type';
  reservation_id := coalesce((made ->> 'reservation_id')::bigint, bridge_key_id(reservation_type, made ->> 'reservation_key'));
END $import$;

-- For adapters whose functions take a key: creates the functions with a number that the bridge calls. It is the last statement of
-- 20_functions.sql.
CREATE OR REPLACE FUNCTION bridge_by_key() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $by$
DECLARE
  f record;
BEGIN
  FOR f IN
    SELECT * FROM (VALUES
      ('bridge_change_item', 'change jsonb', 'public.bridge_with_keys(change)', 'text[]'),
      ('bridge_cancel_item', 'note text', 'note', 'boolean'),
      ('bridge_reenable_item', 'note text', 'note', 'boolean')) AS v (name, argument, given, gives)
    WHERE to_regprocedure(format('public.%I(text, text, %s)', v.name, split_part(v.argument, ' ', 2))) IS NOT NULL
  LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION public.%I(type text, id bigint, %s) RETURNS %s LANGUAGE plpgsql
      SET search_path = pg_catalog, public, pg_temp AS %L', f.name, f.argument, f.gives,
      format('BEGIN RETURN public.%I(type, public.bridge_key_of(type, id), %s); END', f.name, f.given));
    EXECUTE format('REVOKE EXECUTE ON FUNCTION public.%I(text, bigint, %s) FROM PUBLIC', f.name, split_part(f.argument, ' ', 2));
  END LOOP;
  PERFORM bridge_number_resources();
END $by$;

-- bridge_stored_keys for adapters whose functions take a key.
CREATE OR REPLACE FUNCTION bridge_stored_keys(kind text, key text, change jsonb) RETURNS text[] LANGUAGE plpgsql AS $stored$
BEGIN
  RETURN bridge_stored_keys(kind, bridge_key_id(kind, key), change);
END $stored$;
