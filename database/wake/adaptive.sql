-- WAKE=adaptive (the default): wakes the daemon at commit, unless one is busy and polls anyway: NOTIFY takes a lock that
-- all committing transactions of the cluster share, so a booking pays for it only when somebody sleeps.
CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $wake$
BEGIN
  IF pg_try_advisory_lock_shared(7230912, 1) THEN
    PERFORM pg_advisory_unlock_shared(7230912, 1);
    PERFORM pg_notify('bridge_changes', '');
  END IF;
END $wake$;
