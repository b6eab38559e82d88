-- The daemons that share this database.

-- The heartbeat of one daemon. A peer without a heartbeat for `stale_ms` is frozen or half-open: it is deleted and its sessions are
-- terminated, which frees its leases; also those of a daemon that froze before its first heartbeat. Sessions are recognised by
-- application_name, because a process id may belong to another session by now. Returns how many other daemons are alive.
CREATE OR REPLACE FUNCTION bridge_beat(replica uuid, sessions integer[], stale_ms integer) RETURNS integer
LANGUAGE plpgsql AS $beat$
BEGIN
  INSERT INTO bridge_replicas AS b (id, pids) VALUES (replica, sessions)
  ON CONFLICT (id) DO UPDATE SET pids = excluded.pids, beat_at = clock_timestamp();
  DELETE FROM bridge_replicas WHERE id IN (
    SELECT b.id FROM bridge_replicas b
    WHERE b.id <> replica AND b.beat_at < clock_timestamp() - stale_ms * interval '1 millisecond'
    FOR UPDATE SKIP LOCKED);
  PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a
  WHERE a.datname = current_database() AND a.usename = current_user AND a.application_name ~ '^bridge [0-9a-f]{8}( |$)'
    AND a.backend_start < clock_timestamp() - stale_ms * interval '1 millisecond'
    AND NOT EXISTS (SELECT FROM bridge_replicas b WHERE left(b.id::text, 8) = substr(a.application_name, 8, 8));
  RETURN (SELECT count(*) FROM bridge_replicas b WHERE b.id <> replica);
END $beat$;
