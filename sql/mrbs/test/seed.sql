-- Two areas for tests: one by the clock, one by periods (which have no time of day and are not shown).
INSERT INTO mrbs_area (id, area_name, default_type, enable_periods) VALUES (1, 'City hall', 'I', 0), (2, 'School', 'E', 1);
INSERT INTO mrbs_room (id, area_id, room_name, sort_key) VALUES
  (11, 1, 'Council chamber', '1'), (12, 1, 'Committee room', '2'), (21, 2, 'Class room', '3');
SELECT setval('mrbs_area_id_seq', 1000), setval('mrbs_room_id_seq', 1000);
