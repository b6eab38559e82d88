-- WAKE=notify: every change wakes the daemon. Simple, but all committing bookings share one lock (see docs/decisions).
CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $wake$
BEGIN
  PERFORM pg_notify('bridge_changes', '');
END $wake$;
