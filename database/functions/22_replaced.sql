-- A booking system that cancels a reservation and makes another one when a booking moves says so by `replaces` in its view
-- (sql/README.md): type/id or type/key of the former reservation.

-- An older version has both of these with fewer arguments.
DO $drop$
BEGIN
  IF to_regprocedure('bridge_hand_over(integer)') IS NOT NULL THEN
    DROP FUNCTION bridge_hand_over(integer), bridge_gather(integer, integer, integer);
  END IF;
END $drop$;

-- The mappings whose reservation was replaced, with their revision and the reservation that takes over: of the changes in the
-- outbox (`one_change`: of one of them), or of everything in `room` but the reservations in `unreadable` (as type/id).
CREATE OR REPLACE FUNCTION bridge_replaced(room integer, one_change tid, unreadable text[]) RETURNS jsonb LANGUAGE plpgsql STABLE AS $replaced$
BEGIN
  RETURN (
    WITH changed AS MATERIALIZED (
      SELECT DISTINCT c.reservation_type AS kind, coalesce(c.reservation_id, bridge_named(c.reservation_type, c.reservation_key)) AS id
      FROM (SELECT * FROM bridge_changes WHERE room IS NULL AND (one_change IS NULL OR ctid = one_change) LIMIT 5000) c
    ), replacing AS MATERIALIZED (
      SELECT item ->> 'reservation_type' AS kind, (item ->> 'reservation_id')::bigint AS id, (item ->> 'resource_id')::integer AS resource,
        split_part(item ->> 'replaces', '/', 1) AS former_kind,
        bridge_named(split_part(item ->> 'replaces', '/', 1), substr(item ->> 'replaces', position('/' IN item ->> 'replaces') + 1)) AS former_id
      FROM (
        SELECT i.item FROM changed c CROSS JOIN LATERAL (
          SELECT to_jsonb(v) AS item FROM bridge_items v WHERE v.reservation_type = c.kind AND v.reservation_id = c.id OFFSET 0) i
        UNION ALL
        SELECT i.item FROM (
          SELECT to_jsonb(v) AS item FROM bridge_items v
          WHERE room IS NOT NULL AND v.resource_id = room AND v.reservation_id IS NOT NULL
            AND NOT concat(v.reservation_type, '/', v.reservation_id) = ANY (unreadable) OFFSET 0) i) present
      WHERE bridge_stands(item) AND item ->> 'replaces' LIKE '%/%'
    )
    SELECT jsonb_agg(jsonb_build_object('id', m.id, 'revision', m.revision, 'kind', r.kind, 'reservation', r.id))
    FROM replacing r JOIN bridge_mappings m
      ON m.reservation_type = r.former_kind AND m.reservation_id = r.former_id AND m.resource_id = r.resource AND m.sync_status <> 'cancelled'
    WHERE NOT concat(r.former_kind, '/', r.former_id) = ANY (unreadable)
      -- a former reservation that still exists keeps its event
      AND NOT EXISTS (SELECT FROM bridge_items o WHERE o.reservation_type = r.former_kind AND o.reservation_id = r.former_id
                      AND o.resource_id = r.resource AND bridge_stands(to_jsonb(o)) OFFSET 0)
      AND NOT EXISTS (SELECT FROM bridge_mappings o WHERE o.reservation_type = r.kind AND o.reservation_id = r.id AND o.resource_id = r.resource));
END $replaced$;

-- Gives the mappings of replaced reservations, and so their events, to the reservations that replace them, before the fold or the
-- comparison takes the former for cancelled and the latter for new. `room` NULL: within a fold, see bridge_gather; else for everything
-- in that room, before it is compared, in a statement of its own, so that the lock of settlements ends with it. The search is made
-- without that lock.
CREATE OR REPLACE FUNCTION bridge_hand_over(room integer, one_change tid) RETURNS void LANGUAGE plpgsql AS $hand$
DECLARE
  replaced jsonb;
BEGIN
  IF NOT bridge_view_has('{replaces}') THEN
    RETURN;
  END IF;
  IF room IS NULL THEN
    -- a statement of its own: the search has to see the numbers
    PERFORM bridge_key_id(c.reservation_type, c.reservation_key)
    FROM (SELECT * FROM bridge_changes WHERE reservation_key IS NOT NULL AND (one_change IS NULL OR ctid = one_change) LIMIT 5000) c;
    replaced := bridge_replaced(NULL, one_change, '{}');
  ELSE
    BEGIN
      replaced := bridge_replaced(room, NULL, '{}');
    EXCEPTION WHEN OTHERS THEN
      IF NOT bridge_concerns_rows(SQLSTATE) THEN
        RAISE;
      END IF;
      -- with an appearance, every column of a row is read
      replaced := bridge_replaced(room, NULL, bridge_unreadable_in(room, '{}'));
    END;
    IF replaced IS NOT NULL THEN
      PERFORM bridge_lock_for_settlement();
    END IF;
  END IF;
  IF replaced IS NULL THEN
    RETURN;
  END IF;
  WITH moved AS (
    UPDATE bridge_mappings m
    SET reservation_type = r.kind, reservation_id = r.reservation, revision = m.revision + 1, due_at = now(), lane = 0, attempt = 0,
        -- only events of ours carry properties
        renames = m.is_organizer AND m.sync_direction = 'booking_to_outlook' AND m.outlook_event_id IS NOT NULL, updated_at = now()
    FROM jsonb_to_recordset(replaced) AS r (id bigint, revision bigint, kind text, reservation bigint), bridge_mappings former
    WHERE m.id = r.id AND m.revision = r.revision AND former.id = m.id
      AND NOT EXISTS (SELECT FROM bridge_mappings o WHERE o.reservation_type = r.kind AND o.reservation_id = r.reservation AND o.resource_id = m.resource_id)
    RETURNING m.reservation_type, m.reservation_id, former.reservation_type AS former_type, former.reservation_id AS former_id
  )
  UPDATE bridge_meetings t SET reservation_type = n.reservation_type, reservation_id = n.reservation_id
  FROM moved n WHERE t.reservation_type = n.former_type AND t.reservation_id = n.former_id;
END $hand$;
