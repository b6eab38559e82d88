-- Takes everything of ours out of the booking system and leaves its data alone. Run it as a superuser,
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

DROP FUNCTION IF EXISTS public.bridge_event_changed(), public.bridge_event_date_changed(),
  public.bridge_event_resource_changed(), public.bridge_booking_changed(), public.bridge_booking_resource_changed(),
  public.bridge_allocation_changed(), public.bridge_allocation_resource_changed(), public.bridge_group_changed(),
  public.bridge_organization_changed();
DROP FUNCTION IF EXISTS public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_reenable_item(text, bigint, text),
  public.bridge_change_rooms(text, bigint, jsonb),
  public.bridge_refuse_overlap(text, bigint), public.bridge_refuse_several_dates(bigint),
  public.bridge_import_place(integer), public.bridge_local_time(text);
DROP VIEW IF EXISTS public.bridge_items, public.bridge_resources, public.bridge_remarks;
DROP INDEX IF EXISTS public.bridge_bb_event_resource_resource_id, public.bridge_bb_booking_resource_resource_id,
  public.bridge_bb_allocation_resource_resource_id;
RESET lock_timeout;
