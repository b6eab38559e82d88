-- WAKE=adaptive (the default): wakes the daemon at commit, unless one is busy and polls anyway, or none is there: NOTIFY takes
-- a lock that all committing transactions of the cluster share, so a booking pays for it only when somebody sleeps. The
-- lock (7230912, 1) is held by a daemon that polls, (7230912, 6) is shared by all that are there.
CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql AS $wake$
BEGIN
  -- every trigger calls this with the search_path of its session, and to set one costs more than the locks do
  IF pg_catalog.pg_try_advisory_lock_shared(7230912, 1) AND pg_catalog.pg_advisory_unlock_shared(7230912, 1)
    AND NOT (pg_catalog.pg_try_advisory_lock(7230912, 6) AND pg_catalog.pg_advisory_unlock(7230912, 6))
  THEN
    PERFORM pg_catalog.pg_notify('bridge_changes', '');
  END IF;
END $wake$;
