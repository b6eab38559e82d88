-- Leads from the id of one date of a series to its row. Made if our role owns the table; else a DBA may run what is told,
-- and until then each change of a date reads the whole table of dates.
DO $index$
DECLARE
  statement constant text := $create$CREATE INDEX IF NOT EXISTS bridge_occurrence_id ON roombooking.reservation_occurrences
    ((reservation_id * 100000000::bigint + extract(year FROM start_dt)::integer * 10000
      + extract(month FROM start_dt)::integer * 100 + extract(day FROM start_dt)::integer))$create$;
BEGIN
  IF EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE i.indrelid = 'roombooking.reservation_occurrences'::regclass AND c.relname = 'bridge_occurrence_id' AND i.indisvalid) THEN
    RETURN;
  END IF;
  IF (SELECT pg_has_role(relowner, 'USAGE') AND reltuples < 200000 FROM pg_class
      WHERE oid = 'roombooking.reservation_occurrences'::regclass) THEN
    SET LOCAL lock_timeout = '500ms';
    EXECUTE statement;
  ELSE
    RAISE NOTICE 'Optional, faster for series: %;', regexp_replace(replace(statement, 'INDEX', 'INDEX CONCURRENTLY'), '\s+', ' ', 'g');
  END IF;
END $index$;
