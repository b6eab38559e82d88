-- Up Migration

-- What a notification named: an event to read by its id, without waiting for delta, which may lag behind by seconds.
-- Written before the notification is answered; deleted in the transaction that stores what the event showed.
CREATE TABLE bridge_hints (
  resource_mapping_id integer NOT NULL REFERENCES bridge_resource_mappings (id) ON DELETE CASCADE,
  event_id text NOT NULL,
  -- the last notification spoke of a deletion, or named this version
  deleted boolean NOT NULL DEFAULT false,
  etag text,
  hinted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (resource_mapping_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- hinted_at: hints wait. sure_at: when a delta round makes sure that the hints were all.
ALTER TABLE bridge_room_state ADD COLUMN hinted_at timestamptz, ADD COLUMN sure_at timestamptz;

-- Down Migration

ALTER TABLE bridge_room_state DROP COLUMN hinted_at, DROP COLUMN sure_at;
DROP TABLE bridge_hints;
