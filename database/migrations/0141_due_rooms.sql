-- Up Migration
-- Whoever looks for due rooms reads those that are due, however many rooms there are: see bridge_lease.
CREATE INDEX bridge_room_state_asked ON bridge_room_state (least(CASE WHEN push_lane = 0 THEN push_due_at END, pull_due_at, hinted_at));
CREATE INDEX bridge_room_state_due ON bridge_room_state (least(push_due_at, pull_due_at, next_poll_at, hinted_at, sure_at));

-- Down Migration
DROP INDEX bridge_room_state_asked, bridge_room_state_due;
