-- What our role still lacks, as statements for the DBA: no row, nothing lacks. Run it as our role. Rights to read and change
-- are asked for column by column: what this list does not name cannot be read by our role.
WITH wants (name, privilege, columns) AS (VALUES
  ('mrbs_entry', 'SELECT', 'id room_id start_time end_time entry_type name description create_by status ical_sequence'),
  ('mrbs_entry', 'UPDATE', 'room_id start_time end_time entry_type name description status ical_sequence'),
  ('mrbs_entry', 'INSERT', NULL),
  ('mrbs_entry', 'DELETE', NULL),
  ('mrbs_entry', 'TRIGGER', NULL),
  ('mrbs_room', 'SELECT', 'id area_id room_name disabled'),
  ('mrbs_room', 'TRIGGER', NULL),
  ('mrbs_area', 'SELECT', 'id area_name default_type disabled enable_periods approval_enabled'),
  ('mrbs_area', 'TRIGGER', NULL)
), tables AS (
  SELECT w.*, to_regclass('public.' || w.name) AS id,
    w.privilege || coalesce(' (' || replace(w.columns, ' ', ', ') || ')', '') AS grants FROM wants w
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
)
SELECT CASE WHEN l.id IS NULL THEN NULL
            ELSE format('GRANT %s ON %s TO %I;', string_agg(l.grants, ', ' ORDER BY l.grants), l.id, current_user) END AS repair,
       true AS needed,
       CASE WHEN l.id IS NULL THEN format('There is no table %s: is this the database of MRBS?', l.name) END AS why
FROM lacking l GROUP BY l.id, l.name
UNION ALL
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s, current_user), true, NULL
FROM (SELECT pg_get_serial_sequence('public.mrbs_entry', 'id') AS s WHERE to_regclass('public.mrbs_entry') IS NOT NULL) q
WHERE NOT has_sequence_privilege(s, 'USAGE');
