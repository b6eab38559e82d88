-- Reads of reservations for reports and lists. One row of the view that fails is reported as unreadable, and the others are read.

-- The row of one reservation in one room without the columns that fail, of those that only texts and links are made from. It fails as a
-- whole if another column does: the item cannot be compared then. NULL: there is none.
CREATE OR REPLACE FUNCTION bridge_readable_columns(kind text, id_ bigint, room integer) RETURNS jsonb LANGUAGE plpgsql STABLE AS $columns$
DECLARE
  needed constant name[] := '{reservation_type,reservation_id,resource_id,priority_level,active,starts_at,ends_at,all_day,title,description,is_private,state}';
  others constant name[] := '{organizer_name,organizer_email,url,setup_minutes,teardown_minutes,reservation_key}';
  source constant text := 'FROM bridge_items v WHERE v.reservation_type = $1 AND v.reservation_id = $2 AND v.resource_id = $3 LIMIT 1';
  item jsonb;
  named name;
  value_ jsonb;
BEGIN
  EXECUTE format('SELECT to_jsonb(n) FROM (SELECT %s %s) n',
    (SELECT string_agg(format('v.%I', c), ', ') FROM unnest(needed) c WHERE bridge_view_has(ARRAY[c])), source) INTO item USING kind, id_, room;
  IF item IS NULL THEN
    RETURN NULL;
  END IF;
  FOREACH named IN ARRAY others LOOP
    CONTINUE WHEN NOT bridge_view_has(ARRAY[named]);
    BEGIN
      EXECUTE format('SELECT to_jsonb(v.%I) %s', named, source) INTO value_ USING kind, id_, room;
      item := item || jsonb_build_object(named, value_);
    EXCEPTION WHEN OTHERS THEN
      IF NOT bridge_concerns_rows(SQLSTATE) THEN
        RAISE;
      END IF;
    END;
  END LOOP;
  RETURN item;
END $columns$;

-- The items of one reservation in one room, or in all if `room` is NULL: an array of the view's rows, without columns as above. A row
-- that fails is an object with the ids and the reason under `unreadable`. NULL: there is none.
CREATE OR REPLACE FUNCTION bridge_items_of(kind text, id_ bigint, room integer) RETURNS jsonb LANGUAGE plpgsql STABLE AS $items$
DECLARE
  item jsonb;
BEGIN
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
  END;
  BEGIN
    IF room IS NULL THEN
      RETURN (SELECT jsonb_agg(bridge_items_of(kind, id_, r.resource) -> 0 ORDER BY r.resource) FROM (
        SELECT DISTINCT i.resource_id AS resource FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_) r
        WHERE r.resource IS NOT NULL);
    END IF;
    item := bridge_readable_columns(kind, id_, room);
    RETURN CASE WHEN item IS NOT NULL THEN jsonb_build_array(item) END;
  EXCEPTION WHEN OTHERS THEN
    IF NOT bridge_concerns_rows(SQLSTATE) THEN
      RAISE;
    END IF;
    RETURN jsonb_build_array(jsonb_build_object('reservation_type', kind, 'reservation_id', id_, 'resource_id', room,
      'unreadable', format('%s (SQLSTATE %s)', SQLERRM, SQLSTATE)));
  END;
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
