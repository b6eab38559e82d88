-- The brake: the count of removals.

-- The action that removed a mapping's event: one for a series that is gone as a whole and for the dates that a new pattern no longer
-- has, and one for each other event.
CREATE OR REPLACE FUNCTION bridge_deed(m bridge_mappings) RETURNS text LANGUAGE sql STABLE AS $deed$
  SELECT CASE
    WHEN m.series_master_id IS NULL THEN m.id::text
    WHEN m.off_pattern OR NOT EXISTS (
      SELECT FROM bridge_mappings o
      WHERE o.series_master_id = m.series_master_id AND o.outlook_item_id = m.outlook_item_id AND o.present AND o.ends_at > now()
        AND o.sync_status <> 'cancelled' AND o.outlook_news IS DISTINCT FROM 'gone')
    THEN 'series ' || m.series_master_id
    ELSE m.id::text END
$deed$;

-- Whether nothing happens to a mapping until a person decides its conflict, or the next comparison tries again. A removal that the
-- brake holds is of the kind 'gone' or, in Outlook, of none.
CREATE OR REPLACE FUNCTION bridge_waits_as_conflict(m bridge_mappings) RETURNS boolean LANGUAGE sql STABLE AS $waits$
  SELECT m.sync_status = 'conflict' AND m.due_at IS NULL AND coalesce(m.conflict ->> 'kind', 'gone') <> 'gone'
$waits$;

-- The removals that are wanted because the other side is gone: events whose reservation has no rows any more, and reservations whose
-- event was verified to be gone. All are stored, in every room, and counted with those of the last hour, for the room and over all
-- rooms. `room_now` and `room_here` concern this round: how many it would remove, and of how many. Actions are counted (bridge_deed);
-- a meeting that was cancelled by its organiser or declined does not count, because that was on purpose.
CREATE OR REPLACE FUNCTION bridge_count_removals(room integer, OUT room_removing integer, OUT room_synced integer,
  OUT all_removing integer, OUT all_synced integer, OUT room_now integer, OUT room_here integer)
LANGUAGE plpgsql AS $removals$
DECLARE
  wide boolean;
  rows_now integer;
BEGIN
  -- while changes are not folded or rooms not compared, further removals may be unknown: all mappings are checked then, else due ones
  wide := EXISTS (SELECT FROM bridge_changes)
    OR EXISTS (SELECT FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
               WHERE r.active = 1 AND s.reconciled_at IS NULL);
  WITH wanted AS MATERIALIZED (
    SELECT m.id, m.resource_id, g.side FROM (
      -- a reservation in another room was moved on purpose; a mapping that is gone on both sides needs no removal
      SELECT n.id, 'outlook' AS side FROM bridge_mappings n
      WHERE (wide OR n.due_at IS NOT NULL AND NOT n.present) AND n.ends_at > now() AND n.outlook_news IS DISTINCT FROM 'gone'
        AND NOT EXISTS (SELECT FROM bridge_items i WHERE i.reservation_type = n.reservation_type
                        AND i.reservation_id = n.reservation_id)
      UNION ALL
      SELECT n.id, 'booking' FROM bridge_mappings n
      WHERE n.outlook_news = 'gone' AND n.present AND n.ends_at > now()
        AND EXISTS (SELECT FROM bridge_items i WHERE i.reservation_type = n.reservation_type
                    AND i.reservation_id = n.reservation_id)) g
    JOIN bridge_mappings m USING (id)
    JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
      AND r.sync_direction <> CASE g.side WHEN 'outlook' THEN 'outlook_to_booking' ELSE 'booking_to_outlook' END
    WHERE m.outlook_event_id IS NOT NULL AND m.reservation_id IS NOT NULL AND m.sync_status NOT IN ('cancelled', 'imported')
  ), renewed AS (
    -- a row that another transaction has locked would delay the removals of all rooms
    UPDATE bridge_removals d SET wanted_at = now(), applied_at = NULL, released_at = NULL, side = r.side, deed = NULL
    FROM (SELECT o.mapping_id, w.side FROM bridge_removals o JOIN wanted w ON w.id = o.mapping_id
      WHERE o.applied_at IS NOT NULL AND o.wanted_at < now() - interval '1 hour' OR o.side <> w.side
      FOR UPDATE OF o SKIP LOCKED) r
    WHERE r.mapping_id = d.mapping_id)
  INSERT INTO bridge_removals (mapping_id, resource_id, side) SELECT w.id, w.resource_id, w.side FROM wanted w
  ON CONFLICT (mapping_id) DO NOTHING;
  -- while it waits, more of the same series may be found gone; an applied removal keeps its action
  UPDATE bridge_removals d SET deed = w.deed FROM (
    SELECT o.mapping_id, bridge_deed(m) AS deed FROM bridge_removals o JOIN bridge_mappings m ON m.id = o.mapping_id
    WHERE o.side = 'booking' AND o.applied_at IS NULL AND o.deed IS DISTINCT FROM bridge_deed(m)
    FOR UPDATE OF o SKIP LOCKED) w
  WHERE w.mapping_id = d.mapping_id;
  -- those applied within the hour, and all that wait; none that waits as a conflict for a person, or that was refused: nothing was removed
  SELECT count(DISTINCT c.deed) FILTER (WHERE c.resource_id = room), count(DISTINCT (c.resource_id, c.deed)),
    count(DISTINCT c.deed) FILTER (WHERE c.resource_id = room AND c.waits), count(*) FILTER (WHERE c.resource_id = room AND c.waits)
  INTO room_removing, all_removing, room_now, rows_now
  FROM (SELECT d.resource_id, d.applied_at IS NULL AS waits, coalesce(d.deed, d.mapping_id::text) AS deed
        FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
        WHERE NOT bridge_waits_as_conflict(m) AND CASE WHEN d.applied_at IS NULL THEN d.released_at IS NULL ELSE d.applied_at > now() - interval '1 hour' END) c;
  SELECT count(*) FILTER (WHERE resource_id = room), count(*) INTO room_synced, all_synced
  FROM bridge_mappings WHERE outlook_event_id IS NOT NULL AND reservation_id IS NOT NULL AND sync_status <> 'cancelled' AND ends_at > now();
  room_here := room_synced - rows_now + room_now;
  SELECT room_synced + count(*) FILTER (WHERE d.resource_id = room), all_synced + count(*) INTO room_synced, all_synced
  FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
  WHERE d.applied_at > now() - interval '1 hour' AND NOT bridge_waits_as_conflict(m);
END $removals$;
