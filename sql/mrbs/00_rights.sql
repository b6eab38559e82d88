-- What our role still lacks, as statements for the DBA: no row, nothing lacks. Run it as our role.
WITH wants (name, privileges) AS (VALUES
  ('mrbs_entry', 'SELECT,INSERT,UPDATE,DELETE,TRIGGER'),
  ('mrbs_room', 'SELECT,TRIGGER'),
  ('mrbs_area', 'SELECT,TRIGGER')
)
SELECT CASE WHEN t.id IS NULL THEN NULL
            ELSE format('GRANT %s ON %s TO %I;', string_agg(p.privilege, ', '), t.id, current_user) END AS repair,
       true AS needed,
       CASE WHEN t.id IS NULL THEN format('There is no table %s: is this the database of MRBS?', t.name) END AS why
FROM (SELECT w.*, to_regclass('public.' || w.name) AS id FROM wants w) t
CROSS JOIN LATERAL unnest(string_to_array(t.privileges, ',')) AS p (privilege)
WHERE t.id IS NULL OR NOT has_table_privilege(t.id, p.privilege)
GROUP BY t.id, t.name
UNION ALL
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s, current_user), true, NULL
FROM (SELECT pg_get_serial_sequence('public.mrbs_entry', 'id') AS s WHERE to_regclass('public.mrbs_entry') IS NOT NULL) q
WHERE NOT has_sequence_privilege(s, 'USAGE');
