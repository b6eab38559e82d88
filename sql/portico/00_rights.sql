-- What our role still lacks, as statements for the DBA: no row, nothing lacks. Run it as our role. What is not `needed`
-- can be left out; `why` says what does not work then. Rights to read and change are asked for column by column:
-- bb_event.customer_ssn and all other columns that this list does not name cannot be read by our role.
WITH wants (name, privilege, columns, needed, why) AS (VALUES
  ('bb_event', 'SELECT', 'id active name organizer customer_organization_name description from_ to_ contact_name contact_email is_public', true, NULL),
  ('bb_event', 'UPDATE', 'id_string active name organizer description from_ to_ contact_email is_public', true, NULL),
  ('bb_event', 'INSERT', NULL, true, NULL),
  ('bb_event', 'TRIGGER', NULL, true, NULL),
  ('bb_event_date', 'SELECT', 'event_id from_ to_', true, NULL),
  ('bb_event_date', 'UPDATE', 'from_ to_', true, NULL),
  ('bb_event_date', 'INSERT', NULL, true, NULL),
  ('bb_event_date', 'TRIGGER', NULL, true, NULL),
  ('bb_event_resource', 'SELECT', 'event_id resource_id', true, NULL),
  ('bb_event_resource', 'INSERT', NULL, true, NULL),
  ('bb_event_resource', 'TRIGGER', NULL, true, NULL),
  ('bb_event_agegroup', 'INSERT', NULL, true, NULL),
  ('bb_event_targetaudience', 'INSERT', NULL, true, NULL),
  ('bb_booking', 'SELECT', 'id active from_ to_ group_id', true, NULL),
  ('bb_booking', 'UPDATE', 'active from_ to_', true, NULL),
  ('bb_booking', 'TRIGGER', NULL, true, NULL),
  ('bb_booking_resource', 'SELECT', 'booking_id resource_id', true, NULL),
  ('bb_booking_resource', 'INSERT', NULL, true, NULL),
  ('bb_booking_resource', 'TRIGGER', NULL, true, NULL),
  ('bb_allocation', 'SELECT', 'id active from_ to_ organization_id', true, NULL),
  ('bb_allocation', 'UPDATE', 'active from_ to_', true, NULL),
  ('bb_allocation', 'TRIGGER', NULL, true, NULL),
  ('bb_allocation_resource', 'SELECT', 'allocation_id resource_id', true, NULL),
  ('bb_allocation_resource', 'INSERT', NULL, true, NULL),
  ('bb_allocation_resource', 'TRIGGER', NULL, true, NULL),
  ('bb_group', 'SELECT', 'id name organization_id', true, NULL),
  ('bb_group', 'TRIGGER', NULL, true, NULL),
  ('bb_organization', 'SELECT', 'id name email', true, NULL),
  ('bb_organization', 'TRIGGER', NULL, true, NULL),
  ('bb_activity', 'SELECT', 'id parent_id active', true, NULL),
  ('bb_agegroup', 'SELECT', 'id activity_id active sort', true, NULL),
  ('bb_targetaudience', 'SELECT', 'id activity_id active sort', true, NULL),
  ('bb_building', 'SELECT', 'id name email active', true, NULL),
  ('bb_building_resource', 'SELECT', 'building_id resource_id', true, NULL),
  ('bb_resource', 'SELECT', 'id name active activity_id', true, NULL),
  ('bb_event_resource', 'DELETE', NULL, false, 'a meeting that loses one of its rooms in Outlook keeps it in the booking system'),
  ('bb_booking_resource', 'DELETE', NULL, false, 'a booking that loses one of its rooms in Outlook keeps it in the booking system'),
  ('bb_allocation_resource', 'DELETE', NULL, false, 'an allocation that loses one of its rooms in Outlook keeps it in the booking system')
), tables AS (
  -- a trigger is made on every partition too
  SELECT w.*, to_regclass('public.' || w.name) AS id FROM wants w
  UNION
  SELECT w.*, p.relid FROM wants w, pg_partition_tree(to_regclass('public.' || w.name)) p WHERE w.privilege = 'TRIGGER'
), lacking AS (
  SELECT t.*, t.privilege || coalesce(' (' || replace(t.columns, ' ', ', ') || ')', '') AS grants FROM tables t
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
  -- ids that a default draws from a sequence (identity columns need no right)
  SELECT DISTINCT d.refobjid::regclass AS id FROM wants w
  JOIN pg_attrdef a ON a.adrelid = to_regclass('public.' || w.name)
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
  WHERE w.privilege = 'INSERT'
)
SELECT CASE WHEN l.id IS NULL THEN NULL
            ELSE format('GRANT %s ON %s TO %I;', string_agg(l.grants, ', ' ORDER BY l.grants), l.id, current_user) END AS repair,
       l.needed,
       CASE WHEN l.id IS NULL THEN format('There is no table %s: is this the database of PorticoEstate?', l.name) ELSE l.why END AS why
FROM lacking l GROUP BY l.id, l.name, l.needed, l.why
UNION ALL
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s.id, current_user), true, NULL
FROM sequences s WHERE NOT has_sequence_privilege(s.id, 'USAGE')
ORDER BY 2 DESC, 1;
