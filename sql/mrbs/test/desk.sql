-- How MRBS's own people book. What each part is given and answers: sql/README.md, "Checking an adapter".

-- rooms
VALUES (11), (12);

-- book
INSERT INTO mrbs_entry (room_id, start_time, end_time, name, create_by, modified_by)
VALUES ($1, extract(epoch FROM $2::timestamp AT TIME ZONE 'Europe/Oslo'),
        extract(epoch FROM $3::timestamp AT TIME ZONE 'Europe/Oslo'), $4, 'kari', 'kari')
RETURNING 'entry' AS type, id;

-- move
UPDATE mrbs_entry SET start_time = extract(epoch FROM $2::timestamp AT TIME ZONE 'Europe/Oslo'),
                      end_time = extract(epoch FROM $3::timestamp AT TIME ZONE 'Europe/Oslo') WHERE id = $1;

-- touch
UPDATE mrbs_entry SET reminded = 1, name = name WHERE id = $1;

-- cancel
DELETE FROM mrbs_entry WHERE id = $1;

-- everything
SELECT * FROM mrbs_entry ORDER BY id;

-- approval
UPDATE mrbs_area SET approval_enabled = 1;
