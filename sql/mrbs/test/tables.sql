-- The tables of MRBS 1.11 on PostgreSQL that the bridge touches, for tests: names, types, defaults, keys and indexes.
CREATE TABLE mrbs_area (
  id serial PRIMARY KEY,
  area_name varchar(30) UNIQUE,
  disabled smallint NOT NULL DEFAULT 0,
  sort_key varchar(30) NOT NULL DEFAULT '',
  timezone varchar(50),
  area_admin_email text,
  resolution int,
  default_type char NOT NULL DEFAULT 'E',
  private_enabled smallint,
  approval_enabled smallint,
  confirmation_enabled smallint,
  enable_periods smallint,
  periods text
);

CREATE TABLE mrbs_room (
  id serial PRIMARY KEY,
  area_id int NOT NULL DEFAULT 0 REFERENCES mrbs_area (id) ON UPDATE CASCADE ON DELETE RESTRICT,
  disabled smallint NOT NULL DEFAULT 0,
  room_name varchar(25) NOT NULL,
  sort_key varchar(25) NOT NULL,
  description varchar(60),
  capacity int NOT NULL DEFAULT 0,
  room_admin_email text,
  custom_html text,
  UNIQUE (area_id, room_name)
);

CREATE TABLE mrbs_repeat (
  id serial PRIMARY KEY,
  room_id int NOT NULL DEFAULT 1 REFERENCES mrbs_room (id) ON UPDATE CASCADE ON DELETE RESTRICT,
  start_time int NOT NULL DEFAULT 0,
  end_time int NOT NULL DEFAULT 0,
  rep_type int NOT NULL DEFAULT 0,
  end_date int NOT NULL DEFAULT 0,
  rep_opt varchar(32) NOT NULL,
  create_by varchar(80) NOT NULL,
  modified_by varchar(80) NOT NULL,
  name varchar(80) NOT NULL
);

CREATE TABLE mrbs_entry (
  id serial PRIMARY KEY,
  room_id int NOT NULL DEFAULT 1 REFERENCES mrbs_room (id) ON UPDATE CASCADE ON DELETE RESTRICT,
  start_time int NOT NULL DEFAULT 0,
  end_time int NOT NULL DEFAULT 0,
  entry_type int NOT NULL DEFAULT 0,
  repeat_id int REFERENCES mrbs_repeat (id) ON UPDATE CASCADE ON DELETE CASCADE,
  name varchar(80) NOT NULL,
  type char NOT NULL DEFAULT 'E',
  description text,
  status smallint NOT NULL DEFAULT 0,
  create_by varchar(80) NOT NULL,
  modified_by varchar(80) NOT NULL,
  timestamp timestamptz DEFAULT current_timestamp,
  reminded int,
  info_time int,
  info_user varchar(80),
  info_text text,
  ical_uid varchar(255) NOT NULL DEFAULT '',
  ical_sequence smallint NOT NULL DEFAULT 0,
  ical_recur_id varchar(16)
);
CREATE INDEX mrbs_idxStartTime ON mrbs_entry (start_time);
CREATE INDEX mrbs_idxEndTime ON mrbs_entry (end_time);
CREATE INDEX mrbs_idxRoomStartEnd ON mrbs_entry (room_id, start_time, end_time);
