-- WAKE=poll: no daemon is woken; each asks for work several times a second. For two-phase commits, which NOTIFY forbids.
CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql AS $wake$
BEGIN
END $wake$;
