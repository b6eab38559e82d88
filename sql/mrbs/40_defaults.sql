INSERT INTO public.bridge_settings (name, value) VALUES ('reservation_types', 'entry'), ('abilities', 'one-room')
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- Who owns the entries made from Outlook: a user name of MRBS.
SELECT 'default_create_by is not set: entries made from Outlook belong to the user ''outlook''. Set it with: '
       'INSERT INTO bridge_settings (name, value) VALUES (''default_create_by'', ''...'');' AS note
WHERE NOT EXISTS (SELECT FROM public.bridge_settings s WHERE s.name = 'default_create_by');
