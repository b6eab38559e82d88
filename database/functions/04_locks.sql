-- Advisory locks by name. src/locks.ts has the same numbers with the purpose of each. The only other place with numbers is the
-- template of the triggers (12_watch.sql), where a call would cost too much.

-- One room is worked on by one daemon. (7230911, room)
CREATE OR REPLACE FUNCTION bridge_try_lock_room(room_id integer) RETURNS boolean LANGUAGE sql AS $lock$
  SELECT pg_try_advisory_lock(7230911, room_id)
$lock$;
CREATE OR REPLACE FUNCTION bridge_unlock_room(room_id integer) RETURNS boolean LANGUAGE sql AS $lock$
  SELECT pg_advisory_unlock(7230911, room_id)
$lock$;
-- An error rolls back the writes of a statement but not its session locks: frees those of this session that are not `held`.
CREATE OR REPLACE FUNCTION bridge_unlock_other_rooms(held integer[]) RETURNS void LANGUAGE sql AS $unlock$
  SELECT pg_advisory_unlock(7230911, l.objid::integer) FROM pg_locks l
  WHERE l.locktype = 'advisory' AND l.classid = 7230911 AND l.objsubid = 2 AND l.pid = pg_backend_pid()
    AND NOT l.objid::integer = ANY (held)
$unlock$;

-- A fold and a settlement take the same rows in another order, so they exclude each other; settlements of several rooms do not.
-- (7230912, 2)
CREATE OR REPLACE FUNCTION bridge_lock_for_fold() RETURNS void LANGUAGE plpgsql AS $lock$
BEGIN
  PERFORM pg_advisory_xact_lock(7230912, 2) WHERE NOT bridge_is_plan();
END $lock$;
-- The same, not in a plan, as an expression that is true.
CREATE OR REPLACE FUNCTION bridge_locked_for_fold() RETURNS boolean LANGUAGE sql AS $locked$
  SELECT pg_advisory_xact_lock(7230912, 2) IS NOT NULL
$locked$;
CREATE OR REPLACE FUNCTION bridge_lock_for_settlement() RETURNS void LANGUAGE plpgsql AS $lock$
BEGIN
  -- no later statement waits long for a row: a person's open transaction would block the fold, and with it all rooms
  PERFORM pg_advisory_xact_lock_shared(7230912, 2), set_config('lock_timeout', '250ms', true) WHERE NOT bridge_is_plan();
END $lock$;

-- A reservation or a meeting of several rooms is written for one room at a time. (7230914, as the seed of a digest)
CREATE OR REPLACE FUNCTION bridge_lock_reservation(kind text, id_ bigint) RETURNS void LANGUAGE sql AS $lock$
  SELECT pg_advisory_xact_lock(hashtextextended('reservation ' || kind || '/' || id_, 7230914))
$lock$;
CREATE OR REPLACE FUNCTION bridge_lock_meeting(ical_uid text, original_start timestamptz) RETURNS void LANGUAGE sql AS $lock$
  SELECT pg_advisory_xact_lock(hashtextextended('meeting ' || ical_uid || original_start::text, 7230914))
$lock$;
