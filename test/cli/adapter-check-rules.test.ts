/** `adapter check`: functions and declarations that work for one meeting, but break a rule of sql/README.md for another. */
import { describe, expect, test } from 'vitest';
import { campus } from '../support/adapters.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { book, found, spoilt } from './adapter-findings.ts';

interface Mistake {
  readonly does: string;
  readonly file: string;
  readonly change: (text: string) => string;
  readonly says: readonly [check: string, message: RegExp, repair: RegExp];
}

const functions = '20_functions.sql';

const ofOneRoom: readonly Mistake[] = [
  {
    does: 'an overlap in another room',
    file: functions,
    change: (text) => text.replace('o.room_id = room AND (o.status', '(o.status'),
    says: ['functions', /A meeting in room \d+, which is free, was refused/, /must compare the room/],
  },
  {
    does: 'a meeting that begins when another one ends',
    file: functions,
    change: (text) => text.replace('o.end_time > starts))\n', 'o.end_time >= starts))\n'),
    says: ['functions', /A meeting that begins when another one ends was refused/, /with < and >/],
  },
  {
    does: 'a meeting that ends when another one begins',
    file: functions,
    change: (text) => text.replace('o.start_time < ends AND', 'o.start_time <= ends AND'),
    says: ['functions', /A meeting that ends when another one begins was refused/, /with < and >/],
  },
  {
    does: 'only meetings with the same start',
    file: functions,
    change: (text) =>
      text.replace('o.start_time < ends AND o.end_time > starts))', 'o.start_time = starts))'),
    says: [
      'functions',
      /A meeting that begins during another one in its room was imported/,
      /b\.ends > starts/,
    ],
  },
  {
    does: 'meetings only where they begin within another one',
    file: functions,
    change: (text) =>
      text.replace(
        'o.start_time < ends AND o.end_time > starts))',
        'o.start_time <= starts AND o.end_time > starts))',
      ),
    says: [
      'functions',
      /A meeting around the time of another one in its room was imported/,
      /b\.ends > starts/,
    ],
  },
  {
    does: 'a change to a taken time',
    file: functions,
    change: (text) => text.replace("change ->> 'overlap' = 'refuse' AND EXISTS", 'false AND EXISTS'),
    says: ['functions', /overlap refuse moved a reservation to a time that is taken/, /23P01/],
  },
  {
    does: 'a change to a taken room',
    file: functions,
    change: (text) =>
      text.replace('o.room_id = room AND o.id <> was.id', 'o.room_id = was.room_id AND o.id <> was.id'),
    says: ['functions', /overlap refuse moved a reservation to a room that is taken/, /23P01/],
  },
  {
    does: 'a change that collides with the reservation itself',
    file: functions,
    change: (text) => text.replace('o.room_id = room AND o.id <> was.id', 'o.room_id = room'),
    says: ['functions', /failed on a time that only the reservation itself takes/, /b\.id <> \$2/],
  },
  {
    does: 'a change that empties what it was not given',
    file: functions,
    change: (text) =>
      text.replace(/description = CASE WHEN change \? .* END,/, "description = change ->> 'description',"),
    says: [
      'functions',
      /called with title, ends_at and changed description from "Rolled back at once" to null/,
      /absent key means unchanged/,
    ],
  },
  {
    does: 'a change that keeps the room',
    file: functions,
    change: (text) => text.replace('room_id = room,\n', 'room_id = was.room_id,\n'),
    says: ['functions', /with resource_ids \[\d+\], the view shows room \d+/, /must store resource_ids/],
  },
  {
    does: 'an empty change that writes',
    file: functions,
    change: (text) => text.replace(/  IF change = '\{\}' THEN\n.*\n  END IF;\n/, ''),
    says: ['functions', /with an empty change writes to the booking system/, /RETURN '\{\}'/],
  },
  {
    does: 'an empty change that does not lock',
    file: functions,
    change: (text) => text.replace("$1 = 'entry' FOR UPDATE", "$1 = 'entry'"),
    says: ['functions', /with an empty change does not lock the reservation/, /FOR UPDATE/],
  },
  {
    does: 'a change of nothing that succeeds',
    file: functions,
    change: (text) =>
      text.replace(/IF was\.id IS NULL THEN\n.*\n/, "IF was.id IS NULL THEN\n    RETURN '{}';\n"),
    says: ['functions', /bridge_change_item of a reservation that does not exist succeeded/, /P0002/],
  },
  {
    does: 'whole days with an inclusive end',
    file: functions,
    change: (text) =>
      text.replace(
        'SELECT room, starts, ends,',
        "SELECT room, starts, ends + CASE WHEN (item ->> 'all_day')::boolean THEN 86400 ELSE 0 END,",
      ),
    says: [
      'functions',
      /of two whole days was called with ends_at .*Z"; the view shows it 24 h later/,
      /end is exclusive/,
    ],
  },
  {
    does: 'the end of a meeting on the day of its start',
    file: functions,
    change: (text) =>
      text.replace('SELECT room, starts, ends,', 'SELECT room, starts, least(ends, starts + 7200),'),
    says: [
      'functions',
      /that ends after midnight was called with ends_at .*; the view shows it 1 h earlier/,
      /end is exclusive/,
    ],
  },
  {
    does: 'a change that keeps the start',
    file: functions,
    change: (text) => text.replace('SET start_time = starts, end_time = ends', 'SET end_time = ends'),
    says: [
      'functions',
      /bridge_change_item was called with starts_at .*; the view shows it 0\.25 h earlier/,
      /same zone/,
    ],
  },
  {
    does: 'a change that keeps the duration',
    file: functions,
    change: (text) =>
      text.replace('::integer, was.end_time);', '::integer, was.end_time - was.start_time + starts);'),
    says: ['functions', /called with starts_at and changed ends_at/, /absent key means unchanged/],
  },
  {
    does: 'a change that keeps the text, which an import stores',
    file: functions,
    change: (text) =>
      text.replace(/description = CASE WHEN change \? .* END,/, 'description = e.description,'),
    says: [
      'functions',
      /bridge_change_item was called with description "Adapter check, changed"; the view shows "Rolled/,
      /Fix bridge_change_item/,
    ],
  },
  {
    does: 'a change that keeps a meeting private',
    file: functions,
    change: (text) => text.replace('(e.status & ~1) | CASE', 'e.status | CASE'),
    says: [
      'functions',
      /bridge_change_item was called with is_private false; the view shows true/,
      /Fix bridge_change_item/,
    ],
  },
  {
    does: 'an id that is used again',
    file: functions,
    change: (text) =>
      text
        .replace('INSERT INTO mrbs_entry (', 'INSERT INTO mrbs_entry (id, ')
        .replace(
          'SELECT room, starts, ends,',
          'SELECT (SELECT max(o.id) + 1 FROM mrbs_entry o), room, starts, ends,',
        ),
    says: ['functions', /gave a new meeting the id of a cancelled reservation/, /sequence/],
  },
  {
    does: 'a view of future bookings',
    file: '10_view.sql',
    change: (text) => text.replace('WHERE coalesce(', 'WHERE to_timestamp(e.end_time) > now() AND coalesce('),
    says: ['rows', /depends on the current time \(now\(\)\)/, /SYNC_PAST_DAYS/],
  },
  {
    does: 'a value that may be NULL',
    file: '10_view.sql',
    change: (text) => text.replace('(e.status & 1) = 1 AS', "(e.description LIKE 'Closed%') AS"),
    says: ['rows', /If mrbs_entry\.description is NULL, bridge_items shows is_private as NULL/, /coalesce/],
  },
  {
    does: 'one room without a declaration',
    file: '40_defaults.sql',
    change: (text) => text.replace("'one-room'", "''"),
    says: [
      'functions',
      /A meeting in rooms \d+ and \d+ failed: An entry of MRBS has one room/,
      /the word one-room/,
    ],
  },
];

const ofExisting: readonly Mistake[] = [
  {
    does: 'a change of time that reaches all bookings of a name',
    file: functions,
    change: (text) =>
      text.replace(
        'ical_sequence = e.ical_sequence + 1\n  WHERE e.id = was.id',
        "ical_sequence = e.ical_sequence + 1\n  WHERE e.id = was.id;\n  UPDATE mrbs_entry e SET end_time = ends WHERE e.name = 'Choir' AND change ? 'ends_at'",
      ),
    says: [
      'functions',
      /bridge_change_item of entry\/\d+ also changes 1 other reservations/,
      /only this one/,
    ],
  },
  {
    does: 'a right that only the cancellation needs',
    file: functions,
    change: (text) =>
      text.replace(
        '  DELETE FROM mrbs_entry',
        "  RAISE EXCEPTION 'permission denied for table mrbs_entry' USING ERRCODE = '42501';\n  DELETE FROM mrbs_entry",
      ),
    says: [
      'functions',
      /bridge_cancel_item of entry\/\d+, an existing reservation, failed: permission denied/,
      /Grant the privilege/,
    ],
  },
];

const ofSeveralRooms: readonly Mistake[] = [
  {
    does: 'one room of several',
    file: functions,
    change: (text) => text.replace('SELECT made, r FROM unnest(rooms) r;', 'SELECT made, rooms[1];'),
    says: ['functions', /with rooms \d+ and \d+, the view shows \d+\./, /store every room/],
  },
  {
    does: 'rooms that are never removed',
    file: functions,
    change: (text) => text.replace('  IF leaves THEN', '  IF false THEN'),
    says: ['functions', /from rooms \d+ and \d+ to room \d+ left rooms \d+ and \d+/, /full list of rooms/],
  },
  {
    does: 'a view that hides cancelled reservations',
    file: '10_view.sql',
    change: (text) => text.replace('= ANY (ARRAY[e.id])\n', '= ANY (ARRAY[e.id]) AND e.active = 1\n'),
    says: ['functions', /does not show the reservation, although no row was deleted/, /active = false/],
  },
  {
    does: 'a cancellation that succeeds twice',
    file: functions,
    change: (text) =>
      text.replace('ELSIF was <> 1 THEN\n    RETURN false;\n', 'ELSIF was <> 1 THEN\n    RETURN true;\n'),
    says: ['functions', /of a cancelled reservation returned true/, /Return false/],
  },
  {
    does: 'a note that is added twice',
    file: functions,
    change: (text) =>
      text
        .replace('ELSIF was <> 1 THEN\n    RETURN false;\n', '')
        .replace("coalesce(note, '') = '' OR position(note IN coalesce(e.description, '')) > 0", 'false'),
    says: ['functions', /of a cancelled reservation changed it/, /added to the description once/],
  },
  {
    does: 'a change that makes a cancelled reservation active',
    file: functions,
    change: (text) =>
      text.replace(
        'UPDATE bb_event e SET from_ = starts,',
        'UPDATE bb_event e SET active = 1, from_ = starts,',
      ),
    says: ['functions', /of a cancelled reservation makes it active again/, /leave the state/],
  },
  {
    does: 'the time of cancelled reservations',
    file: functions,
    change: (text) => text.replace('= ANY (rooms) AND i.active\n', '= ANY (rooms)\n'),
    says: ['functions', /A meeting in the time of a cancelled one was refused/, /ignore cancelled/],
  },
  {
    does: 'a declaration with the wrong join',
    file: '30_watch.sql',
    change: (text) => text.replace('WHERE b.group_id = changed.id AND', 'WHERE b.id = changed.id AND'),
    says: ['triggers', /bb_group: an UPDATE of name.* changed booking\/\d+ in the view/, /every reservation/],
  },
];

/** Bookings of one group, whose ids differ from that of the group. */
const bookForGroup = (db: TestDatabase) =>
  db.query(
    `WITH b AS (
       INSERT INTO bb_booking (group_id, building_name, season_id, active, from_, to_, activity_id, secret)
       SELECT 3, 'Rådhuset', 1, 1, d + interval '18 hours', d + interval '20 hours', 1, 's'
       FROM (SELECT date_trunc('day', now() AT TIME ZONE 'Europe/Oslo') + interval '2 days' AS d) s RETURNING id)
     INSERT INTO bb_booking_resource (booking_id, resource_id) SELECT id, 101 FROM b`,
  );

describe('a rule that the first meeting does not show', () => {
  test.each([
    ...[...ofOneRoom, ...ofExisting].map((mistake) => ({ ...mistake, adapter: 'mrbs', fill: book })),
    ...ofSeveralRooms.map((mistake) => ({ ...mistake, adapter: 'portico', fill: bookForGroup })),
  ])('$adapter: $does', async ({ file, change, adapter, fill, says: [check, message, repair] }) => {
    await using db = await openTestDatabase({ schema: `bare ${adapter}` as 'bare mrbs' });
    await fill(db);
    const problems = (await found(db, spoilt(file, change, adapter))).filter(
      ({ state }) => state === 'problem' || state === 'warning',
    );
    expect(problems).toContainEqual({
      state: expect.stringMatching(/problem|warning/) as string,
      check,
      message: expect.stringMatching(message) as string,
      repair: expect.stringMatching(repair) as string,
    });
  });
});

test('nothing is found in the adapters themselves', async () => {
  for (const [adapter, fill] of [
    ['mrbs', book],
    ['portico', bookForGroup],
  ] as const) {
    await using db = await openTestDatabase({ schema: `bare ${adapter}` });
    await fill(db);
    expect((await found(db, adapter)).filter(({ state }) => /problem|warning/.test(state))).toEqual([]);
  }
});

test('where the room with the most bookings requires approval, another room is used', async () => {
  await using db = await openTestDatabase({ schema: `bare ${campus}` });
  await db.query(`INSERT INTO campus_booking (room_code, during, title, status)
    SELECT 'C-303', tstzrange(now() + make_interval(days => d), now() + make_interval(days => d, hours => 1)), 'Senate', 'confirmed'
    FROM generate_series(1, 3) d`);
  const findings = await found(db, campus);
  expect(findings.filter(({ state }) => /problem|warning/.test(state))).toEqual([]);
  expect(findings.map(({ message }) => message).join('\n')).not.toMatch(/awaits approval/);
});

test('meetings in several rooms are tested on a day on which two rooms are free', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  // each room has the time of every other day, but of the last ones none
  await db.query(`INSERT INTO mrbs_entry (room_id, start_time, end_time, name, create_by, modified_by)
    SELECT 11 + d % 2, extract(epoch FROM t.at), extract(epoch FROM t.at + interval '1 hour'), 'Choir', 'kari', 'kari'
    FROM generate_series(1, 30) d,
      LATERAL (SELECT (date_trunc('day', now() AT TIME ZONE 'Europe/Oslo') + make_interval(days => d, hours => 10)) AT TIME ZONE 'Europe/Oslo' AS at) t`);
  expect((await found(db, 'mrbs')).map(({ message }) => message).join('\n')).not.toMatch(/No second room/);
});

test('a reservation with a key is named by it, and each refusal is reported once', async () => {
  await using db = await openTestDatabase({ schema: `bare ${campus}` });
  await db.query(`INSERT INTO campus_booking (room_code, during, title, status)
    SELECT 'A-101', tstzrange(now() + make_interval(days => d), now() + make_interval(days => d, hours => 1)), 'Senate', 'confirmed'
    FROM generate_series(1, 3) d`);
  const folder = spoilt(
    functions,
    (text) =>
      text.replace(
        /(-- it is only to be locked\n {2}END IF;\n)/,
        "$1  RAISE EXCEPTION 'It is fixed.' USING ERRCODE = '22023';\n",
      ),
    campus,
  );
  const refused = (await found(db, folder)).filter(({ message }) =>
    /existing reservation, failed/.test(message),
  );
  expect(refused.map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /bridge_change_item of booking\/[0-9a-f]{8}-[0-9a-f-]+, an existing reservation, failed: It is fixed/,
    ) as string,
  ]);
});
