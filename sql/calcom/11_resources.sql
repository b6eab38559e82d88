-- For people at the command line: what can be booked, by name, so that rooms can be paired with mailboxes
-- (`mappings match`): users that own an event type. People do, too; they are simply not mapped.
CREATE OR REPLACE VIEW public.bridge_resources AS
SELECT u.id AS resource_id,
       coalesce(nullif(btrim(u.name), ''), u.username, 'User ' || u.id)::text AS name,
       NULL::text AS building,
       NOT u.locked AS active
FROM public.users u
WHERE EXISTS (SELECT FROM public."EventType" e WHERE e."userId" = u.id);

COMMENT ON VIEW public.bridge_resources IS 'What can be booked, for outlook-booking-sync mappings match.';
