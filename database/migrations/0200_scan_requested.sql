-- Up Migration
-- When a full scan was requested last: one that began before does not answer the request.

ALTER TABLE bridge_room_state ADD COLUMN scan_requested_at timestamptz;

-- Down Migration

DROP FUNCTION IF EXISTS bridge_scan_requested() CASCADE; -- with its trigger
ALTER TABLE bridge_room_state DROP COLUMN scan_requested_at;
