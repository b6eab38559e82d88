-- Takes everything of ours out of Indico and leaves its data alone. Run it as a superuser,
-- or as the owner of the booking tables once it is a member of the bridge's role (GRANT bridge TO owner): only an owner
-- may drop a trigger, a function or a view. The daemon is stopped. Our own tables (bridge_mappings and the rest) stay.
-- Each table has a transaction of its own; if one is in use for longer than lock_timeout, run the file again.
SET lock_timeout = '5s';
DO $triggers$
DECLARE
  t record;
BEGIN
  -- a trigger function, and with it its triggers on one table and its partitions
  FOR t IN
    SELECT p.oid::regprocedure AS function, array_agg(format('DROP TRIGGER %I ON %s;', tg.tgname, tg.tgrelid::regclass)) AS drops
    FROM pg_trigger tg JOIN pg_proc p ON p.oid = tg.tgfoid JOIN pg_class c ON c.oid = tg.tgrelid
    WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\_%'
      AND NOT (c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'bridge\_%') AND tg.tgparentid = 0
    GROUP BY p.oid
  LOOP
    EXECUTE array_to_string(t.drops, ' ');
    EXECUTE format('DROP FUNCTION %s', t.function);
    COMMIT;
  END LOOP;
END $triggers$;

DROP FUNCTION IF EXISTS public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_reenable_item(text, bigint, text), public.bridge_only_room(jsonb),
  public.bridge_wall_times(timestamptz, timestamptz), public.bridge_refuse_taken(integer, timestamp, timestamp, integer),
  public.bridge_lock_date(text, bigint), public.bridge_log_edit(integer, text);
DROP VIEW IF EXISTS public.bridge_items, public.bridge_resources, public.bridge_remarks;
DROP INDEX IF EXISTS roombooking.bridge_occurrence_id;
RESET lock_timeout;
