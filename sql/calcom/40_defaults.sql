INSERT INTO public.bridge_settings (name, value) VALUES ('reservation_types', 'booking'), ('abilities', 'one-room no-private')
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

SELECT c.note FROM (VALUES
  ('outlook_event_type', 'outlook_event_type is not set: what comes from Outlook is booked under the first event type that the page of a room offers. '
    'Name another one by its slug: INSERT INTO bridge_settings (name, value) VALUES (''outlook_event_type'', ''outlook'');'),
  ('booking_url', 'booking_url is not set: search and explain show no link into Cal.com. Set its address with: '
    'INSERT INTO bridge_settings (name, value) VALUES (''booking_url'', ''https://cal.example.org'');')) AS c (name, note)
WHERE NOT EXISTS (SELECT FROM public.bridge_settings s WHERE s.name = c.name);
