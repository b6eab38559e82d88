-- Tells the bridge which entries changed. Why it is written like this stands in sql/portico/30_triggers.sql.
CREATE OR REPLACE FUNCTION public.bridge_entry_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'entry', id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'entry', id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT 'entry', id FROM old_rows o FULL JOIN new_rows n USING (id)
    WHERE (o.id, o.room_id, o.start_time, o.end_time, o.name, o.description, o.create_by, o.status)
      IS DISTINCT FROM
          (n.id, n.room_id, n.start_time, n.end_time, n.name, n.description, n.create_by, n.status);
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('entry', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- mrbs_room: a room moved to an area that works with periods takes its entries out of the view, and back.
CREATE OR REPLACE FUNCTION public.bridge_room_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  INSERT INTO public.bridge_changes (reservation_type, reservation_id)
  SELECT DISTINCT 'entry', NULL::bigint FROM old_rows o FULL JOIN new_rows n USING (id)
  WHERE (o.id, o.area_id) IS DISTINCT FROM (n.id, n.area_id);
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- mrbs_area: the same for an area that starts or stops to work with periods.
CREATE OR REPLACE FUNCTION public.bridge_area_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  INSERT INTO public.bridge_changes (reservation_type, reservation_id)
  SELECT DISTINCT 'entry', NULL::bigint FROM old_rows o FULL JOIN new_rows n USING (id)
  WHERE (o.id, o.enable_periods) IS DISTINCT FROM (n.id, n.enable_periods);
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

REVOKE EXECUTE ON FUNCTION public.bridge_entry_changed(), public.bridge_room_changed(), public.bridge_area_changed()
  FROM PUBLIC;

SET lock_timeout = '500ms';
SELECT public.bridge_watch('public.mrbs_entry', 'public.bridge_entry_changed');
SELECT public.bridge_watch('public.mrbs_room', 'public.bridge_room_changed', '{UPDATE}');
SELECT public.bridge_watch('public.mrbs_area', 'public.bridge_area_changed', '{UPDATE}');
RESET lock_timeout;
