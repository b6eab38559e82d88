-- The tables of Indico 3.3 that the bridge touches, for tests: names, types, keys, checks and indexes, as SQLAlchemy makes them
-- (no defaults in the database: Indico fills every column itself). Source: the models of indico/modules/rb and
-- indico/modules/users, and the migrations up to 3.3.13-dev, in github.com/indico/indico at b8f1fde8b81b.
CREATE SCHEMA roombooking;
CREATE SCHEMA users;

CREATE TABLE users.users (
  id serial PRIMARY KEY,
  first_name varchar NOT NULL,
  last_name varchar NOT NULL,
  is_system boolean NOT NULL,
  is_deleted boolean NOT NULL,
  is_pending boolean NOT NULL
);

CREATE TABLE users.emails (
  id serial PRIMARY KEY,
  user_id integer NOT NULL REFERENCES users.users,
  email varchar NOT NULL CHECK (email = lower(email)),
  is_primary boolean NOT NULL,
  is_user_deleted boolean NOT NULL
);
CREATE UNIQUE INDEX ix_uq_emails_email ON users.emails (email) WHERE NOT is_user_deleted;
CREATE INDEX ix_emails_user_id ON users.emails (user_id);

CREATE TABLE roombooking.locations (
  id serial PRIMARY KEY,
  name varchar NOT NULL,
  map_url_template varchar NOT NULL,
  room_name_format varchar NOT NULL,
  is_deleted boolean NOT NULL
);

CREATE TABLE roombooking.rooms (
  id serial PRIMARY KEY,
  location_id integer NOT NULL REFERENCES roombooking.locations,
  verbose_name varchar CHECK (verbose_name <> ''),
  site varchar,
  division varchar NOT NULL,
  building varchar NOT NULL,
  floor varchar NOT NULL,
  number varchar NOT NULL,
  reservations_need_confirmation boolean NOT NULL,
  capacity integer,
  owner_id integer NOT NULL REFERENCES users.users,
  is_deleted boolean NOT NULL,
  is_reservable boolean NOT NULL
);

CREATE TABLE roombooking.reservations (
  id serial PRIMARY KEY,
  created_dt timestamp NOT NULL,
  start_dt timestamp NOT NULL,
  end_dt timestamp NOT NULL,
  repeat_frequency smallint NOT NULL CHECK (repeat_frequency = ANY (ARRAY[0, 1, 2, 3])),
  repeat_interval smallint NOT NULL,
  recurrence_weekdays varchar[] CHECK (recurrence_weekdays IS NULL OR repeat_frequency = 2),
  booked_for_id integer REFERENCES users.users,
  booked_for_name varchar NOT NULL,
  created_by_id integer REFERENCES users.users,
  room_id integer NOT NULL REFERENCES roombooking.rooms,
  state smallint NOT NULL CHECK (state = ANY (ARRAY[1, 2, 3, 4])),
  booking_reason text NOT NULL,
  rejection_reason varchar CHECK (rejection_reason <> ''),
  end_notification_sent boolean NOT NULL,
  internal_note text NOT NULL
);
CREATE INDEX ix_reservations_start_dt ON roombooking.reservations (start_dt);
CREATE INDEX ix_reservations_end_dt ON roombooking.reservations (end_dt);
CREATE INDEX ix_reservations_room_id ON roombooking.reservations (room_id);

CREATE TABLE roombooking.reservation_occurrences (
  reservation_id integer NOT NULL REFERENCES roombooking.reservations,
  link_id integer,
  start_dt timestamp NOT NULL,
  end_dt timestamp NOT NULL,
  notification_sent boolean NOT NULL,
  state smallint NOT NULL CHECK (state = ANY (ARRAY[2, 3, 4])),
  rejection_reason varchar CHECK (rejection_reason <> ''),
  PRIMARY KEY (reservation_id, start_dt)
);
CREATE INDEX ix_reservation_occurrences_start_dt ON roombooking.reservation_occurrences (start_dt);
CREATE INDEX ix_reservation_occurrences_end_dt ON roombooking.reservation_occurrences (end_dt);

CREATE TABLE roombooking.reservation_edit_logs (
  id serial PRIMARY KEY,
  timestamp timestamp NOT NULL,
  info varchar[] NOT NULL,
  user_name varchar NOT NULL,
  reservation_id integer NOT NULL REFERENCES roombooking.reservations
);
CREATE INDEX ix_reservation_edit_logs_reservation_id ON roombooking.reservation_edit_logs (reservation_id);
