-- Up Migration
-- The tables of the booking system that are watched, as the adapter declares them, and an outbox without an index: what
-- is in it is claimed by its place (ctid), and each booking writes one row less.

CREATE TABLE bridge_watched (
  table_name text PRIMARY KEY,
  -- the trigger function
  calls text NOT NULL,
  -- which reservations a row belongs to; NULL: the adapter wrote the function
  reservations text,
  -- those that the function reads
  columns text[],
  events text[] NOT NULL,
  declared_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE bridge_changes DROP COLUMN seq;

-- Down Migration
ALTER TABLE bridge_changes ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
DROP TABLE bridge_watched;
