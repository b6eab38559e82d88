-- WAKE=adaptive (the default): wakes the daemons at commit, unless a daemon is busy and polls anyway, or none is connected. NOTIFY takes
-- a lock that all committing transactions of the cluster share, so a booking pays for it only when a daemon has to be woken. A daemon
-- that polls holds the lock (7230912, 1); all connected daemons share (7230912, 6).
CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql AS $wake$
BEGIN
  -- every trigger calls this with the search_path of its session; setting a search_path costs more than the locks
  IF pg_catalog.pg_try_advisory_lock_shared(7230912, 1) AND pg_catalog.pg_advisory_unlock_shared(7230912, 1)
    AND NOT (pg_catalog.pg_try_advisory_lock(7230912, 6) AND pg_catalog.pg_advisory_unlock(7230912, 6))
  THEN
    PERFORM pg_catalog.pg_notify('bridge_changes', '');
  END IF;
END $wake$;
