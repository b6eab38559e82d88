-- How PorticoEstate's own people book. What each part is given and answers: sql/README.md, "Checking an adapter".

-- rooms
VALUES (101), (102);

-- book
WITH e AS (
  INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (1, $4, $2, $3, 'Rådhuset', 'Kari', 'kari@example.org', '', 's') RETURNING id, from_, to_),
d AS (INSERT INTO bb_event_date (event_id, from_, to_) SELECT id, from_, to_ FROM e)
INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, $1 FROM e RETURNING 'event' AS type, event_id AS id;

-- move
UPDATE bb_event SET from_ = $2, to_ = $3 WHERE id = $1;
UPDATE bb_event_date SET from_ = $2, to_ = $3 WHERE event_id = $1;

-- touch
UPDATE bb_event SET cost = cost + 1, name = name WHERE id = $1;

-- cancel
UPDATE bb_event SET active = 0 WHERE id = $1;

-- everything
SELECT (SELECT jsonb_agg(e ORDER BY e.id) FROM bb_event e) AS events,
       (SELECT jsonb_agg(d ORDER BY d.id) FROM bb_event_date d) AS dates,
       (SELECT jsonb_agg(r ORDER BY r.event_id, r.resource_id) FROM bb_event_resource r) AS rooms;
