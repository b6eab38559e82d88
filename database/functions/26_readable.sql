-- Reads of reservations for reports and lists. One row of the view that fails is reported as unreadable, and the others are read.

-- The items of one reservation in one room, or in all if `room` is NULL: an array of the view's rows. If a row fails: a single
-- object with the ids and the reason under `unreadable`. NULL: there is none.
CREATE OR REPLACE FUNCTION bridge_items_of(kind text, id_ bigint, room integer) RETURNS jsonb LANGUAGE plpgsql STABLE AS $items$
BEGIN
  IF room IS NULL THEN
    RETURN (SELECT jsonb_agg(to_jsonb(i)) FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_);
  END IF;
  RETURN (SELECT jsonb_agg(to_jsonb(i)) FROM (
    SELECT * FROM bridge_items v WHERE v.reservation_type = kind AND v.reservation_id = id_ AND v.resource_id = room LIMIT 1) i);
EXCEPTION WHEN OTHERS THEN
  IF NOT bridge_concerns_rows(SQLSTATE) THEN
    RAISE;
  END IF;
  RETURN jsonb_build_array(jsonb_build_object('reservation_type', kind, 'reservation_id', id_, 'resource_id', room,
    'unreadable', format('%s (SQLSTATE %s)', SQLERRM, SQLSTATE)));
END $items$;

-- The active items in one room that overlap [opens, closes), as above. Unreadable ones are listed if their mapping overlaps it, or
-- if they have none.
CREATE OR REPLACE FUNCTION bridge_items_in(room integer, opens timestamptz, closes timestamptz) RETURNS jsonb LANGUAGE plpgsql STABLE AS $items$
BEGIN
  RETURN (SELECT jsonb_agg(to_jsonb(i)) FROM bridge_items i WHERE i.resource_id = room AND i.active
    AND i.starts_at < closes AND greatest(i.ends_at, i.starts_at + interval '1 second') > opens);
EXCEPTION WHEN OTHERS THEN
  IF NOT bridge_concerns_rows(SQLSTATE) THEN
    RAISE;
  END IF;
  RETURN (
    SELECT jsonb_agg(one.item)
    FROM (SELECT DISTINCT v.reservation_type AS kind, v.reservation_id AS id FROM bridge_items v WHERE v.resource_id = room) r
    CROSS JOIN LATERAL (SELECT bridge_items_of(r.kind, r.id, room) -> 0 AS item) one
    LEFT JOIN bridge_mappings m ON m.reservation_type = r.kind AND m.reservation_id = r.id AND m.resource_id = room
    WHERE CASE WHEN one.item ? 'unreadable' THEN m.id IS NULL OR m.starts_at < closes AND m.ends_at > opens
      ELSE (one.item ->> 'active')::boolean AND (one.item ->> 'starts_at')::timestamptz < closes
        AND greatest((one.item ->> 'ends_at')::timestamptz, (one.item ->> 'starts_at')::timestamptz + interval '1 second') > opens END);
END $items$;
