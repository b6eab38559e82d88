-- The tables of Cal.com that the bridge touches, for tests: names, types, defaults, keys and indexes, as Prisma's migrations make
-- them (a DateTime is a timestamp(3) without a zone, in UTC). Source: packages/prisma/schema.prisma of github.com/calcom/cal.com
-- at 0000abf51b81 (2025); of what an INSERT must fill nothing is left out.
CREATE TYPE "BookingStatus" AS ENUM ('cancelled', 'accepted', 'rejected', 'pending', 'awaiting_host');

CREATE TABLE users (
  id serial PRIMARY KEY,
  username text,
  name text,
  email text NOT NULL UNIQUE,
  "timeZone" text NOT NULL DEFAULT 'Europe/London',
  locked boolean NOT NULL DEFAULT false
);

CREATE TABLE "EventType" (
  id serial PRIMARY KEY,
  title text NOT NULL,
  slug text NOT NULL,
  description text,
  position integer NOT NULL DEFAULT 0,
  length integer NOT NULL,
  hidden boolean NOT NULL DEFAULT false,
  "userId" integer REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE,
  "teamId" integer,
  "requiresConfirmation" boolean NOT NULL DEFAULT false,
  "requiresConfirmationWillBlockSlot" boolean NOT NULL DEFAULT false,
  "hideCalendarNotes" boolean NOT NULL DEFAULT false,
  "hideCalendarEventDetails" boolean NOT NULL DEFAULT false,
  "beforeEventBuffer" integer NOT NULL DEFAULT 0,
  "afterEventBuffer" integer NOT NULL DEFAULT 0,
  "seatsPerTimeSlot" integer,
  UNIQUE ("userId", slug),
  UNIQUE ("teamId", slug)
);
CREATE INDEX "EventType_userId_idx" ON "EventType" ("userId");

CREATE TABLE "Booking" (
  id serial PRIMARY KEY,
  uid text NOT NULL UNIQUE,
  "idempotencyKey" text UNIQUE,
  "userId" integer REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE,
  "userPrimaryEmail" text,
  "eventTypeId" integer REFERENCES "EventType" ON UPDATE CASCADE ON DELETE SET NULL,
  title text NOT NULL,
  description text,
  responses jsonb,
  "startTime" timestamp(3) NOT NULL,
  "endTime" timestamp(3) NOT NULL,
  location text,
  "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" timestamp(3),
  status "BookingStatus" NOT NULL DEFAULT 'accepted',
  paid boolean NOT NULL DEFAULT false,
  "cancellationReason" text,
  "rejectionReason" text,
  rescheduled boolean,
  "fromReschedule" text,
  "recurringEventId" text,
  metadata jsonb,
  "isRecorded" boolean NOT NULL DEFAULT false,
  "iCalUID" text DEFAULT '',
  "iCalSequence" integer NOT NULL DEFAULT 0,
  "oneTimePassword" text UNIQUE,
  "cancelledBy" text,
  "rescheduledBy" text
);
CREATE INDEX "Booking_eventTypeId_idx" ON "Booking" ("eventTypeId");
CREATE INDEX "Booking_userId_idx" ON "Booking" ("userId");
CREATE INDEX "Booking_recurringEventId_idx" ON "Booking" ("recurringEventId");
CREATE INDEX "Booking_status_idx" ON "Booking" (status);
CREATE INDEX "Booking_startTime_endTime_status_idx" ON "Booking" ("startTime", "endTime", status);

CREATE TABLE "Attendee" (
  id serial PRIMARY KEY,
  email text NOT NULL,
  name text NOT NULL,
  "timeZone" text NOT NULL,
  "phoneNumber" text,
  locale text DEFAULT 'en',
  "bookingId" integer REFERENCES "Booking" ON UPDATE CASCADE ON DELETE CASCADE,
  "noShow" boolean DEFAULT false
);
CREATE INDEX "Attendee_email_idx" ON "Attendee" (email);
CREATE INDEX "Attendee_bookingId_idx" ON "Attendee" ("bookingId");
