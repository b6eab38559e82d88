-- A small municipality for the demo and the tests: two buildings with six rooms, the organisations that book them, and the rows that an event
-- needs to point at. Ids are fixed so that examples and tests can name them; ids drawn later start at 1000.
INSERT INTO bb_activity (id, parent_id, name, description) VALUES
  (1, NULL, 'Kultur og idrett', 'Everything'),
  (2, 1, 'Idrett', 'Sports'),
  (3, 1, 'Møter', 'Meetings');

INSERT INTO bb_building (id, activity_id, name, homepage, city, email) VALUES
  (10, 1, 'Rådhuset', 'https://radhuset.example', 'Bergen', 'radhuset@bergen.example'),
  (20, 1, 'Idrettshallen', 'https://hallen.example', 'Bergen', 'hallen@bergen.example');

INSERT INTO bb_targetaudience (id, activity_id, name, sort) VALUES (1, 1, 'Alle', 1), (2, 1, 'Barn', 2);
INSERT INTO bb_agegroup (id, activity_id, name, sort) VALUES (1, 1, '0-12', 1), (2, 1, '13-19', 2), (3, 1, '20+', 3);
INSERT INTO bb_rescategory (id, name, capacity) VALUES (1, 'Møterom', 20), (2, 'Hall', 200);

INSERT INTO bb_resource (id, name, activity_id, rescategory_id, sort) VALUES
  (101, 'Formannskapssalen', 3, 1, 1),
  (102, 'Bystyresalen', 3, 1, 2),
  (103, 'Møterom Fløyen', 3, 1, 3),
  (104, 'Møterom Ulriken', 3, 1, 4),
  (201, 'Hall A', 2, 2, 5),
  (202, 'Hall B', 2, 2, 6);
INSERT INTO bb_building_resource (building_id, resource_id) VALUES
  (10, 101), (10, 102), (10, 103), (10, 104), (20, 201), (20, 202);

INSERT INTO bb_organization (id, organization_number, name, email, activity_id) VALUES
  (1, '912345678', 'Fjellsiden Idrettslag', 'post@fjellsiden.example', 2),
  (2, '987654321', 'Bergen Korforening', 'post@korforening.example', 1);
INSERT INTO bb_group (id, organization_id, name, activity_id) VALUES
  (1, 1, 'Håndball jenter 14', 2),
  (2, 1, 'Volleyball damer', 2),
  (3, 2, 'Kammerkoret', 1);
INSERT INTO bb_season (id, officer_id, building_id, name, status, from_, to_) VALUES
  (1, 1, 10, 'Rådhuset', 'PUBLISHED', '2020-01-01', '2040-12-31'),
  (2, 1, 20, 'Idrettshallen', 'PUBLISHED', '2020-01-01', '2040-12-31');
INSERT INTO bb_season_resource (season_id, resource_id) VALUES
  (1, 101), (1, 102), (1, 103), (1, 104), (2, 201), (2, 202);

DO $ids$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['bb_activity', 'bb_building', 'bb_targetaudience', 'bb_agegroup', 'bb_rescategory',
    'bb_resource', 'bb_organization', 'bb_group', 'bb_season', 'bb_event', 'bb_booking', 'bb_allocation'] LOOP
    EXECUTE format('ALTER TABLE %I ALTER COLUMN id RESTART WITH 1000', name);
  END LOOP;
END $ids$;
