-- Takes everything of ours out of the MRBS and leaves its data alone. Run it as a superuser,
-- or as the owner of the booking tables once it is a member of the bridge's role (GRANT bridge TO owner): only an owner
-- may drop a trigger, a function or a view. The daemon is stopped. Our own tables (bridge_mappings and the rest) stay.
-- Each table has a transaction of its own; if one is in use for longer than lock_timeout, run the file again.
SET lock_timeout = '5s';
DO $triggers$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT tg.tgname, tg.tgrelid::regclass AS on_table FROM pg_trigger tg
    JOIN pg_proc p ON p.oid = tg.tgfoid JOIN pg_class c ON c.oid = tg.tgrelid
    WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\_%' AND c.relname NOT LIKE 'bridge\_%'
      AND tg.tgparentid = 0
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.on_table);
    COMMIT;
  END LOOP;
END $triggers$;

DROP FUNCTION IF EXISTS public.bridge_entry_changed(), public.bridge_room_changed(), public.bridge_area_changed();
DROP FUNCTION IF EXISTS public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_only_room(jsonb);
DROP VIEW IF EXISTS public.bridge_items, public.bridge_resources;
RESET lock_timeout;
