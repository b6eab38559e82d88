-- Functions for daemons of the previous version, which still run during an upgrade (database/README.md, "Changing a function"). Each
-- calls the function that replaces it. Functions of this version call none of them, except bridge_write_booking, which completes the
-- settlements of such daemons. A migration of a later version drops them.

CREATE OR REPLACE FUNCTION bridge_take(replica uuid, held integer[], rooms integer, most integer, past_days integer,
  future_days integer, fold_most integer, any_lane boolean, asked_only boolean) RETURNS jsonb LANGUAGE sql AS $take$
  SELECT bridge_lease(replica, held, rooms, most, past_days, future_days, fold_most, any_lane, asked_only, false)::jsonb
$take$;

CREATE OR REPLACE FUNCTION bridge_begin_pull(room_id integer, epoch bigint, poll_ms double precision, unheard_ms double precision, OUT rung timestamptz,
  OUT links text[], OUT from_at timestamptz, OUT attempt integer, OUT compare boolean) LANGUAGE sql AS $begin$
  SELECT * FROM bridge_begin_pull(room_id, epoch, poll_ms, unheard_ms, 1, 1)
$begin$;

-- The settlement of a write-back as this version builds it, with `merge`.
CREATE OR REPLACE FUNCTION bridge_with_merge(settled jsonb, what text) RETURNS jsonb LANGUAGE sql STABLE AS $with$
  SELECT CASE WHEN what = 'cancel' THEN settled || '{"bookingSeen": null}' ELSE settled || jsonb_build_object('merge', jsonb_build_object(
    'written', settled -> 'written', 'unagreed', coalesce(settled -> 'open', '[]') || coalesce(settled -> 'hidden', '[]'),
    'kept', coalesce(settled -> 'kept', '{}') - ARRAY(SELECT jsonb_array_elements_text(settled -> 'hidden')), 'partly', '{"dueInMs": 0}'::jsonb)
    || CASE WHEN what = 'change' THEN jsonb_build_object('lostReason', concat_ws('; ', settled ->> 'reason', 'not possible here: '))
         ELSE '{"joined": {"action": "joined"}, "revived": {"reason": "its event has returned"}}' END) END
$with$;

CREATE OR REPLACE FUNCTION bridge_write_back(room_id integer, epoch bigint, what text, item jsonb, expected jsonb, settled jsonb) RETURNS jsonb
LANGUAGE sql AS $back$
  SELECT bridge_settle(room_id, epoch, w.settlements) || w.answer
  FROM bridge_write_booking(room_id, epoch, what, item, expected, bridge_with_merge(settled, what)) w
$back$;

CREATE OR REPLACE FUNCTION bridge_write_together(room_id integer, epoch bigint, items jsonb, expected jsonb, settled jsonb) RETURNS jsonb
LANGUAGE sql AS $together$
  SELECT (SELECT jsonb_object_agg(a.key, w.written || a.value) FROM jsonb_each(w.answers) a)
  FROM (SELECT bridge_settle(room_id, epoch, x.settlements) AS written, x.answers
        FROM bridge_write_exchange(room_id, epoch, items, expected,
          (SELECT jsonb_agg(bridge_with_merge(s.t, 'change') ORDER BY s.n) FROM jsonb_array_elements(settled) WITH ORDINALITY s (t, n))) x OFFSET 0) w
$together$;

CREATE OR REPLACE FUNCTION bridge_baselined(room_id integer, epoch bigint, adoptions jsonb, noticed timestamptz, known jsonb, born jsonb,
  links text[], from_at timestamptz, to_at timestamptz, poll_ms double precision) RETURNS integer LANGUAGE sql AS $baselined$
  SELECT bridge_baselined(room_id, epoch, adoptions, noticed, known, born, links, from_at, to_at, poll_ms,
    (SELECT s.scan_requested_at FROM bridge_room_state s WHERE s.resource_mapping_id = room_id))::integer
$baselined$;

-- All is stored before the answer.
CREATE OR REPLACE FUNCTION bridge_lease_early(replica uuid, held integer[], rooms integer, most integer, past_days integer,
  future_days integer, fold_most integer, any_lane boolean, asked_only boolean, changed_first boolean,
  OUT answer json, OUT mapping bridge_mappings, OUT places tid[], OUT room_id integer) LANGUAGE sql AS $early$
  SELECT bridge_lease(replica, held, rooms, most, past_days, future_days, fold_most, any_lane, asked_only, changed_first),
    NULL::bridge_mappings, NULL::tid[], NULL::integer
$early$;
CREATE OR REPLACE FUNCTION bridge_record_lease(replica uuid, mapping bridge_mappings, places tid[], leased integer) RETURNS json LANGUAGE sql AS $record$
  SELECT NULL::json
$record$;

-- It names no rooms of states, so a locked mapping is skipped. A locked room is waited for: such a daemon repeats the call after this error.
CREATE OR REPLACE FUNCTION bridge_doubt_rooms(room_ids integer[], replica uuid, sent jsonb) RETURNS void LANGUAGE plpgsql AS $doubt$
BEGIN
  IF cardinality(bridge_store_doubt(room_ids, replica, sent)) > 0 THEN
    RAISE EXCEPTION 'another transaction has locked one of the rooms' USING ERRCODE = 'lock_not_available';
  END IF;
END $doubt$;
