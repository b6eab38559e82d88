-- Up Migration

-- The number of each key that is none: uuids and codes of reservations (`kind` is their type) and of resources (''). It
-- outlives an adapter and our other tables. docs/decisions/010-keys.md.
CREATE TABLE bridge_key (
  kind text NOT NULL,
  key text NOT NULL CHECK (key <> ''),
  id bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, key),
  UNIQUE (id, kind)
);
-- a resource's number is an integer in the views
CREATE UNIQUE INDEX bridge_key_resource ON bridge_key ((id::integer)) WHERE kind = '';
ALTER TABLE bridge_changes ADD COLUMN reservation_key text;
ALTER TABLE bridge_resource_mappings ADD COLUMN resource_key text;
COMMENT ON COLUMN bridge_resource_mappings.resource_key IS 'The code of the resource where it has one: an INSERT may give it in place of resource_id.';

-- Down Migration

ALTER TABLE bridge_resource_mappings DROP COLUMN resource_key;
ALTER TABLE bridge_changes DROP COLUMN reservation_key;
DROP TABLE bridge_key;
