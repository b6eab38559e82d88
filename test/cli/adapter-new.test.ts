/** `adapter new`: a first folder from a schema that it has never seen, which `adapter check` then walks. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { textsOf } from '../../src/cli/adapter-new.ts';
import type { Queryable } from '../../src/database.ts';
import { openTestDatabase } from '../support/database.ts';
import { openRole } from '../support/roles.ts';
import { cli } from './command-line.ts';

/** The command in a database with these tables; and `adapter check` of what it wrote. */
async function write(tables: string, ...options: readonly string[]) {
  await using db = await openTestDatabase({ schema: 'empty' });
  await db.query(tables);
  const parent = mkdtempSync(join(tmpdir(), 'adapter-new-'));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  const folder = join(parent, 'ours');
  const env = { DATABASE_URL: db.url, BOOKING_TIMEZONE: 'Europe/Oslo' };
  const written = await cli(env, 'adapter', 'new', folder, ...options);
  const again = written.code === 0 ? await cli(env, 'adapter', 'new', folder) : null;
  const check = written.code === 0 ? await cli(env, 'adapter', 'check', folder, '--json') : null;
  const { findings } = (check?.json() ?? { findings: [] }) as {
    findings: { state: string; check: string; message: string }[];
  };
  return {
    written,
    again,
    problems: findings
      .filter(({ state }) => state === 'problem')
      .map(({ check: of, message }) => `${of}: ${message}`),
    warnings: findings.filter(({ state }) => state === 'warning').map(({ message }) => message),
    read: (name: string) => readFileSync(join(folder, name), 'utf8'),
  };
}

const next = (hours: number) => `now() + interval '${hours} hours'`;

test('instants, a room beside the booking and a state in words: it works as it is', async () => {
  const { written, again, problems, read } = await write(`
    CREATE SCHEMA cal;
    CREATE TABLE cal.rooms (id serial PRIMARY KEY, name text NOT NULL);
    CREATE TABLE cal.bookings (id serial PRIMARY KEY, room_id integer NOT NULL REFERENCES cal.rooms, start_time timestamptz NOT NULL,
      end_time timestamptz NOT NULL, title text NOT NULL, description text, status text NOT NULL DEFAULT 'confirmed',
      owner_name text, owner_email text, is_private boolean NOT NULL DEFAULT false);
    CREATE TABLE cal.booking_history (id serial PRIMARY KEY, room_id integer, start_time timestamptz, end_time timestamptz, title text);
    CREATE INDEX ON cal.bookings (room_id);
    INSERT INTO cal.rooms (name) VALUES ('A'), ('B');
    INSERT INTO cal.bookings (room_id, start_time, end_time, title, status)
    VALUES (1, ${next(24)}, ${next(25)}, 'Choir', 'confirmed'), (1, ${next(24)}, ${next(25)}, 'Off', 'cancelled')`);
  assert.equal(written.code, 0, written.out + written.err);
  assert.deepEqual(problems, []);
  assert.match(read('10_view.sql'), /cal\.bookings is the bookings table \(or cal\.booking_history\?\)/);
  assert.match(read('10_view.sql'), /NOT IN \('cancelled'\) AS active/);
  assert.match(
    read('30_watch.sql'),
    /bridge_watch_table\('cal\.bookings', \$\$SELECT 'booking', changed\.id\$\$/,
  );
  assert.match(again?.err ?? '', /exists already/);
});

test('seconds, a flag and no schema of its own', async () => {
  const { problems } = await write(`
    CREATE TABLE venue (id integer PRIMARY KEY, label text);
    CREATE TABLE reservation (id serial PRIMARY KEY, venue integer NOT NULL, time_from integer NOT NULL, time_to integer NOT NULL,
      subject varchar(80) NOT NULL DEFAULT '', notes text, deleted smallint NOT NULL DEFAULT 0);
    CREATE INDEX ON reservation (venue);
    INSERT INTO venue VALUES (1, 'A'), (2, 'B');
    INSERT INTO reservation (venue, time_from, time_to, subject)
    VALUES (1, extract(epoch FROM ${next(24)}), extract(epoch FROM ${next(25)}), 'Choir')`);
  assert.deepEqual(problems, []);
});

test('wall-clock times and rooms in a table of their own: it works as it is', async () => {
  const { problems, read } = await write(`
    CREATE TABLE "Resource" (id serial PRIMARY KEY, "displayName" text);
    CREATE TABLE "Appointment" (id bigserial PRIMARY KEY, "startsAt" timestamp NOT NULL, "endsAt" timestamp NOT NULL, title text, "deletedAt" timestamptz);
    CREATE TABLE "AppointmentResource" ("appointmentId" bigint REFERENCES "Appointment", "resourceId" integer REFERENCES "Resource",
      PRIMARY KEY ("appointmentId", "resourceId"));
    CREATE INDEX ON "AppointmentResource" ("resourceId");
    INSERT INTO "Resource" ("displayName") VALUES ('A');
    INSERT INTO "Appointment" ("startsAt", "endsAt", title) VALUES (${next(24)}, ${next(25)}, 'Choir');
    INSERT INTO "AppointmentResource" VALUES (1, 1)`);
  expect(problems).toEqual([]);
  assert.match(read('10_view.sql'), /Its times \(startsAt, endsAt\) have no zone/);
  assert.match(
    read('30_watch.sql'),
    /'public\."AppointmentResource"', \$\$SELECT 'appointment', changed\."appointmentId"\$\$/,
  );
});

test.for([
  ['uuids and codes', 'uuid', 'gen_random_uuid()', 'text', "'A-101'"],
  ['codes and numbers', 'text', "'R-' || random()", 'integer', '1'],
  ['numbers and uuids', 'bigint', 'floor(random() * 1e15)', 'uuid', 'gen_random_uuid()'],
])('%s for keys: it works as it is', async ([, id, made, room, one]) => {
  const { problems, read } = await write(`
    CREATE TABLE rooms (id ${room} PRIMARY KEY, name text NOT NULL);
    CREATE TABLE bookings (id ${id} PRIMARY KEY DEFAULT ${made}, room_id ${room} NOT NULL REFERENCES rooms, start_time timestamptz NOT NULL,
      end_time timestamptz NOT NULL, title text NOT NULL, cancelled boolean NOT NULL DEFAULT false);
    CREATE INDEX ON bookings (room_id);
    INSERT INTO rooms VALUES (${one}, 'A');
    INSERT INTO bookings (room_id, start_time, end_time, title) SELECT id, ${next(24)}, ${next(25)}, 'Choir' FROM rooms`);
  assert.deepEqual(problems, []);
  assert.equal(/reservation_key/.test(read('10_view.sql')), id !== 'bigint');
  assert.equal(/resource_key/.test(read('10_view.sql')), room !== 'integer');
});

/** Tables of a real system, which this project has no adapter for, with two rooms and some bookings. */
const schema = (name: string) =>
  readFileSync(new URL(`../fixtures/schemas/${name}.sql`, import.meta.url), 'utf8');

test('Odoo, resource_booking: UTC, a state in words, bookings without a time yet, and what a person has to fill', async () => {
  const { problems, read } = await write(schema('resource-booking'));
  expect(problems).toEqual([
    expect.stringMatching(
      /^functions: null value in column "partner_id".*\(20_functions\.sql:\d+, bridge_import_item/,
    ),
  ]);
  assert.match(read('10_view.sql'), /resource_booking is the bookings table \(or public\.calendar_event\?\)/);
  assert.match(read('10_view.sql'), /are read as UTC: Odoo stores UTC/);
  assert.match(read('10_view.sql'), /NOT IN \('canceled'\) AS active/);
  assert.match(read('10_view.sql'), /WHERE b\.start IS NOT NULL AND b\.stop IS NOT NULL/);
  assert.match(read('11_resources.sql'), /r\.name::text AS name,[\s\S]*resource_booking_combination r/);
  const functions = read('20_functions.sql');
  assert.match(
    functions,
    /not filled yet: partner_id \(of public\.res_partner\), type_id \(of public\.resource_booking_type\)/,
  );
  assert.match(functions, /Related tables: public\.calendar_event \(by meeting_id\)/);
});

test('Seatsurfing: moments by other words, uuids without foreign keys, approval by a flag, a zone for each place', async () => {
  const { problems, read } = await write(schema('seatsurfing'));
  expect(problems).toEqual([
    expect.stringMatching(
      /^functions: null value in column "user_id".*\(20_functions\.sql:\d+, bridge_import_item/,
    ),
  ]);
  const view = read('10_view.sql');
  assert.match(view, /public\.bookings is the bookings table \(or public\.recurring_bookings\?\)/);
  assert.match(view, /time zone columns: public\.locations\.tz/);
  assert.match(view, /approved marks bookings that await approval[^\n]*deleted/);
  assert.match(view, /CASE WHEN coalesce\(b\.approved, true\) THEN 'active' ELSE 'awaiting' END AS state/);
  assert.match(read('11_resources.sql'), /FROM public\.spaces r/);
  assert.match(read('20_functions.sql'), /SELECT FROM public\.spaces r WHERE r\.id = room/);
});

test('Respa: a range that is made of start and end, words of the staff, a reserver, and requests that are denied', async () => {
  const { read } = await write(`
    CREATE TABLE resources_resource (id varchar(100) PRIMARY KEY, name varchar(200) NOT NULL);
    CREATE TABLE resources_reservation (id serial PRIMARY KEY, created_at timestamptz NOT NULL, begin timestamptz NOT NULL,
      "end" timestamptz NOT NULL, duration tstzrange, comments text, state varchar(16) NOT NULL, event_subject varchar(200) NOT NULL,
      event_description text NOT NULL, reserver_id varchar(30) NOT NULL, reserver_name varchar(100) NOT NULL,
      reserver_email_address varchar(254) NOT NULL, resource_id varchar(100) NOT NULL REFERENCES resources_resource);
    CREATE INDEX ON resources_reservation (resource_id);
    INSERT INTO resources_resource VALUES ('av1', 'A');
    INSERT INTO resources_reservation (created_at, begin, "end", state, event_subject, event_description, reserver_id, reserver_name,
      reserver_email_address, resource_id)
    SELECT now(), ${next(24)}, ${next(25)}, s, 'Kokous', '', '', '', '', 'av1'
    FROM unnest('{confirmed,requested,denied,cancelled}'::text[]) s`);
  const view = read('10_view.sql');
  assert.match(view, /NOT IN \('cancelled', 'denied', 'requested'\) AS active/);
  assert.match(view, /b\.begin/);
  assert.match(view, /b\."end"/);
  assert.match(view, /b\.event_description::text AS description/);
  assert.match(view, /b\.reserver_name::text AS organizer_name/);
  assert.match(read('20_functions.sql'), /also contain the times and are not written yet.*: duration\n/);
});

test('Varaamo: a unit as the room, states that wait, buffers, and texts that a column limits', async () => {
  const { problems, read } = await write(`
    CREATE TABLE reservation_unit (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(255) NOT NULL);
    CREATE TABLE reservation (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(255) NOT NULL,
      description varchar(255) NOT NULL, state varchar(32) NOT NULL, begins_at timestamptz NOT NULL, ends_at timestamptz NOT NULL,
      buffer_time_before interval NOT NULL DEFAULT '0', buffer_time_after interval NOT NULL DEFAULT '0',
      reservation_unit_id integer NOT NULL REFERENCES reservation_unit);
    CREATE INDEX ON reservation (reservation_unit_id);
    INSERT INTO reservation_unit (name) VALUES ('Sali'), ('Studio');
    INSERT INTO reservation (name, description, state, begins_at, ends_at, reservation_unit_id)
    SELECT 'Kuoro', '', state, ${next(24)}, ${next(25)}, 1
    FROM unnest('{CONFIRMED,CANCELLED,DENIED,REQUIRES_HANDLING,WAITING_FOR_PAYMENT}'::text[]) state`);
  assert.deepEqual(problems, []);
  const view = read('10_view.sql');
  assert.match(view, /reservation_unit_id::integer AS resource_id/);
  assert.match(view, /IN \('REQUIRES_HANDLING', 'WAITING_FOR_PAYMENT'\) THEN 'awaiting'/);
  assert.match(view, /Not shown yet: buffer_time_before, buffer_time_after\./);
  assert.match(read('20_functions.sql'), /left\(coalesce\(item ->> 'description', ''\), 255\)/);
  assert.match(read('11_resources.sql'), /FROM public\.reservation_unit r/);
  assert.match(read('00_rights.sql'), /'reservation', 'SELECT INSERT UPDATE TRIGGER'/);
});

const inherited = `
  CREATE SCHEMA money; CREATE SCHEMA booking;
  CREATE TABLE money.billable_xact (id bigserial PRIMARY KEY, usr integer NOT NULL DEFAULT 1, xact_start timestamptz NOT NULL DEFAULT now(), xact_finish timestamptz);
  CREATE TABLE booking.resource_type (id serial PRIMARY KEY, name text NOT NULL);
  CREATE TABLE booking.resource (id serial PRIMARY KEY, type integer NOT NULL REFERENCES booking.resource_type, name text NOT NULL);
  CREATE TABLE booking.reservation (start_time timestamptz, end_time timestamptz, cancel_reason text, cancel_time timestamptz,
    target_resource_type integer REFERENCES booking.resource_type, target_resource integer REFERENCES booking.resource,
    current_resource integer REFERENCES booking.resource, subject text) INHERITS (money.billable_xact);
  ALTER TABLE booking.reservation ADD PRIMARY KEY (id);
  CREATE INDEX ON booking.reservation (target_resource);
  INSERT INTO booking.resource_type (name) VALUES ('Meeting room');
  INSERT INTO booking.resource (type, name) VALUES (1, 'A');
  INSERT INTO booking.reservation (start_time, end_time, target_resource_type, target_resource)
  VALUES (${next(24)}, ${next(25)}, 1, 1), (${next(24)}, ${next(25)}, 1, NULL)`;

test('Evergreen: two pairs of times, a kind of room beside the room, a moment of cancellation, rows of a parent', async () => {
  const { problems, read } = await write(inherited);
  assert.match(read('10_view.sql'), /Its times \(start_time, end_time\) are instants/);
  assert.match(read('10_view.sql'), /b\.cancel_time IS NULL AS active/);
  assert.match(read('10_view.sql'), /target_resource is the room \(or current_resource\?\)/);
  assert.match(read('10_view.sql'), /AND b\.target_resource IS NOT NULL;/);
  assert.match(read('11_resources.sql'), /FROM booking\.resource r/);
  expect(problems).toEqual([
    expect.stringMatching(/booking\.reservation inherits from money\.billable_xact/),
  ]);
});

test('the sequence of a parent is among the privileges', async () => {
  await using db = await openTestDatabase({ schema: 'empty' });
  await db.query(inherited);
  const texts = await textsOf({
    query: async (text: unknown) => ({ rows: await db.query(String(text)) }),
  } as Queryable);
  await using role = await openRole(db, []);
  const { client } = await role.session();
  const { rows } = await client.query<{ repair: string }>(texts['00_rights.sql']!);
  expect(rows.map(({ repair }) => repair)).toContain(
    `GRANT USAGE ON SEQUENCE money.billable_xact_id_seq TO ${role.name};`,
  );
});

test('seconds of the deletion, which most rows do not have: these are active, and a new booking has none', async () => {
  const { problems, read } = await write(`
    CREATE TABLE venue (id serial PRIMARY KEY, label text);
    CREATE TABLE booking (id serial PRIMARY KEY, venue integer NOT NULL REFERENCES venue, start_time timestamptz NOT NULL, end_time timestamptz NOT NULL,
      title text NOT NULL, deleted bigint);
    CREATE INDEX ON booking (venue);
    INSERT INTO venue (label) VALUES ('A');
    INSERT INTO booking (venue, start_time, end_time, title) VALUES (1, ${next(24)}, ${next(25)}, 'Choir')`);
  expect(problems).toEqual([]);
  assert.doesNotMatch(read('20_functions.sql'), /INSERT INTO public\.booking \([^)]*deleted/);
});

test('a view that shows none of the rows that its table has is told with that table', async () => {
  const { warnings } = await write(`
    CREATE TABLE venue (id serial PRIMARY KEY, label text);
    CREATE TABLE booking (id serial PRIMARY KEY, venue integer REFERENCES venue, start_time timestamptz, end_time timestamptz, title text);
    CREATE INDEX ON booking (venue);
    INSERT INTO booking (title) VALUES ('Choir')`);
  expect(warnings).toContainEqual(expect.stringMatching(/bridge_items has no rows, .* have rows: booking\./));
});

test('two moments that every row has are start and end, whatever they are called', async () => {
  const { problems, read } = await write(`
    CREATE TABLE hall (id serial PRIMARY KEY, label text);
    CREATE TABLE slot_booking (id serial PRIMARY KEY, hall_id integer NOT NULL REFERENCES hall, doors timestamptz NOT NULL, lights_out timestamptz NOT NULL,
      what text, state text, created timestamptz NOT NULL DEFAULT now());
    CREATE INDEX ON slot_booking (hall_id);
    INSERT INTO hall (label) VALUES ('A');
    INSERT INTO slot_booking (hall_id, doors, lights_out, state) VALUES (1, ${next(24)}, ${next(25)}, 'confirmed'), (1, ${next(26)}, ${next(27)}, 'requested')`);
  // the title has no place that is called so
  expect(problems.filter((one) => !/called with title/.test(one))).toEqual([]);
  assert.match(read('10_view.sql'), /SELECT b\.doors AS starts_at, b\.lights_out AS ends_at/);
  assert.match(read('10_view.sql'), /NOT IN \('requested'\) AS active/);
  assert.match(
    read('10_view.sql'),
    /WHEN b\.state::text IN \('requested'\) THEN 'awaiting' ELSE 'active' END AS state/,
  );
});

test('a date with times of day, also past midnight, and a state that most rows have', async () => {
  const { problems, read } = await write(`
    CREATE TABLE space (id serial PRIMARY KEY, space_name text NOT NULL);
    CREATE TABLE booking (id serial PRIMARY KEY, space_id integer REFERENCES space, booking_date date NOT NULL, start_time time NOT NULL,
      end_time time NOT NULL, status text DEFAULT 'confirmed', purpose text);
    CREATE INDEX ON booking (space_id);
    INSERT INTO space (space_name) VALUES ('Board'), ('Loft');
    INSERT INTO booking (space_id, booking_date, start_time, end_time, status, purpose)
    SELECT 1, current_date + 2, time '09:00', time '10:00', s, 'Choir' FROM unnest('{checked_in,confirmed,confirmed,cancelled,no_show}'::text[]) s
    UNION ALL SELECT 2, current_date + 2, time '22:00', time '01:00', 'confirmed', 'Party'`);
  expect(problems).toEqual([]);
  assert.match(
    read('10_view.sql'),
    /\(b\.booking_date \+ b\.start_time\) AT TIME ZONE z\.value AS starts_at/,
  );
  assert.match(read('10_view.sql'), /b\.end_time < b\.start_time THEN interval '1 day'/);
  assert.match(read('10_view.sql'), /NOT IN \('cancelled', 'no_show'\)/);
  assert.match(read('20_functions.sql'), /'confirmed'\n/);
  assert.match(read('20_functions.sql'), /status = 'cancelled'/);
  assert.match(read('20_functions.sql'), /A booking lasts less than a day/);
  assert.match(read('30_watch.sql'), /\{booking_date,start_time,end_time,/);
  assert.match(read('40_defaults.sql'), /'one-room no-private'/);
});

test('two dates with times of day are no whole days', async () => {
  const { problems, read } = await write(`
    CREATE TABLE hall (id serial PRIMARY KEY, name text NOT NULL);
    CREATE TABLE rental (id serial PRIMARY KEY, hall_id integer NOT NULL REFERENCES hall, start_date date NOT NULL, end_date date NOT NULL,
      start_time time NOT NULL, end_time time NOT NULL, title text, deleted boolean NOT NULL DEFAULT false);
    CREATE INDEX ON rental (hall_id);
    INSERT INTO hall (name) VALUES ('A'), ('B');
    INSERT INTO rental (hall_id, start_date, end_date, start_time, end_time) VALUES (1, current_date + 2, current_date + 3, '18:00', '12:00')`);
  expect(problems).toEqual([]);
  assert.match(read('10_view.sql'), /\(b\.end_date \+ b\.end_time\) AT TIME ZONE z\.value AS ends_at/);
});

test('a start with a duration, whose unit is reported if it looks wrong', async () => {
  const withDuration = (length: number) => `
    CREATE TABLE venues (id serial PRIMARY KEY, name varchar);
    CREATE TABLE bookings (id serial PRIMARY KEY, name varchar, "when" timestamp NOT NULL, duration integer NOT NULL, venue_id integer NOT NULL, deleted_at timestamp);
    CREATE INDEX ON bookings (venue_id);
    INSERT INTO venues (name) VALUES ('Stage'), ('Bar');
    INSERT INTO bookings (name, "when", duration, venue_id) SELECT 'Show', ${next(24)}, ${length}, 1`;
  const right = await write(withDuration(90));
  expect([...right.problems, ...right.warnings]).toEqual([]);
  assert.match(right.read('10_view.sql'), /b\.duration \* interval '1 minute' AS ends_at/);
  const wrong = await write(withDuration(5400));
  expect(wrong.problems).toEqual([]);
  expect(wrong.warnings).toContainEqual(expect.stringMatching(/1 of 1 bookings are .* longer than a day/));
});

test('rooms in a table of links and states in a table of their own: it works as it is', async () => {
  const { problems, read } = await write(`
    CREATE TABLE _prisma_migrations (id text PRIMARY KEY);
    CREATE TABLE room (room_id serial PRIMARY KEY, name text NOT NULL);
    CREATE TABLE status (status_id serial PRIMARY KEY, key text NOT NULL, name text NOT NULL);
    CREATE TABLE event (event_id serial PRIMARY KEY, status_id integer NOT NULL REFERENCES status, start_date timestamp(3) NOT NULL,
      end_date timestamp(3) NOT NULL, title text NOT NULL, description text NOT NULL, recurrence_id integer,
      created_at timestamp(3) NOT NULL DEFAULT now(), updated_at timestamp(3) NOT NULL);
    CREATE TABLE event_room (event_room_id serial PRIMARY KEY, event_id integer NOT NULL REFERENCES event, room_id integer NOT NULL REFERENCES room,
      UNIQUE (event_id, room_id));
    CREATE INDEX ON event_room (room_id);
    INSERT INTO room (name) VALUES ('Thompson'), ('Plummer');
    INSERT INTO status (key, name) VALUES ('PENDING', 'Pending'), ('CONFIRMED', 'Confirmed'), ('REJECTED', 'Rejected');
    INSERT INTO event (status_id, start_date, end_date, title, description, updated_at)
    SELECT s, ${next(24)}, ${next(25)}, 'Council', '', now() FROM generate_series(1, 3) s;
    INSERT INTO event_room (event_id, room_id) SELECT e, r FROM generate_series(1, 3) e, generate_series(1, 2) r`);
  expect(problems).toEqual([]);
  assert.match(read('10_view.sql'), /read as UTC: Prisma stores UTC \(_prisma_migrations\)/);
  assert.match(read('10_view.sql'), /values found: 1 \(PENDING\), 2 \(CONFIRMED\), 3 \(REJECTED\)/);
  assert.match(read('10_view.sql'), /NOT IN \('1', '3'\) AS active/);
  assert.match(read('10_view.sql'), /recurrence_id may describe repetitions/);
  assert.match(read('20_functions.sql'), /'2', now\(\) AT TIME ZONE 'UTC'/);
  assert.match(read('40_defaults.sql'), /'no-private'/);
});

test('uuids in a table of links', async () => {
  const { problems } = await write(`
    CREATE TABLE room (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
    CREATE TABLE booking (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), starts_at timestamptz NOT NULL, ends_at timestamptz NOT NULL, title text NOT NULL,
      cancelled_at timestamptz);
    CREATE TABLE booking_room (booking_id uuid REFERENCES booking, room_id uuid REFERENCES room, PRIMARY KEY (booking_id, room_id));
    CREATE INDEX ON booking_room (room_id);
    INSERT INTO room (name) VALUES ('A'), ('B');
    INSERT INTO booking (starts_at, ends_at, title) VALUES (${next(24)}, ${next(25)}, 'Choir');
    INSERT INTO booking_room SELECT b.id, r.id FROM booking b, room r`);
  expect(problems).toEqual([]);
});

test('LibreBooking: dates, rooms and texts of a series, which the dates share', async () => {
  const { problems, read } = await write(schema('librebooking'));
  expect(problems.filter((one) => !/is not written yet/.test(one))).toEqual([]);
  const view = read('10_view.sql');
  assert.match(
    view,
    /public\.reservation_instances is the bookings table \(or public\.blackout_instances\?\)/,
  );
  assert.match(view, /JOIN public\.reservation_series h ON h\.series_id = b\.series_id/);
  assert.match(view, /JOIN public\.reservation_resources l ON l\.series_id = h\.series_id/);
  assert.match(view, /h\.title::text/);
  assert.match(view, /coalesce\(h\.status_id::text, ''\) NOT IN \('2', '3'\) AS active/);
  assert.match(view, /functions must not change or cancel the others/);
  assert.match(
    read('30_watch.sql'),
    /'public\.reservation_resources', \$\$SELECT 'reservation_instance', b\.reservation_instance_id FROM public\.reservation_instances b WHERE b\.series_id = changed\.series_id/,
  );
});

test('a bigint as the room: an index on the expression of the view, which uninstalling removes', async () => {
  const { problems, warnings, read } = await write(`
    CREATE TABLE rooms (id bigserial PRIMARY KEY, name varchar NOT NULL);
    CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY);
    CREATE TABLE bookings (id bigserial PRIMARY KEY, name varchar NOT NULL, start_time timestamp NOT NULL, end_time timestamp NOT NULL,
      room_id bigint NOT NULL REFERENCES rooms, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
    CREATE INDEX ON bookings (room_id);
    INSERT INTO rooms (name) VALUES ('Stage'), ('Bar');
    INSERT INTO bookings (name, start_time, end_time, room_id, created_at, updated_at) VALUES ('Show', ${next(24)}, ${next(25)}, 1, now(), now())`);
  expect([...problems, ...warnings]).toEqual([]);
  assert.match(read('10_view.sql'), /read as UTC: Rails stores UTC/);
  assert.match(read('90_uninstall.sql'), /DROP INDEX IF EXISTS public\.bridge_bookings_room_id;/);
});

test('an exclusion constraint on the room, states of an enumeration, and a note as the only text', async () => {
  const { problems, warnings, read } = await write(`
    CREATE EXTENSION btree_gist;
    CREATE TABLE resource (id serial PRIMARY KEY, name text);
    INSERT INTO resource (name) VALUES ('A'), ('B');
    CREATE TYPE reservation_status AS ENUM ('pending', 'confirmed', 'blocked', 'cancelled');
    CREATE TABLE reservations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), status reservation_status NOT NULL DEFAULT 'pending',
      resource_id integer NOT NULL REFERENCES resource, timespan tstzrange NOT NULL, note text,
      EXCLUDE USING gist (resource_id WITH =, timespan WITH &&));
    CREATE INDEX ON reservations (resource_id);
    INSERT INTO reservations (resource_id, timespan, status, note)
    VALUES (1, tstzrange(${next(24)}, ${next(25)}), 'confirmed', 'Choir'), (2, tstzrange(${next(24)}, ${next(25)}), 'pending', 'Choir')`);
  expect(problems).toEqual([]);
  expect(warnings).toEqual([
    expect.stringMatching(/A meeting in the time of a cancelled one was refused: .*exclusion/),
  ]);
  assert.match(read('10_view.sql'), /NOT IN \('cancelled', 'pending'\) AS active/);
  assert.match(read('10_view.sql'), /btrim\(b\.note::text\)[^\n]*AS title/);
  assert.match(read('20_functions.sql'), /SET status = 'cancelled'/);
  assert.match(read('40_defaults.sql'), /'one-room no-overlap no-private'/);
});

test('a table that a person names, with times that no name tells', async () => {
  const tables = `
    CREATE SCHEMA crm;
    CREATE TABLE crm.resource (id serial PRIMARY KEY, ref text);
    CREATE TABLE crm.action (id serial PRIMARY KEY, datep timestamp, datep2 timestamp, label varchar(128) NOT NULL, email_subject varchar(255), resource_id integer REFERENCES crm.resource);
    CREATE INDEX ON crm.action (resource_id);
    INSERT INTO crm.resource (ref) VALUES ('A'), ('B');
    INSERT INTO crm.action (datep, datep2, label, resource_id) VALUES (${next(24)}, ${next(25)}, 'Choir', 1)`;
  const guessed = await write(tables);
  assert.match(guessed.written.err, /No bookings table was found[\s\S]*--table SCHEMA\.TABLE/);
  const named = await write(tables, '--table', 'action');
  expect(named.problems).toEqual([]);
  assert.match(named.read('10_view.sql'), /Its times \(datep, datep2\)/);
  assert.match(named.read('10_view.sql'), /NULL::text AS organizer_email/);
  const unknown = await write(tables, '--table', 'actions');
  assert.match(unknown.written.err, /There is no table actions/);
});

test('a table without a primary key is known by its unique column, and a flag may be empty', async () => {
  const { written, problems, warnings, read } = await write(`
    CREATE SCHEMA desk;
    CREATE TABLE desk.room (room_id serial NOT NULL UNIQUE, room_name varchar);
    CREATE TABLE desk.booking (booking_id serial NOT NULL UNIQUE, day date, start_time time, end_time time, is_private boolean,
      room_id integer NOT NULL REFERENCES desk.room (room_id), title varchar);
    INSERT INTO desk.room (room_name) VALUES ('1'), ('2');
    INSERT INTO desk.booking (day, start_time, end_time, room_id, title) VALUES (current_date + 2, '09:00', '10:00', 1, 'Choir')`);
  assert.equal(written.code, 0, written.out + written.err);
  // an index for the filter on rooms is generated
  expect([...problems, ...warnings]).toEqual([]);
  assert.match(read('90_uninstall.sql'), /DROP INDEX IF EXISTS desk\.bridge_booking_room_id;/);
  assert.match(read('30_watch.sql'), /SELECT 'booking', changed\.booking_id/);
  assert.match(read('11_resources.sql'), /room_id/);
});

test('bookings without texts', async () => {
  const { problems, read } = await write(`
    CREATE TABLE rooms (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
    CREATE TABLE bookings (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), room_id uuid NOT NULL REFERENCES rooms, starts_at timestamptz NOT NULL,
      ends_at timestamptz NOT NULL, status text NOT NULL DEFAULT 'confirmed');
    CREATE INDEX ON bookings (room_id);
    INSERT INTO rooms (name) VALUES ('A'), ('B');
    INSERT INTO bookings (room_id, starts_at, ends_at, status) SELECT id, ${next(24)}, ${next(25)}, unnest('{confirmed,cancelled}'::text[]) FROM rooms`);
  assert.match(read('40_defaults.sql'), /no-text/);
  expect(problems).toEqual([]);
});

test('a database without anything like bookings is told so', async () => {
  const { written } = await write('CREATE TABLE person (id serial PRIMARY KEY, born date)');
  assert.equal(written.code, 1);
  assert.match(written.err, /No bookings table was found/);
});
