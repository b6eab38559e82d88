-- WAKE=notify: every change wakes the daemon. Simple, but all committing bookings share one lock (see docs/decisions).
CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql AS $wake$
BEGIN
  PERFORM pg_catalog.pg_notify('bridge_changes', '');
END $wake$;
