INSERT INTO public.bridge_settings (name, value) VALUES ('reservation_types', 'booking, occurrence'), ('abilities', 'one-room no-private')
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

SELECT c.note FROM (VALUES
  ('default_user_id', 'default_user_id is not set: an event from Outlook is booked for its organizer if Indico knows the address, and otherwise has '
    'only the name. Set the id of a user with: INSERT INTO bridge_settings (name, value) VALUES (''default_user_id'', ''...'');'),
  ('booking_url', 'booking_url is not set: search and explain show no link into Indico. Set its address with: '
    'INSERT INTO bridge_settings (name, value) VALUES (''booking_url'', ''https://indico.example.org'');')) AS c (name, note)
WHERE NOT EXISTS (SELECT FROM public.bridge_settings s WHERE s.name = c.name);
