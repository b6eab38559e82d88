-- One location with two rooms that everybody may book, and one whose bookings wait for approval.
INSERT INTO users.users (id, first_name, last_name, is_system, is_deleted, is_pending) VALUES
  (0, 'Indico', 'System', true, false, false), (1, 'Kari', 'Nordmann', false, false, false), (2, 'Ada', 'Berg', false, false, false);
INSERT INTO users.emails (user_id, email, is_primary, is_user_deleted) VALUES
  (1, 'kari@example.org', true, false), (2, 'ada@bergen.example', true, false);
INSERT INTO roombooking.locations (id, name, map_url_template, room_name_format, is_deleted) VALUES (1, 'Campus', '', '%1$s/%2$s-%3$s', false);
INSERT INTO roombooking.rooms (id, location_id, verbose_name, site, division, building, floor, number, reservations_need_confirmation,
  capacity, owner_id, is_deleted, is_reservable) VALUES
  (1, 1, 'Council chamber', '', '', '40', 'S2', 'C01', false, 20, 1, false, true),
  (2, 1, NULL, '', '', '40', 'S2', 'D01', false, 20, 1, false, true),
  (3, 1, 'Senate', '', '', '160', '1', '009', true, 20, 1, false, true);
SELECT setval('users.users_id_seq', 1000), setval('roombooking.locations_id_seq', 1000), setval('roombooking.rooms_id_seq', 1000);
