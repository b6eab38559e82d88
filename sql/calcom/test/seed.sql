-- Four rooms, each a user: two plain ones, one whose bookings wait for confirmation, and one with buffers whose requests hold
-- the time. And a person, who owns no event type.
INSERT INTO users (id, username, name, email) VALUES (1, 'council', 'Council chamber', 'council@rooms.example'),
  (2, 'committee', 'Committee room', 'committee@rooms.example'), (3, 'senate', 'Senate', 'senate@rooms.example'),
  (4, 'lab', 'Laboratory', 'lab@rooms.example'), (9, 'kari', 'Kari', 'kari@example.org');
INSERT INTO "EventType" (id, title, slug, length, "userId", hidden, position) VALUES
  (10, 'Half an hour', '30min', 30, 1, false, 1), (11, 'An hour', '60min', 60, 1, false, 0), (20, 'An hour', '60min', 60, 2, false, 0);
INSERT INTO "EventType" (id, title, slug, length, "userId", "requiresConfirmation") VALUES (30, 'An hour', '60min', 60, 3, true);
INSERT INTO "EventType" (id, title, slug, length, "userId", "requiresConfirmationWillBlockSlot", "beforeEventBuffer", "afterEventBuffer")
VALUES (40, 'An hour', '60min', 60, 4, true, 15, 30);
SELECT setval('users_id_seq', 1000), setval('"EventType_id_seq"', 1000);
