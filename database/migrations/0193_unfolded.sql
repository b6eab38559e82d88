-- Up Migration
-- One change that cannot be folded (its row of the view fails, or somebody's open transaction has its mapping) must not keep
-- back all others: it waits here.

CREATE TABLE bridge_unfolded (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- as in bridge_changes: all of them null where a table was emptied
  reservation_type text,
  reservation_id bigint,
  reservation_key text,
  changed_at timestamptz NOT NULL,
  code text NOT NULL,
  error_message text NOT NULL,
  attempt integer NOT NULL DEFAULT 1,
  retry_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX bridge_unfolded_reservation ON bridge_unfolded
  (coalesce(reservation_type, ''), coalesce(reservation_id, 0), coalesce(reservation_key, ''));
COMMENT ON TABLE bridge_unfolded IS 'changes of the booking system that could not be folded; each is tried again at retry_at';
COMMENT ON COLUMN bridge_unfolded.code IS 'the SQLSTATE of the last try; 55P03: a transaction that is still open has a row of ours';

-- Down Migration

DROP TABLE bridge_unfolded;
