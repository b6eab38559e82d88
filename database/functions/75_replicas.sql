-- The daemons that share this database.

-- The heartbeat of one daemon. A peer that has not beaten for `stale_ms` is frozen or half-open: it is forgotten, and
-- its sessions are ended, so that its leases are free. So are those of a daemon that froze before its first heartbeat.
-- Sessions are known by the name they carry: a process id may have been given to another session since. Returns how
-- many other daemons are alive.
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
