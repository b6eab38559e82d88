-- How reservations are told apart: what people and scripts may write for a type.
INSERT INTO public.bridge_settings (name, value) VALUES ('reservation_types', 'event,booking,allocation')
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- What an event needs that Outlook does not say. Chosen where there is one choice, never overwritten: change a default
-- with UPDATE bridge_settings SET value = ... WHERE name = ...
INSERT INTO public.bridge_settings (name, value)
SELECT 'default_activity_id', min(id)::text FROM public.bb_activity WHERE active = 1 AND coalesce(parent_id, 0) = 0
HAVING count(*) = 1
UNION ALL
SELECT 'default_building_id', min(id)::text FROM public.bb_building WHERE active = 1 HAVING count(*) = 1
UNION ALL
SELECT * FROM (SELECT 'default_contact_name', b.name::text FROM public.bb_building b WHERE b.active = 1
               AND (SELECT count(*) FROM public.bb_building o WHERE o.active = 1) = 1) one
UNION ALL
SELECT 'default_contact_email', min(email) FROM public.bb_building WHERE active = 1 AND email LIKE '%_@_%' HAVING count(DISTINCT email) = 1
ON CONFLICT (name) DO NOTHING;

INSERT INTO public.bridge_settings (name, value)
SELECT 'default_agegroup_id', id::text FROM (
  SELECT g.id FROM public.bb_agegroup g JOIN public.bridge_settings s ON s.name = 'default_activity_id' AND s.value = g.activity_id::text
  WHERE g.active = 1 ORDER BY g.sort, g.id LIMIT 1) first
ON CONFLICT (name) DO NOTHING;

INSERT INTO public.bridge_settings (name, value)
SELECT 'default_targetaudience_id', id::text FROM (
  SELECT t.id FROM public.bb_targetaudience t JOIN public.bridge_settings s ON s.name = 'default_activity_id' AND s.value = t.activity_id::text
  WHERE t.active = 1 ORDER BY t.sort, t.id LIMIT 1) first
ON CONFLICT (name) DO NOTHING;

-- What could not be chosen, what happens then, and the values there are.
SELECT format('%s is not set: %s.%s Set it with: INSERT INTO bridge_settings (name, value) VALUES (''%s'', ''...'');', d.name, d.why,
  (SELECT ' Values: ' || string_agg(CASE WHEN v.rank <= 8 THEN v.value ELSE '...' END, ', ' ORDER BY v.rank) || '.'
   FROM (SELECT c.value, row_number() OVER (ORDER BY c.id) AS rank FROM (
     SELECT 'default_activity_id' AS name, id, id::text AS value FROM public.bb_activity WHERE active = 1 AND coalesce(parent_id, 0) = 0
     UNION ALL SELECT 'default_building_id', id, format('%s (%s)', id, name) FROM public.bb_building WHERE active = 1
     UNION ALL SELECT 'default_agegroup_id', id, id::text FROM public.bb_agegroup WHERE active = 1
     UNION ALL SELECT 'default_targetaudience_id', id, id::text FROM public.bb_targetaudience WHERE active = 1) c
     WHERE c.name = d.name) v WHERE v.rank <= 9), d.name) AS note
FROM (VALUES
  ('default_activity_id', 'an imported event gets the topmost activity of its room'),
  ('default_building_id', 'an imported event gets the building of its room'),
  ('default_contact_name', 'an imported event has its organiser as contact, or no contact'),
  ('default_contact_email', 'an imported event carries its organiser''s address, or none'),
  ('default_agegroup_id', 'an imported event gets the first age group of its activity'),
  ('default_targetaudience_id', 'an imported event gets the first target audience of its activity')) AS d (name, why)
WHERE NOT EXISTS (SELECT FROM public.bridge_settings s WHERE s.name = d.name);
