/** What an adapter's SQL fails with is told with file, line and statement, and in a function with the function and its line. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tellFailure } from '../../src/booking/adapter-sql.ts';
import { migrate } from '../../src/cli/migrate.ts';
import { Permanent } from '../../src/errors.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openRole } from '../support/roles.ts';
import { bookingConfig } from '../support/settings.ts';
import { book, found, spoilt } from './adapter-findings.ts';
import { cli } from './command-line.ts';

interface Failing {
  readonly does: string;
  readonly file: string;
  readonly change: (text: string) => string;
  /** A text of the line that is to be named. */
  readonly at: string;
  readonly says: RegExp;
}

const division = 'DO $div$\nDECLARE\n  n integer := 0;\nBEGIN\n  n := 1 / n; -- here\nEND $div$;\n';

const statements: readonly Failing[] = [
  {
    does: 'a word that is none in the view',
    file: '10_view.sql',
    change: (text) => text.replace('JOIN public.mrbs_room r', 'JION public.mrbs_room r'),
    at: 'JION',
    says: /syntax error at or near "JION" \(SQLSTATE 42601\), in: CREATE OR REPLACE VIEW public\.bridge_items AS$/,
  },
  {
    does: 'a word that is none in a function',
    file: '20_functions.sql',
    change: (text) => text.replace('  RETURN true;\nEND $cancel$', '  RETRUN true;\nEND $cancel$'),
    at: 'RETRUN',
    says: /syntax error at or near "RETRUN".*SQLSTATE 42601\), in: CREATE OR REPLACE FUNCTION public\.bridge_cancel_item/,
  },
  {
    does: 'an error in what a DO block does, behind a comment with a sign of two halves',
    file: '15_indexes.sql',
    change: () => `-- 🙂\n/* two\nlines */ SELECT '🙂';\n-- more\n${division}`,
    at: '-- here',
    says: /division by zero \(SQLSTATE 22012\), in: DO \$div\$$/,
  },
  {
    does: 'an error in a function that a statement calls',
    file: '30_watch.sql',
    change: (text) => text.replace('description', 'beskrivelse'),
    at: "bridge_watch_table('public.mrbs_entry'",
    says: /no column beskrivelse \(bridge_watch_table, line \d+, SQLSTATE 42703\), in: SELECT public\.bridge_watch_table\('public\.mrbs_entry'/,
  },
  {
    does: 'an error in the settings it chooses',
    file: '40_defaults.sql',
    change: (text) => text.replace('FROM public.bridge_settings s', 'FROM public.bridge_setings s'),
    at: 'bridge_setings',
    says: /"public\.bridge_setings" does not exist \(SQLSTATE 42P01\), in: SELECT 'default_create_by is not set/,
  },
  {
    does: 'an error in the question for rights',
    file: '00_rights.sql',
    change: (text) => text.replace('WHERE t.id IS NULL OR CASE', 'WHERE t.idd IS NULL OR CASE'),
    at: 't.idd',
    says: /column t\.idd does not exist \(SQLSTATE 42703\), in: WITH wants \(name, privilege, columns\)/,
  },
];

/** The place that is to be named: the line of the file with this text. */
function placeOf(folder: string, { file, at }: Pick<Failing, 'file' | 'at'>): string {
  const lines = readFileSync(join(folder, file), 'utf8').split('\n');
  const line = lines.findIndex((text) => text.includes(at));
  assert.notEqual(line, -1);
  return `${file}:${line + 1}: `;
}

const problems = async (db: TestDatabase, folder: string) =>
  (await found(db, folder)).filter(({ state }) => state === 'problem').map(({ message }) => message);

describe.each(statements)('$does', ({ file, change, at, says }) => {
  test('is told by adapter check', async () => {
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    const folder = spoilt(file, change);
    const told = (await problems(db, folder)).find((message) =>
      message.startsWith(placeOf(folder, { file, at })),
    );
    expect(told).toMatch(says);
  });

  test('is told by migrate', async () => {
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    const folder = spoilt(file, change);
    const failure = await migrate(
      bookingConfig(db, folder),
      () => undefined,
      new AbortController().signal,
    ).then(
      () => assert.fail('it was installed'),
      (error: unknown) => error,
    );
    assert.ok(failure instanceof Permanent);
    const told = [failure.message, ...(failure.hint ?? '').split('\n')].find((line) =>
      line.startsWith(placeOf(folder, { file, at })),
    );
    expect(told).toMatch(says);
  });
});

describe('doctor', () => {
  async function doctor(folder: string, spoil = ''): Promise<string[]> {
    await using db = await openTestDatabase({ schema: 'installed mrbs' });
    await book(db);
    await db.query(`UPDATE bridge_settings SET value = '${folder}' WHERE name = 'adapter'; ${spoil}`);
    const env = { DATABASE_URL: db.url, BOOKING_TIMEZONE: 'Europe/Oslo', BOOKING_ADAPTER: folder };
    const { findings } = (await cli(env, 'doctor', '--json')).json() as {
      findings: { state: string; message: string }[];
    };
    return findings.filter(({ state }) => state === 'problem').map(({ message }) => message);
  }

  test.each(statements.filter(({ file }) => /^(00|40)/.test(file)))(
    'tells $does, and goes on',
    async ({ file, change, at, says }) => {
      const folder = spoilt(file, change);
      const told = await doctor(folder);
      expect(told.find((message) => message.startsWith(placeOf(folder, { file, at })))).toMatch(says);
    },
  );

  test('tells a function in the view that fails, with its line', async () => {
    const told = await doctor(
      'mrbs',
      `CREATE FUNCTION wrong(n integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN\n\n  RETURN 1 / (n - n) = 1; END';
       CREATE OR REPLACE VIEW bridge_remarks AS SELECT 'entry'::text AS reservation_type, 1::bigint AS reservation_id, wrong(1)::text AS remark;`,
    );
    expect(told).toContainEqual(
      expect.stringMatching(
        /bridge_remarks cannot be read: division by zero \(wrong, line 3, SQLSTATE 22012\)/,
      ),
    );
  });
});

describe('adapter check tells what fails only when it runs', () => {
  test('in a function of the adapter, by the line of the file', async () => {
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await book(db);
    const folder = spoilt('20_functions.sql', (text) =>
      text.replace('    ical_sequence = e.ical_sequence + 1', '    ical_sequence = e.ical_sequence / 0'),
    );
    // PostgreSQL names the statement of a function, which begins with UPDATE
    const place = placeOf(folder, {
      file: '20_functions.sql',
      at: 'UPDATE mrbs_entry e SET start_time',
    }).replace(/: $/, '');
    expect(await problems(db, folder)).toContainEqual(
      expect.stringMatching(
        new RegExp(String.raw`division by zero \(${place}, bridge_change_item, line \d+, SQLSTATE 22012\)`),
      ),
    );
  });

  test('in the view, by its column', async () => {
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await book(db);
    const folder = spoilt('10_view.sql', (text) =>
      text.replace('1::smallint AS', '(1 / (e.id - e.id))::smallint AS'),
    );
    expect(await problems(db, folder)).toContainEqual(
      'It failed: division by zero (SQLSTATE 22012), in priority_level of bridge_items.',
    );
  });
});

test('an index that only the owner may create: the ways that print the statement for the owner are told', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await using role = await openRole(db, []);
  const { client } = await role.session();
  const statement = '-- of the room\nCREATE INDEX ON public.mrbs_entry (name);';
  const error: unknown = await client.query(statement).catch((caught: unknown) => caught);
  const told = tellFailure(error, { statement, line: 1, folder: '/ours', file: '15_indexes.sql' });
  assert.match(told?.hint ?? '', /bridge_index\(.*owner/);
});
