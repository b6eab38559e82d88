-- What our role still lacks, as statements for the DBA: no row, nothing lacks. Run it as our role. Rights to read and change
-- are asked for column by column: what this list does not name cannot be read by our role.
WITH wants (home, name, privilege, columns) AS (VALUES
  ('roombooking', 'reservations', 'SELECT', 'id start_dt end_dt repeat_frequency booked_for_name room_id state booking_reason rejection_reason'),
  ('roombooking', 'reservations', 'UPDATE', 'start_dt end_dt room_id state booking_reason rejection_reason'),
  ('roombooking', 'reservations', 'INSERT', NULL),
  ('roombooking', 'reservations', 'TRIGGER', NULL),
  ('roombooking', 'reservation_occurrences', 'SELECT', 'reservation_id start_dt end_dt state rejection_reason'),
  ('roombooking', 'reservation_occurrences', 'UPDATE', 'start_dt end_dt state rejection_reason'),
  ('roombooking', 'reservation_occurrences', 'INSERT', NULL),
  ('roombooking', 'reservation_occurrences', 'TRIGGER', NULL),
  ('roombooking', 'reservation_edit_logs', 'INSERT', NULL),
  ('roombooking', 'rooms', 'SELECT', 'id location_id verbose_name site building floor number reservations_need_confirmation is_deleted'),
  ('roombooking', 'locations', 'SELECT', 'id name room_name_format is_deleted'),
  ('users', 'users', 'SELECT', 'id first_name last_name'),
  ('users', 'emails', 'SELECT', 'user_id email is_user_deleted')
), tables AS (
  -- not to_regclass: it fails in a schema that our role may not use
  SELECT w.*, c.oid AS id, n.oid AS schema_id, format('%I.%I', w.home, w.name) AS full_name,
    w.privilege || coalesce(' (' || replace(w.columns, ' ', ', ') || ')', '') AS grants
  FROM wants w LEFT JOIN pg_namespace n ON n.nspname = w.home LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
), lacking AS (
  SELECT t.* FROM tables t
  WHERE t.id IS NULL OR CASE
    WHEN t.columns IS NOT NULL THEN EXISTS (
      SELECT FROM pg_attribute a WHERE a.attrelid = t.id AND a.attname = ANY (string_to_array(t.columns, ' '))
        AND NOT has_column_privilege(t.id, a.attnum, t.privilege))
    -- needed to make the triggers, and no more once they are there
    WHEN t.privilege = 'TRIGGER' THEN NOT has_table_privilege(t.id, 'TRIGGER') AND NOT EXISTS (
      SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
      WHERE g.tgrelid = t.id AND NOT g.tgisinternal AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\_%')
    ELSE NOT has_table_privilege(t.id, t.privilege) END
), sequences AS MATERIALIZED (
  SELECT c.oid, format('%I.%I', t.home, c.relname) AS full_name
  FROM tables t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.id AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
  WHERE t.privilege = 'INSERT'
)
SELECT format('GRANT USAGE ON SCHEMA %I TO %I;', t.home, current_user) AS repair, true AS needed, NULL::text AS why
FROM tables t WHERE NOT has_schema_privilege(t.schema_id, 'USAGE') GROUP BY t.home
UNION ALL
SELECT CASE WHEN l.id IS NULL THEN NULL
            ELSE format('GRANT %s ON %s TO %I;', string_agg(l.grants, ', ' ORDER BY l.grants), l.full_name, current_user) END,
       true,
       CASE WHEN l.id IS NULL THEN format('There is no table %s: is this the database of Indico?', l.full_name) END
FROM lacking l GROUP BY l.id, l.full_name
UNION ALL
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s.full_name, current_user), true, NULL
FROM sequences s WHERE NOT has_sequence_privilege(s.oid, 'USAGE');
