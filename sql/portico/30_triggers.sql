-- Tells the bridge which reservations changed, in the booking's own transaction: one row in bridge_changes for each,
-- nothing when it rolls back. A booking write never fails, waits or slows noticeably because of this:
--   * one trigger call per statement, however many rows it wrote, and nothing is written when no column changed that
--     the view bridge_items reads;
--   * rows are only added to bridge_changes, so there is no row two bookings could wait for; a table lock (somebody
--     rebuilds bridge_changes) is waited for 100 ms and no longer;
--   * whatever goes wrong is a WARNING, and a number drawn from bridge_missed_seq makes the bridge compare everything.
-- The functions run with the rights of their owner, because the booking system's own role has none on our tables.
-- A statement that was cancelled (statement_timeout) cannot be saved by any of this; that is why the work is so little.
-- FULL JOIN is on purpose: PostgreSQL keeps the plan it made for the first statement, and with any other join that is
-- a nested loop when the first statement wrote one row, which the first statement with 10,000 rows would not survive.

-- bb_event
CREATE OR REPLACE FUNCTION public.bridge_event_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'event', id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'event', id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT 'event', id FROM old_rows o FULL JOIN new_rows n USING (id)
    WHERE (o.id, o.active, o.name, o.organizer, o.customer_organization_name, o.description,
            o.from_, o.to_, o.contact_name, o.contact_email, o.is_public)
      IS DISTINCT FROM
          (n.id, n.active, n.name, n.organizer, n.customer_organization_name, n.description,
            n.from_, n.to_, n.contact_name, n.contact_email, n.is_public);
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('event', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- bb_event_date: the view does not read it, but whether an event has several dates decides what Outlook may change.
CREATE OR REPLACE FUNCTION public.bridge_event_date_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'event', event_id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'event', event_id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    -- a row that was not there before, or is not there any more
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT DISTINCT 'event', event_id FROM old_rows o FULL JOIN new_rows n USING (event_id, from_, to_)
    WHERE o.event_id IS NULL OR n.event_id IS NULL;
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('event', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- bb_event_resource
CREATE OR REPLACE FUNCTION public.bridge_event_resource_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'event', event_id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'event', event_id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    -- a row that was not there before, or is not there any more
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT DISTINCT 'event', event_id FROM old_rows o FULL JOIN new_rows n USING (event_id, resource_id)
    WHERE o.event_id IS NULL OR n.event_id IS NULL;
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('event', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- bb_booking
CREATE OR REPLACE FUNCTION public.bridge_booking_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'booking', id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'booking', id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT 'booking', id FROM old_rows o FULL JOIN new_rows n USING (id)
    WHERE (o.id, o.active, o.from_, o.to_, o.group_id)
      IS DISTINCT FROM
          (n.id, n.active, n.from_, n.to_, n.group_id);
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('booking', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- bb_booking_resource
CREATE OR REPLACE FUNCTION public.bridge_booking_resource_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'booking', booking_id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'booking', booking_id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    -- a row that was not there before, or is not there any more
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT DISTINCT 'booking', booking_id FROM old_rows o FULL JOIN new_rows n USING (booking_id, resource_id)
    WHERE o.booking_id IS NULL OR n.booking_id IS NULL;
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('booking', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- bb_allocation
CREATE OR REPLACE FUNCTION public.bridge_allocation_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'allocation', id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT 'allocation', id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT 'allocation', id FROM old_rows o FULL JOIN new_rows n USING (id)
    WHERE (o.id, o.active, o.from_, o.to_, o.organization_id)
      IS DISTINCT FROM
          (n.id, n.active, n.from_, n.to_, n.organization_id);
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('allocation', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- bb_allocation_resource
CREATE OR REPLACE FUNCTION public.bridge_allocation_resource_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'allocation', allocation_id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) SELECT DISTINCT 'allocation', allocation_id FROM old_rows;
  ELSIF TG_OP = 'UPDATE' THEN
    -- a row that was not there before, or is not there any more
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT DISTINCT 'allocation', allocation_id FROM old_rows o FULL JOIN new_rows n USING (allocation_id, resource_id)
    WHERE o.allocation_id IS NULL OR n.allocation_id IS NULL;
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('allocation', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;

-- bb_group: its bookings carry its name. There is no index from a group to its bookings, so they are looked for once
-- per statement, and only if a name changed; those that ended more than a year ago are left alone. A new group has no
-- bookings yet, and one that has some cannot be deleted.
CREATE OR REPLACE FUNCTION public.bridge_group_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
DECLARE
  groups integer[];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    groups := ARRAY(SELECT id FROM old_rows o FULL JOIN new_rows n USING (id)
                    WHERE (o.name, o.organization_id) IS DISTINCT FROM (n.name, n.organization_id));
    IF cardinality(groups) = 0 THEN
      RETURN NULL;
    END IF;
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT 'booking', b.id FROM unnest(groups) AS g (id) JOIN public.bb_booking b ON b.group_id = g.id
    WHERE b.to_ > now() - interval '1 year';
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('booking', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;
-- bb_organization: its allocations carry its name, and its groups' bookings name it as organiser.
CREATE OR REPLACE FUNCTION public.bridge_organization_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $changed$
DECLARE
  organizations integer[];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    organizations := ARRAY(SELECT id FROM old_rows o FULL JOIN new_rows n USING (id)
                           WHERE (o.name, o.email) IS DISTINCT FROM (n.name, n.email));
    IF cardinality(organizations) = 0 THEN
      RETURN NULL;
    END IF;
    INSERT INTO public.bridge_changes (reservation_type, reservation_id)
    SELECT 'allocation', a.id FROM unnest(organizations) AS o (id) JOIN public.bb_allocation a ON a.organization_id = o.id
    WHERE a.to_ > now() - interval '1 year'
    UNION ALL
    SELECT 'booking', b.id FROM unnest(organizations) AS o (id) JOIN public.bb_group g ON g.organization_id = o.id
    JOIN public.bb_booking b ON b.group_id = g.id
    WHERE b.to_ > now() - interval '1 year';
  ELSE
    INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('allocation', NULL), ('booking', NULL);
  END IF;
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NULL;
END $changed$;
REVOKE EXECUTE ON FUNCTION public.bridge_event_changed(), public.bridge_event_date_changed(),
  public.bridge_event_resource_changed(), public.bridge_booking_changed(), public.bridge_booking_resource_changed(),
  public.bridge_allocation_changed(), public.bridge_allocation_resource_changed(), public.bridge_group_changed(),
  public.bridge_organization_changed() FROM PUBLIC;

-- The triggers themselves. bridge_watch makes those that are not there yet, on the table and on every partition of it
-- (a statement that names a partition fires the triggers of that partition only). Making a trigger stops the writers
-- of its table for an instant, so each table has a transaction of its own and nobody waits behind us for longer than
-- lock_timeout. If one times out, run this file again; migrate does so by itself.
SET lock_timeout = '500ms';
SELECT public.bridge_watch('public.bb_event', 'public.bridge_event_changed');
SELECT public.bridge_watch('public.bb_event_date', 'public.bridge_event_date_changed');
SELECT public.bridge_watch('public.bb_event_resource', 'public.bridge_event_resource_changed');
SELECT public.bridge_watch('public.bb_booking', 'public.bridge_booking_changed');
SELECT public.bridge_watch('public.bb_booking_resource', 'public.bridge_booking_resource_changed');
SELECT public.bridge_watch('public.bb_allocation', 'public.bridge_allocation_changed');
SELECT public.bridge_watch('public.bb_allocation_resource', 'public.bridge_allocation_resource_changed');
SELECT public.bridge_watch('public.bb_group', 'public.bridge_group_changed', '{UPDATE,TRUNCATE}');
SELECT public.bridge_watch('public.bb_organization', 'public.bridge_organization_changed', '{UPDATE,TRUNCATE}');
RESET lock_timeout;
