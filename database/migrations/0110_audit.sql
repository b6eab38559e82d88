-- Up Migration
-- The name of the key, and of the person where a proxy says it, that asked for something through the API.

ALTER TABLE bridge_log ADD COLUMN who text;
CREATE INDEX bridge_log_asked ON bridge_log (id) WHERE action = 'asked';

-- Down Migration
DROP INDEX bridge_log_asked;
ALTER TABLE bridge_log DROP COLUMN who;
