-- WAKE=adaptive (the default), as in migrations/0001_bridge.sql.
CREATE OR REPLACE FUNCTION public.bridge_wake() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $wake$
BEGIN
  IF pg_try_advisory_lock_shared(7230912, 1) THEN
    PERFORM pg_advisory_unlock_shared(7230912, 1);
    PERFORM pg_notify('bridge_changes', '');
  END IF;
END $wake$;
