-- How Cal.com's own people book. What each part is given and answers: sql/README.md, "Checking an adapter".

-- rooms
VALUES (1), (2);

-- book
WITH b AS (
  INSERT INTO "Booking" (uid, "idempotencyKey", "userId", "eventTypeId", title, "startTime", "endTime", status, "updatedAt")
  SELECT gen_random_uuid()::text, gen_random_uuid()::text, $1, (SELECT min(id) FROM "EventType" WHERE "userId" = $1), $4,
    $2::timestamp AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC', $3::timestamp AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC',
    'accepted', now() AT TIME ZONE 'UTC' RETURNING id)
INSERT INTO "Attendee" (email, name, "timeZone", "bookingId") SELECT 'kari@example.org', 'Kari', 'Europe/Oslo', id FROM b
RETURNING 'booking' AS type, "bookingId" AS id;

-- move
UPDATE "Booking" SET "startTime" = $2::timestamp AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC',
  "endTime" = $3::timestamp AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC', "updatedAt" = now() AT TIME ZONE 'UTC' WHERE id = $1;

-- touch
UPDATE "Booking" SET "isRecorded" = true, title = title, "updatedAt" = now() AT TIME ZONE 'UTC' WHERE id = $1;
UPDATE "Attendee" SET "noShow" = true WHERE "bookingId" = $1;

-- cancel
UPDATE "Booking" SET status = 'cancelled', "cancellationReason" = 'Ill', "idempotencyKey" = NULL WHERE id = $1;

-- everything
SELECT (SELECT jsonb_agg(b ORDER BY b.id) FROM "Booking" b) AS bookings, (SELECT jsonb_agg(a ORDER BY a.id) FROM "Attendee" a) AS attendees;

-- lacks
VALUES ('is_private');

-- approval
UPDATE "EventType" SET "requiresConfirmation" = true;
