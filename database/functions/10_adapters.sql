-- Functions for adapters (sql/README.md): abilities, indexes, and the stored part of a change.

-- The limitations of the booking system that its adapter declares (sql/README.md, "Abilities").
CREATE OR REPLACE FUNCTION bridge_abilities() RETURNS text[] LANGUAGE sql STABLE AS $abilities$
  SELECT coalesce((SELECT string_to_array(btrim(regexp_replace(s.value, '[\s,]+', ' ', 'g')), ' ') FROM public.bridge_settings s WHERE s.name = 'abilities'), '{}')
$abilities$;

-- For adapters: an index on one column of a booking table, unless there is one. It is made only by the owner of a table
-- of moderate size, because making it stops the table's writers for as long as it takes; else the statement that a DBA
-- may run is printed as a NOTICE. The index is optional: a room with many years of bookings is slower without it.
CREATE OR REPLACE FUNCTION bridge_index(indexed regclass, key name) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $index$
DECLARE
  t record;
  statement text;
BEGIN
  IF EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = indexed AND a.attname = key AND i.indisvalid AND i.indpred IS NULL) THEN
    RETURN;
  END IF;
  SELECT c.relname, c.relkind, c.reltuples, pg_has_role(c.relowner, 'USAGE') AS ours INTO t FROM pg_class c WHERE c.oid = indexed;
  statement := format('CREATE INDEX %I ON %s (%I)', left('bridge_' || t.relname || '_' || key, 63), indexed, key);
  IF t.ours AND t.reltuples < 200000 THEN
    EXECUTE statement;
  ELSE
    RAISE NOTICE 'Optional, faster for rooms with many bookings: %;',
      CASE WHEN t.relkind = 'p' THEN statement ELSE replace(statement, 'INDEX', 'INDEX CONCURRENTLY') END;
  END IF;
EXCEPTION WHEN lock_not_available OR insufficient_privilege THEN
  RAISE NOTICE 'The optional index on %(%) was not made: %', indexed, key, SQLERRM;
END $index$;

-- For adapters: the keys of `change` whose values the reservation now shows. A value that cannot be stored (a title where the
-- type has none, a time that the clock change makes ambiguous) is not among them.
CREATE OR REPLACE FUNCTION bridge_stored_keys(kind text, id bigint, change jsonb) RETURNS text[] LANGUAGE plpgsql STABLE AS $stored$
DECLARE
  item record;
  rooms constant integer[] := ARRAY(SELECT i.resource_id FROM bridge_items i
    WHERE i.reservation_type = kind AND i.reservation_id = id ORDER BY 1);
BEGIN
  SELECT * INTO item FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id LIMIT 1;
  RETURN ARRAY(
    SELECT c.key FROM jsonb_each_text(change) c
    WHERE CASE c.key
      WHEN 'starts_at' THEN c.value::timestamptz = item.starts_at
      WHEN 'ends_at' THEN c.value::timestamptz = item.ends_at
      WHEN 'all_day' THEN coalesce(c.value::boolean, false) = item.all_day
      WHEN 'is_private' THEN coalesce(c.value::boolean, false) = item.is_private
      WHEN 'title' THEN btrim(coalesce(c.value, '')) = btrim(coalesce(item.title, ''))
      WHEN 'description' THEN btrim(coalesce(c.value, '')) = btrim(coalesce(item.description, ''))
      WHEN 'organizer_name' THEN btrim(coalesce(c.value, '')) = btrim(coalesce(item.organizer_name, ''))
      WHEN 'organizer_email' THEN btrim(coalesce(c.value, '')) = btrim(coalesce(item.organizer_email, ''))
      WHEN 'resource_ids' THEN rooms = ARRAY(SELECT DISTINCT e::integer FROM jsonb_array_elements_text(change -> 'resource_ids') e
                                             ORDER BY 1)
    END);
END $stored$;
