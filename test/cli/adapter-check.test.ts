/** `adapter check`: each mistake that an author of an adapter makes is told with what mends it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { migrate } from '../../src/cli/migrate.ts';
import { adapters } from '../support/adapters.ts';
import { catalogue } from '../support/catalogue.ts';
import { openTestDatabase } from '../support/database.ts';
import { bookingConfig } from '../support/settings.ts';
import { book, found, spoilt } from './adapter-findings.ts';
import { cli } from './command-line.ts';

const never = new AbortController().signal;

interface Mistake {
  readonly does: string;
  /** What is run in the database before. */
  readonly sql?: string;
  readonly file: string;
  readonly change: (text: string) => string;
  readonly says: readonly [check: string, message: RegExp, repair: RegExp];
}

const wallClock = (name: string) => (text: string) =>
  text.replace(
    new RegExp(String.raw`to_timestamp\((e\.start_time|greatest\(e\.start_time, e\.end_time\))\) AS ${name}`),
    `(to_timestamp($1) AT TIME ZONE 'Europe/Oslo') AS ${name}`,
  );

const mistakes: readonly Mistake[] = [
  {
    does: 'a priority that is NULL',
    file: '10_view.sql',
    change: (text) => text.replace('1::smallint AS', 'NULL::smallint AS'),
    says: ['rows', /2 of bridge_items: priority_level is NULL \(entry\/\d+ in resource 11\)/, /1::smallint/],
  },
  {
    does: 'an instant that is NULL',
    file: '10_view.sql',
    change: (text) => text.replace('to_timestamp(e.start_time) AS', 'NULL::timestamptz AS'),
    says: ['rows', /2 of bridge_items: starts_at is NULL/, /coalesce/],
  },
  {
    does: 'several rows for one reservation in one room',
    file: '10_view.sql',
    change: (text) => text.replace('\nWHERE', '\nCROSS JOIN generate_series(1, 2)\nWHERE'),
    says: ['rows', /2 of bridge_items: .*several rows for one reservation/, /join/],
  },
  {
    does: 'an empty title',
    file: '10_view.sql',
    change: (text) =>
      text.replace(/coalesce\(nullif\(btrim\(e.name\).*?::text AS title/, "' '::text AS title"),
    says: ['rows', /2 of bridge_items: the title is empty/, /nullif\(btrim/],
  },
  {
    does: 'an end before the start',
    file: '10_view.sql',
    change: (text) => text.replace('greatest(e.start_time, e.end_time)', 'e.start_time - 60'),
    says: ['rows', /2 of bridge_items: it ends before it starts/, /greatest/],
  },
  {
    does: 'a declaration that names a column that is not there',
    file: '30_watch.sql',
    change: (text) => text.replace('description', 'beskrivelse'),
    says: [
      'sql',
      /30_watch\.sql:\d+: The table public\.mrbs_entry has no column beskrivelse/,
      /30_watch\.sql/,
    ],
  },
  {
    does: 'a table of the view without a trigger',
    file: '30_watch.sql',
    change: (text) => text.replace(/.*bridge_watch_table\('public.mrbs_area.*\n/, ''),
    says: ['triggers', /reads mrbs_area, and no trigger records/, /bridge_watch_table\('mrbs_area'/],
  },
  {
    does: 'a declaration without a column that the view reads',
    file: '30_watch.sql',
    change: (text) => text.replace("'{area_id}'", "'{disabled}'"),
    says: ['triggers', /The view reads area_id of mrbs_room, .* does not list this column/, /third argument/],
  },
  {
    does: 'a table whose rows can also be changed by the name of its parent',
    sql: 'CREATE TABLE numbered (id integer NOT NULL); ALTER TABLE mrbs_entry INHERIT numbered',
    file: '30_watch.sql',
    change: (text) => `${text} `,
    says: [
      'triggers',
      /mrbs_entry inherits from numbered: .* no trigger records its UPDATE or DELETE/,
      /bridge_watch_table\('numbered', .*'\{UPDATE,DELETE\}'\)/,
    ],
  },
  {
    does: 'a child table whose rows the view shows',
    sql: 'CREATE TABLE entry_of_2027 () INHERITS (mrbs_entry)',
    file: '30_watch.sql',
    change: (text) => `${text} `,
    says: [
      'triggers',
      /The view reads entry_of_2027 too, .* from mrbs_entry, and no trigger .* INSERT or UPDATE or DELETE/,
      /FROM ONLY mrbs_entry/,
    ],
  },
  {
    does: 'a cancellation that takes other reservations with it',
    file: '20_functions.sql',
    change: (text) =>
      text.replace(
        /DELETE FROM mrbs_entry (\w+) WHERE \1\.id = \$2/,
        'DELETE FROM mrbs_entry $1 WHERE $1.name = (SELECT o.name FROM mrbs_entry o WHERE o.id = $$2)',
      ),
    says: [
      'functions',
      /bridge_cancel_item of entry\/\d+ also cancels 1 other reservations: entry\/\d+\./,
      /only this one/,
    ],
  },
  {
    does: 'a table of the view that the question for rights does not know',
    file: '00_rights.sql',
    change: (text) => text.replaceAll(/.*'mrbs_area'.*\n/g, ''),
    says: ['rights', /00_rights\.sql does not check mrbs_area/, /SELECT and TRIGGER/],
  },
  {
    does: 'a declaration of another type than that of the view',
    file: '30_watch.sql',
    change: (text) => text.replaceAll("'entry'", "'booking'"),
    says: ['triggers', /An imported meeting was not recorded in the outbox as entry\//, /type of the view/],
  },
  {
    does: 'a declaration whose query fails at each write',
    file: '30_watch.sql',
    change: (text) => text.replace("'entry', changed.id", "'entry', 1 / (changed.id - changed.id)"),
    says: ['triggers', /An imported meeting was not recorded in the outbox as entry\//, /type of the view/],
  },
  {
    does: 'a declaration whose query reads a table that is not there',
    file: '30_watch.sql',
    change: (text) =>
      text.replace(
        "'entry', NULL$$, '{area_id}'",
        () => "'entry', e.id FROM public.mrbs_entri e WHERE e.room_id = changed.id$$, '{area_id}'",
      ),
    says: ['triggers', /Changes of mrbs_room are not recorded: .*mrbs_entri/, /30_watch\.sql/],
  },
  {
    does: 'an import that takes the zone of the session',
    file: '20_functions.sql',
    change: (text) =>
      text.replace(/\(item ->> '(\w+)'\)::timestamptz/g, "(item ->> '$1')::timestamptz::timestamp"),
    says: ['functions', /called with starts_at .* the view shows it 14 h later/, /same zone/],
  },
  {
    does: 'a view that takes the zone of the session',
    file: '10_view.sql',
    change: (text) =>
      text.replace('to_timestamp(e.start_time) AS', 'to_timestamp(e.start_time)::date::timestamptz AS'),
    says: ['zone', /depend on the zone of the session/, /AT TIME ZONE/],
  },
  {
    does: 'whole days that begin at another hour in our zone',
    file: '10_view.sql',
    change: (text) => text.replace('>= 82800 AS', '>= 0 OR true AS'),
    says: ['rows', /all_day, but not from midnight to midnight/, /BOOKING_TIMEZONE/],
  },
  {
    does: 'a start without a zone',
    file: '10_view.sql',
    change: wallClock('starts_at'),
    says: ['view', /starts_at of bridge_items is timestamp without time zone/, /AT TIME ZONE \(SELECT value/],
  },
  {
    does: 'a column that is missing',
    file: '10_view.sql',
    change: (text) => text.replace(/,\n[^\n]*AS is_private/, ''),
    says: ['view', /no column is_private/, /of type boolean/],
  },
  {
    does: 'an import that returns nothing but a number',
    file: '20_functions.sql',
    change: (text) =>
      text
        .replace(', OUT reservation_type text, OUT reservation_id bigint)', ') RETURNS bigint')
        .replace(/ +reservation_type := 'entry';\n +reservation_id := made;/, '  RETURN made;'),
    says: ['functions', /bridge_import_item takes \(jsonb\) and returns bigint/, /OUT reservation_type text/],
  },
  {
    does: 'an import that does not set what it returns',
    file: '20_functions.sql',
    change: (text) => text.replace("  reservation_type := 'entry';\n", ''),
    says: ['functions', /returned NULL as reservation_type and \d+ as reservation_id/, /Set both/],
  },
  {
    does: 'an import that fails',
    file: '20_functions.sql',
    change: (text) => text.replace('INSERT INTO mrbs_entry (room_id', 'INSERT INTO mrbs_entry (rom_id'),
    says: ['functions', /rom_id.*bridge_import_item, line \d+, SQLSTATE 42703/, /bridge_import_item/],
  },
  {
    does: 'an import that does not look whether the room is taken',
    file: '20_functions.sql',
    change: (text) => text.replace("item ->> 'overlap' = 'allow' OR", 'true OR'),
    says: ['functions', /second meeting in the same slot was imported/, /23P01/],
  },
  {
    does: 'an import that makes a booking of a meeting without a start',
    file: '20_functions.sql',
    change: (text) =>
      text
        .replace('  IF starts IS NULL OR ends IS NULL OR ends < starts THEN', '  IF ends < starts THEN')
        .replace('SELECT room, starts, ends,', 'SELECT room, coalesce(starts, 0), ends,'),
    says: ['functions', /A meeting without a start was imported/, /22023/],
  },
  {
    does: 'an import that fails otherwise for a room that is none',
    file: '20_functions.sql',
    change: (text) =>
      text.replace(/room % *\.', room USING ERRCODE = '23503'/, "room %.', room USING ERRCODE = '42704'"),
    says: [
      'functions',
      /A meeting in an unknown room failed: There is no room \d+ \(.*SQLSTATE 42704\)\.$/,
      /22023/,
    ],
  },
  {
    does: 'a change that says it stored what it did not',
    file: '20_functions.sql',
    change: (text) => text.replace(/name = CASE WHEN change \? 'title'.*\n/, '\n'),
    says: ['functions', /called with title .* shows "Adapter check"/, /bridge_change_item/],
  },
  {
    does: 'an import that does not shorten what its column limits',
    file: '20_functions.sql',
    change: (text) =>
      text.replace(
        "left(coalesce(btrim(item ->> 'title'), ''), 80)",
        "coalesce(btrim(item ->> 'title'), '')",
      ),
    says: ['functions', /long title and text failed: .*SQLSTATE 22001/, /in bridge_import_item: left\(/],
  },
  {
    does: 'a change that does not shorten what its column limits',
    file: '20_functions.sql',
    change: (text) =>
      text.replace(
        "left(coalesce(btrim(change ->> 'title'), ''), 80)",
        "coalesce(btrim(change ->> 'title'), '')",
      ),
    says: ['functions', /long title and text failed: .*SQLSTATE 22001/, /in bridge_change_item: left\(/],
  },
  {
    does: 'a filter that reaches no index',
    file: '10_view.sql',
    change: (text) => text.replace('e.id = k.id::bigint AND ', ''),
    says: ['plans', /reservation_id = \$2 reads all rows of mrbs_/, /10_view\.sql/],
  },
  {
    does: 'an ability that is none',
    file: '40_defaults.sql',
    change: (text) => text.replace("'one-room'", "'one-room no-coffee'"),
    says: ['abilities', /unknown words: no-coffee/, /no-overlap/],
  },
  {
    does: 'a statement that is none',
    file: '10_view.sql',
    change: (text) => text.replace('e.room_id AS', 'e.room_idd AS'),
    says: ['sql', /10_view\.sql:11: .*room_idd.*SQLSTATE 42703/, /./],
  },
];

describe('an adapter with a mistake is told of it', () => {
  test.each(mistakes)('$does', async ({ sql = '', file, change, says: [check, message, repair] }) => {
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await book(db);
    await db.query(sql);
    const problems = (await found(db, spoilt(file, change))).filter(({ state }) => state === 'problem');
    expect(problems).toContainEqual({
      state: 'problem',
      check,
      message: expect.stringMatching(message) as string,
      repair: expect.stringMatching(repair) as string,
    });
  });
});

test.each(adapters)(
  'the adapter %s has none, before it is installed and after, and nothing is left of the check',
  async (adapter) => {
    for (const what of ['bare', 'installed'] as const) {
      await using db = await openTestDatabase({ schema: `${what} ${adapter}` });
      const before = await catalogue(db, 'all');
      const findings = await found(db, adapter);
      assert.deepEqual(
        findings.filter(({ state }) => state === 'problem'),
        [],
      );
      assert.ok(
        findings.some(({ message }) => /a meeting was imported, read, changed, cancelled/.test(message)),
      );
      assert.deepEqual(await catalogue(db, 'all'), before);
      if (what === 'installed')
        assert.deepEqual(
          await db.query(
            'SELECT FROM bridge_changes UNION ALL SELECT FROM bridge_items WHERE title LIKE $1',
            ['Adapter check%'],
          ),
          [],
        );
    }
  },
);

test.each([
  {
    ability: 'no-private',
    file: '10_view.sql',
    change: (text: string) => text.replace('(e.status & 1) = 1 AS is_private', 'false AS is_private'),
  },
  {
    ability: 'no-overlap',
    file: '20_functions.sql',
    change: (text: string) => text.replace("item ->> 'overlap' = 'allow' OR", 'false OR'),
  },
])(
  'what the booking system cannot do and does not declare is named: $ability',
  async ({ ability, file, change }) => {
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await book(db);
    const warned = (await found(db, spoilt(file, change))).filter(({ check }) => check === 'abilities');
    expect(warned.filter(({ state }) => state === 'warning').map(({ repair }) => repair)).toEqual([
      expect.stringContaining(`the word ${ability} `),
    ]);
  },
);

test('an adapter that is only read from needs no functions', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await book(db);
  const folder = spoilt('40_defaults.sql', (text) => text.replace("'one-room'", "'one-way'"));
  writeFileSync(join(folder, '20_functions.sql'), '');
  const problems = (await found(db, folder)).filter(({ state }) => state === 'problem');
  expect(problems).toEqual([]);
});

test('a table that a rule of a booking table writes is none that the view reads', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await book(db);
  await db.query(`CREATE TABLE entry_log (id integer, was text);
    CREATE RULE logged AS ON UPDATE TO mrbs_entry DO ALSO INSERT INTO entry_log VALUES (OLD.id, OLD.name)`);
  expect((await found(db, 'mrbs')).filter(({ state }) => state === 'problem')).toEqual([]);
});

test('the next bookings are shown in local time', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await book(db);
  const note = (await found(db, 'mrbs')).find(({ message }) => /next bookings/.test(message));
  assert.match(note?.message ?? '', /Europe\/Oslo/);
  assert.match(
    note?.repair ?? '',
    /\d{4}-\d\d-\d\d 10:00 to 11:00, resource 11 \(Council chamber\): Choir \(entry\/\d+\)/,
  );
});

test('the command exits with 1 for a problem and 0 without', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  const env = { DATABASE_URL: db.url, BOOKING_TIMEZONE: 'Europe/Oslo' };
  const well = await cli(env, 'adapter', 'check', 'mrbs');
  assert.equal(well.code, 0, well.out + well.err);
  const folder = spoilt('10_view.sql', (text) => text.replace('1::smallint AS', '1 AS'));
  const ill = await cli(env, 'adapter', 'check', folder, '--json');
  assert.equal(ill.code, 1, ill.out + ill.err);
  assert.match(ill.out, /priority_level of bridge_items is integer, not smallint/);
});

test.each(
  mistakes.filter(
    ({ file, says: [check, message] }) =>
      (file !== '30_watch.sql' && ['view', 'sql'].includes(check)) || / takes /.test(message.source),
  ),
)('migrate refuses $does, and changes nothing', async ({ file, change, says: [, message] }) => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  const before = await catalogue(db, 'all');
  const failure = await migrate(bookingConfig(db, spoilt(file, change)), () => undefined, never).catch(
    (error: unknown) => error as { message: string; hint: string },
  );
  assert.ok('hint' in failure);
  assert.match(failure.message, /does not keep the contract/);
  assert.match(failure.hint, message);
  assert.deepEqual(await catalogue(db, 'all'), before);
});
