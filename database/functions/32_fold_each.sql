-- Changes that cannot be folded together with the others: their row of the view fails, or another session's open transaction has
-- locked a row of the bridge.

-- The sessions, other than the daemons', that may have locked rows of the bridge, for messages.
CREATE OR REPLACE FUNCTION bridge_lock_holders() RETURNS text LANGUAGE sql STABLE AS $holders$
  SELECT string_agg(DISTINCT format('%s (%s, pid %s)', coalesce(nullif(a.application_name, ''), 'a session without a name'), a.usename, a.pid), ', ')
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.relation IN ('bridge_mappings'::regclass, 'bridge_room_state'::regclass, 'bridge_resource_mappings'::regclass)
    AND a.application_name !~ '^bridge '
$holders$;

-- Folds one change by itself, whatever else is in the outbox, and makes its rooms due. False: it fails, and is kept in
-- bridge_unfolded with the reason. An error that concerns more than this change is thrown. The caller has the fold's lock and a
-- short lock_timeout.
CREATE OR REPLACE FUNCTION bridge_fold_alone(kind text, id_ bigint, key text, since timestamptz, past_days integer, future_days integer)
RETURNS boolean LANGUAGE plpgsql AS $alone$
DECLARE
  place tid;
  state text;
  message text;
  tries integer;
BEGIN
  BEGIN
    INSERT INTO bridge_changes (reservation_type, reservation_id, reservation_key, changed_at) VALUES (kind, id_, key, since)
    RETURNING ctid INTO place;
    PERFORM bridge_ring_rooms(g.rooms) FROM bridge_gather(past_days, future_days, 1, place) g;
    DELETE FROM bridge_unfolded u
    WHERE (u.reservation_type, u.reservation_id, u.reservation_key) IS NOT DISTINCT FROM (kind, id_, key);
    RETURN true;
  EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE NOT IN ('55P03', '40P01') AND NOT bridge_concerns_rows(SQLSTATE) THEN
      RAISE;
    END IF;
    state := SQLSTATE;
    message := CASE WHEN SQLSTATE IN ('55P03', '40P01')
      THEN concat('rows of the bridge are locked by ', coalesce(bridge_lock_holders(), 'another transaction'))
      ELSE format('%s (SQLSTATE %s)', SQLERRM, SQLSTATE) END;
  END;
  INSERT INTO bridge_unfolded AS u (reservation_type, reservation_id, reservation_key, changed_at, code, error_message, retry_at)
  VALUES (kind, id_, key, since, state, message, clock_timestamp() + interval '1 second')
  ON CONFLICT (coalesce(reservation_type, ''), coalesce(reservation_id, 0), coalesce(reservation_key, '')) DO UPDATE
  SET code = excluded.code, error_message = excluded.error_message, attempt = u.attempt + 1,
    -- an open transaction ends sooner than a row of the booking system is mended
    retry_at = clock_timestamp() + least(interval '1 second' * 2 ^ least(u.attempt, 9),
      CASE WHEN excluded.code IN ('55P03', '40P01') THEN interval '4 seconds' ELSE interval '5 minutes' END)
  RETURNING u.attempt INTO tries;
  IF tries = 1 AND state NOT IN ('55P03', '40P01') THEN
    -- its mappings are read one by one, and parked with the reason
    BEGIN
      UPDATE bridge_mappings m SET due_at = now(), lane = 0, attempt = 0, revision = m.revision + 1, updated_at = now(),
        sync_status = CASE WHEN m.sync_status IN ('synced', 'error') THEN 'pending' ELSE m.sync_status END
      WHERE m.reservation_type = kind AND m.reservation_id = coalesce(id_, bridge_named(kind, key));
      PERFORM bridge_ring_rooms(ARRAY(
        SELECT r.id FROM bridge_mappings m JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
        WHERE m.reservation_type = kind AND m.reservation_id = coalesce(id_, bridge_named(kind, key))));
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      NULL; -- a comparison of the room finds it
    END;
  END IF;
  RETURN false;
END $alone$;

-- Folds the outbox, at most `most` of its rows, and the due rows of bridge_unfolded, change by change. It stops after a quarter of a
-- second, because all settlements wait for it; the rest stays in the outbox. Returns how many changes could not be folded.
CREATE OR REPLACE FUNCTION bridge_fold_each(past_days integer, future_days integer, most integer) RETURNS integer LANGUAGE plpgsql
SET lock_timeout = '2s' AS $each$
DECLARE
  ends_at timestamptz;
  waiting jsonb;
  one record;
  failed integer := 0;
BEGIN
  PERFORM bridge_lock_for_fold();
  ends_at := clock_timestamp() + interval '250 milliseconds';
  -- for the rest of this function: only a person's transaction keeps such a lock for longer
  PERFORM set_config('lock_timeout', '10ms', true);
  WITH gone AS (
    DELETE FROM bridge_changes WHERE ctid = ANY (ARRAY(SELECT ctid FROM bridge_changes LIMIT most FOR UPDATE SKIP LOCKED))
    RETURNING reservation_type, reservation_id, reservation_key, changed_at
  )
  SELECT jsonb_agg(jsonb_build_object('kind', g.reservation_type, 'id', g.reservation_id, 'key', g.reservation_key, 'since', g.since))
  INTO waiting
  FROM (SELECT reservation_type, reservation_id, reservation_key, min(changed_at) AS since FROM gone GROUP BY 1, 2, 3) g;
  FOR one IN
    SELECT w.kind, w.id, w.key, min(w.since) AS since, EXISTS (
        SELECT FROM bridge_unfolded u
        WHERE (u.reservation_type, u.reservation_id, u.reservation_key) IS NOT DISTINCT FROM (w.kind, w.id, w.key)) AS is_known
    FROM (SELECT * FROM jsonb_to_recordset(waiting) AS j (kind text, id bigint, key text, since timestamptz)
          UNION ALL SELECT d.reservation_type, d.reservation_id, d.reservation_key, d.changed_at FROM bridge_unfolded d
          WHERE d.retry_at <= clock_timestamp()) w
    GROUP BY w.kind, w.id, w.key ORDER BY is_known, since
  LOOP
    IF clock_timestamp() > ends_at THEN
      INSERT INTO bridge_changes (reservation_type, reservation_id, reservation_key, changed_at)
      SELECT one.kind, one.id, one.key, one.since WHERE NOT one.is_known;
      -- one that failed before and changed again may have been corrected: it is tried soon
      UPDATE bridge_unfolded u SET retry_at = clock_timestamp()
      WHERE one.is_known AND (u.reservation_type, u.reservation_id, u.reservation_key) IS NOT DISTINCT FROM (one.kind, one.id, one.key);
    ELSIF NOT bridge_fold_alone(one.kind, one.id, one.key, one.since, past_days, future_days) THEN
      failed := failed + 1;
    END IF;
  END LOOP;
  RETURN failed;
END $each$;
