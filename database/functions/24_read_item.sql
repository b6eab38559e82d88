-- A row of the view that fails affects its own reservation only.

-- Whether an error concerns the rows that were read or written, and not the database, the installation or other transactions.
CREATE OR REPLACE FUNCTION bridge_concerns_rows(state text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $concerns$
  SELECT state !~ '^(08|25|28|40|53|55|57|58|BR)' AND state NOT IN ('0A000', '42501', '42P01', '42703', '42883')
$concerns$;

-- One reservation in one room, as bridge_work uses it: `unreadable`, with the reason, if its row fails; NULL if it has no row.
CREATE OR REPLACE FUNCTION bridge_read_item(kind text, id_ bigint, room integer, style jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $read$
BEGIN
  RETURN (SELECT jsonb_build_object('active', i.active, 'startsAt', i.starts_at, 'endsAt', i.ends_at, 'state',
      bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
        || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END)
    FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id = room LIMIT 1);
EXCEPTION WHEN OTHERS THEN
  IF NOT bridge_concerns_rows(SQLSTATE) THEN
    RAISE;
  END IF;
  RETURN jsonb_build_object('unreadable', format('%s (SQLSTATE %s)', SQLERRM, SQLSTATE));
END $read$;

-- The state of a reservation that has a row in another room, as `room` would show it; NULL if it stands in none, or its rows fail.
CREATE OR REPLACE FUNCTION bridge_read_elsewhere(kind text, id_ bigint, room integer) RETURNS jsonb LANGUAGE plpgsql STABLE AS $elsewhere$
DECLARE
  style constant jsonb := bridge_style(room);
BEGIN
  RETURN (SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
      || CASE WHEN style IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), style) END
    FROM bridge_items i WHERE i.reservation_type = kind AND i.reservation_id = id_ AND i.resource_id <> room AND bridge_stands(to_jsonb(i))
    ORDER BY i.resource_id LIMIT 1);
EXCEPTION WHEN OTHERS THEN
  IF NOT bridge_concerns_rows(SQLSTATE) THEN
    RAISE;
  END IF;
  RETURN NULL;
END $elsewhere$;

-- The reservations in a room whose rows fail, each as type/id.
CREATE OR REPLACE FUNCTION bridge_unreadable_in(room integer, style jsonb) RETURNS text[] LANGUAGE plpgsql STABLE AS $unreadable$
DECLARE
  one record;
  found_ text[] := '{}';
BEGIN
  FOR one IN SELECT DISTINCT i.reservation_type AS kind, i.reservation_id AS id FROM bridge_items i WHERE i.resource_id = room LOOP
    IF bridge_read_item(one.kind, one.id, room, style) ? 'unreadable' THEN
      found_ := found_ || concat(one.kind, '/', one.id);
    END IF;
  END LOOP;
  RETURN found_;
END $unreadable$;
