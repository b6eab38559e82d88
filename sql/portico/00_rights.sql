-- What our role still lacks, as statements for the DBA: no row, nothing lacks. Run it as our role. What is not `needed`
-- can be left out; `why` says what does not work then.
WITH wants (name, privileges, needed, why) AS (VALUES
  ('bb_event', 'SELECT,INSERT,UPDATE,TRIGGER', true, NULL),
  ('bb_event_date', 'SELECT,INSERT,UPDATE,TRIGGER', true, NULL),
  ('bb_event_resource', 'SELECT,INSERT,TRIGGER', true, NULL),
  ('bb_event_agegroup', 'INSERT', true, NULL),
  ('bb_event_targetaudience', 'INSERT', true, NULL),
  ('bb_booking', 'SELECT,UPDATE,TRIGGER', true, NULL),
  ('bb_booking_resource', 'SELECT,INSERT,TRIGGER', true, NULL),
  ('bb_allocation', 'SELECT,UPDATE,TRIGGER', true, NULL),
  ('bb_allocation_resource', 'SELECT,INSERT,TRIGGER', true, NULL),
  ('bb_group', 'SELECT,TRIGGER', true, NULL),
  ('bb_organization', 'SELECT,TRIGGER', true, NULL),
  ('bb_activity', 'SELECT', true, NULL),
  ('bb_agegroup', 'SELECT', true, NULL),
  ('bb_targetaudience', 'SELECT', true, NULL),
  ('bb_building', 'SELECT', true, NULL),
  ('bb_building_resource', 'SELECT', true, NULL),
  ('bb_resource', 'SELECT', true, NULL),
  ('bb_event_resource', 'DELETE', false, 'a meeting that loses one of its rooms in Outlook keeps it in the booking system'),
  ('bb_booking_resource', 'DELETE', false, 'a booking that loses one of its rooms in Outlook keeps it in the booking system'),
  ('bb_allocation_resource', 'DELETE', false, 'an allocation that loses one of its rooms in Outlook keeps it in the booking system')
), tables AS (
  -- a trigger is made on every partition too
  SELECT w.*, to_regclass('public.' || w.name) AS id FROM wants w
  UNION
  SELECT w.name, 'TRIGGER', true, NULL, p.relid FROM wants w, pg_partition_tree(to_regclass('public.' || w.name)) p
  WHERE w.privileges LIKE '%TRIGGER%'
), sequences AS MATERIALIZED (
  -- ids that a default draws from a sequence (identity columns need no right)
  SELECT DISTINCT d.refobjid::regclass AS id FROM wants w
  JOIN pg_attrdef a ON a.adrelid = to_regclass('public.' || w.name)
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
  WHERE w.privileges LIKE '%INSERT%'
)
SELECT CASE WHEN t.id IS NULL THEN NULL
            ELSE format('GRANT %s ON %s TO %I;', string_agg(p.privilege, ', ' ORDER BY p.privilege), t.id, current_user) END AS repair,
       t.needed,
       CASE WHEN t.id IS NULL THEN format('There is no table %s: is this the database of PorticoEstate?', t.name) ELSE t.why END AS why
FROM tables t CROSS JOIN LATERAL unnest(string_to_array(t.privileges, ',')) AS p (privilege)
WHERE t.id IS NULL OR NOT has_table_privilege(t.id, p.privilege)
GROUP BY t.id, t.name, t.needed, t.why
UNION ALL
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s.id, current_user), true, NULL
FROM sequences s WHERE NOT has_sequence_privilege(s.id, 'USAGE')
ORDER BY 2 DESC, 1;
