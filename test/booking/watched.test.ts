/** Watched tables: what an adapter declares is noted, whatever the table looks like and whatever the session is set to. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readCapture } from '../../src/booking/capture.ts';
import { migrate } from '../../src/cli/migrate.ts';
import { folderOfAdapter } from '../support/adapters.ts';
import { day } from '../support/dates.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { bookingGrants, openRole } from '../support/roles.ts';
import { bookingConfig } from '../support/settings.ts';

/** What a statement leaves in the outbox, in order, with the warnings it caused. */
async function noted(db: TestDatabase, statement: string, before = ''): Promise<string[]> {
  const client = await db.pool.connect();
  const warnings: string[] = [];
  const listen = ({ message = '' }: { message?: string | undefined }) => void warnings.push(message);
  client.on('notice', listen);
  try {
    await client.query(`BEGIN; ${before}`);
    await client.query(statement);
    await client.query('COMMIT; RESET ALL');
  } finally {
    client.off('notice', listen);
    client.release();
  }
  const rows = await db.query<{ line: string }>(
    `WITH gone AS (DELETE FROM public.bridge_changes RETURNING *)
     SELECT concat_ws(' ', coalesce(reservation_type, 'all'), coalesce(reservation_id::text, 'all')) AS line FROM gone ORDER BY 1`,
  );
  return [...rows.map(({ line }) => line), ...warnings.filter((line) => line.includes('did not note'))];
}

async function openWatched(table: string, declaration: string) {
  const db = await openTestDatabase({ schema: 'bridge' });
  await db.query(`${table}; SELECT bridge_watch_table(${declaration}); DELETE FROM bridge_changes`);
  return db;
}

test('the example in the comment of bridge_watch_body is the function that it makes', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const source = readFileSync(new URL('../../database/functions/12_watch.sql', import.meta.url), 'utf8');
  const lines = source.split('\n');
  const from = lines.indexOf('--   BEGIN');
  const example = lines.slice(from, lines.indexOf('--   END') + 1).map((line) => line.slice('--   '.length));
  const [{ body }] = (await db.query(
    `SELECT btrim(prosrc, E' \\n') AS body FROM pg_proc WHERE proname = 'bridge_on_bb_event'`,
  )) as [{ body: string }];
  assert.equal(example.join('\n'), body);
});

describe('a declared table', () => {
  test('is noted for INSERT, UPDATE, DELETE and TRUNCATE, by the key of each row', async () => {
    for (const more of [
      '',
      // where no row trigger can tell of a changed key
      'CREATE TABLE child () INHERITS (wish)',
      'CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER first BEFORE UPDATE ON wish FOR EACH ROW EXECUTE FUNCTION same()',
    ]) {
      await using db = await openWatched(
        `CREATE TABLE wish (id integer PRIMARY KEY, name text, seen integer); ${more}`,
        `'public.wish', $$SELECT 'wish', changed.id$$, '{name}'`,
      );
      assert.deepEqual(await noted(db, `INSERT INTO wish VALUES (1, 'a'), (2, 'b')`), ['wish 1', 'wish 2']);
      assert.deepEqual(await noted(db, `UPDATE wish SET name = 'b'`), ['wish 1', 'wish 2']);
      assert.deepEqual(await noted(db, 'UPDATE wish SET name = NULL WHERE id = 3'), []);
      assert.deepEqual(await noted(db, 'UPDATE wish SET id = 7 WHERE id = 1'), ['wish 1', 'wish 7']);
      assert.deepEqual(await noted(db, 'UPDATE wish SET id = id + 10, seen = 1'), [
        'wish 12',
        'wish 17',
        'wish 2',
        'wish 7',
      ]);
      assert.deepEqual(await noted(db, 'UPDATE wish SET id = id WHERE id = 12'), ['wish 12']);
      await db.query('ALTER TRIGGER bridge_update ON wish RENAME TO renamed');
      assert.deepEqual(await noted(db, `UPDATE wish SET name = 'c' WHERE id = 12`), ['wish 12']);
      await db.query('ALTER TRIGGER renamed ON wish RENAME TO bridge_update');
      assert.deepEqual(
        await noted(db, `INSERT INTO wish VALUES (12, 'a') ON CONFLICT (id) DO UPDATE SET id = 13`),
        ['wish 12', 'wish 13'],
      );
      assert.deepEqual(await noted(db, 'DELETE FROM wish WHERE id = 17'), ['wish 17']);
      assert.deepEqual(await noted(db, 'TRUNCATE wish'), ['all all']);
    }
  });

  test('is noted by both keys where another table or a trigger changes one', async () => {
    await using db = await openWatched(
      `CREATE TABLE wish (id integer PRIMARY KEY, seen integer); CREATE TABLE child () INHERITS (wish);
       CREATE TABLE grant_ (id integer PRIMARY KEY, seen integer);
       CREATE FUNCTION renumber() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.seen; RETURN NEW; END $$;
       CREATE TRIGGER first BEFORE UPDATE ON grant_ FOR EACH ROW EXECUTE FUNCTION renumber();
       SELECT bridge_watch_table('public.grant_', $$SELECT 'grant', changed.id$$)`,
      `'public.wish', $$SELECT 'wish', changed.id$$`,
    );
    await noted(db, 'INSERT INTO child VALUES (1, 1)');
    assert.deepEqual(await noted(db, 'UPDATE wish SET id = 2'), ['wish 1', 'wish 2']);
    await noted(db, 'INSERT INTO grant_ VALUES (1, 1)');
    assert.deepEqual(await noted(db, 'UPDATE grant_ SET seen = 2'), ['grant 1', 'grant 2']);
  });

  test('whose rows move between its partitions, with another key, is noted for both', async () => {
    await using db = await openWatched(
      `CREATE TABLE wish (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id);
       CREATE TABLE wish_low PARTITION OF wish FOR VALUES FROM (0) TO (10); CREATE TABLE wish_high PARTITION OF wish FOR VALUES FROM (10) TO (20)`,
      `'public.wish', $$SELECT 'wish', changed.id$$`,
    );
    assert.deepEqual(await noted(db, `INSERT INTO wish VALUES (1, 'a'), (2, 'b')`), ['wish 1', 'wish 2']);
    assert.deepEqual(await noted(db, 'UPDATE wish SET id = id + 10 WHERE id = 1'), ['wish 1', 'wish 11']);
    assert.deepEqual(await noted(db, 'UPDATE wish_low SET id = 3'), ['wish 2', 'wish 3']);
  });

  test('that leads to other reservations is not noted where no declared column changed', async () => {
    await using db = await openWatched(
      'CREATE TABLE line (id integer PRIMARY KEY, wish integer, name text, seen integer)',
      `'public.line', $$SELECT 'wish', changed.wish$$, '{name}'`,
    );
    assert.deepEqual(await noted(db, `INSERT INTO line VALUES (1, 5, 'a'), (2, 6, 'b')`), [
      'wish 5',
      'wish 6',
    ]);
    assert.deepEqual(await noted(db, 'UPDATE line SET seen = 5'), []);
    assert.deepEqual(await noted(db, `UPDATE line SET name = 'b'`), ['wish 5']);
    assert.deepEqual(await noted(db, 'UPDATE line SET name = NULL WHERE id = 2'), ['wish 6']);
    assert.deepEqual(await noted(db, 'UPDATE line SET name = NULL WHERE id = 2'), []);
    assert.deepEqual(await noted(db, `UPDATE line SET name = '' WHERE id = 2`), ['wish 6']);
  });

  test('gets other triggers where its declaration leads elsewhere than to its key', async () => {
    await using db = await openWatched(
      'CREATE TABLE wish (id integer PRIMARY KEY, part_of integer, name text)',
      `'public.wish', $$SELECT 'wish', changed.id$$, '{name}'`,
    );
    const rekeys = () =>
      db.query(`SELECT FROM pg_trigger WHERE tgname = 'bridge_rekey' AND tgrelid = 'wish'::regclass`);
    assert.equal((await rekeys()).length, 1);
    await db.query(`SELECT bridge_watch_table('public.wish', $$SELECT 'wish', changed.part_of$$, '{name}')`);
    assert.equal((await rekeys()).length, 0);
    assert.deepEqual(await noted(db, `INSERT INTO wish VALUES (1, 5, 'a')`), ['wish 5']);
    assert.deepEqual(await noted(db, 'UPDATE wish SET part_of = 6'), ['wish 5', 'wish 6']);
    await db.query(`SELECT bridge_watch_table('public.wish', $$SELECT 'wish', changed.id$$, '{name}')`);
    assert.equal((await rekeys()).length, 1);
    assert.deepEqual(await noted(db, 'UPDATE wish SET id = 2'), ['wish 1', 'wish 2']);
    assert.deepEqual((await readCapture(db.pool)).extra, []);
  });

  test('whose row moves to another reservation is noted for both, and one of none for nothing', async () => {
    await using db = await openWatched(
      'CREATE TABLE line (id integer PRIMARY KEY, wish integer, room integer)',
      `'public.line', $$SELECT 'wish', changed.wish$$, '{room}'`,
    );
    assert.deepEqual(await noted(db, 'INSERT INTO line VALUES (1, 10, 1), (2, NULL, 1), (3, 10, 2)'), [
      'wish 10',
    ]);
    assert.deepEqual(await noted(db, 'UPDATE line SET wish = 11 WHERE id = 1'), ['wish 10', 'wish 11']);
    assert.deepEqual(await noted(db, 'UPDATE line SET wish = 12 WHERE id = 2'), ['wish 12']);
    assert.deepEqual(await noted(db, 'UPDATE line SET wish = NULL WHERE id = 2'), ['wish 12']);
    assert.deepEqual(await noted(db, 'DELETE FROM line WHERE id = 2'), []);
  });

  test('without a key notes each row that was written', async () => {
    await using db = await openWatched(
      'CREATE TABLE line (wish integer, room integer)',
      `'public.line', $$SELECT 'wish', changed.wish$$`,
    );
    await noted(db, 'INSERT INTO line VALUES (1, 1), (2, 1)');
    assert.deepEqual(await noted(db, 'UPDATE line SET wish = 3, room = 2 WHERE wish = 2'), [
      'wish 2',
      'wish 3',
    ]);
  });

  test('may have columns of any type, and names that need quotes', async () => {
    await using db = await openWatched(
      `CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('open', 'shut'); CREATE DOMAIN short AS varchar(9);
       CREATE TABLE "Odd Ünes" ("Id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "from" bigint, j json, p point, m mood, s short,
         a text[], r tstzrange, c citext, n numeric)`,
      `'public."Odd Ünes"', $$SELECT 'odd', changed."from"$$`,
    );
    assert.deepEqual(await noted(db, `INSERT INTO "Odd Ünes" ("from") VALUES (9223372036854775807)`), [
      'odd 9223372036854775807',
    ]);
    for (const change of [
      `j = '{"a": 1}'`,
      `p = '(1,2)'`,
      `m = 'shut'`,
      `s = 'x'`,
      `a = '{x}'`,
      `r = '[2027-01-01,2027-01-02)'`,
      `c = 'X'`,
      `n = 1.5`,
    ]) {
      assert.deepEqual(
        await noted(db, `UPDATE "Odd Ünes" SET ${change}`),
        ['odd 9223372036854775807'],
        change,
      );
      assert.deepEqual(await noted(db, `UPDATE "Odd Ünes" SET ${change}`), [], change);
    }
  });

  test('may lead to many reservations by a query, or to a comparison of all', async () => {
    await using db = await openWatched(
      'CREATE TABLE club (id integer PRIMARY KEY, name text); CREATE TABLE wish (id integer PRIMARY KEY, club integer); INSERT INTO wish VALUES (1, 1), (2, 1), (3, 2)',
      `'public.club', $$SELECT 'wish', w.id FROM public.wish w WHERE w.club = changed.id UNION ALL SELECT 'big', -w.id FROM public.wish w WHERE w.club = changed.id$$, '{name}'`,
    );
    await noted(db, `INSERT INTO club VALUES (1, 'a'), (2, 'b')`);
    assert.deepEqual(await noted(db, `UPDATE club SET name = 'c' WHERE id = 1`), [
      'big -1',
      'big -2',
      'wish 1',
      'wish 2',
    ]);
    await db.query(`SELECT bridge_watch_table('public.club', $$SELECT 'wish', NULL$$, '{name}', '{UPDATE}')`);
    assert.deepEqual(await noted(db, `UPDATE club SET name = 'd'`), ['wish all']);
    assert.deepEqual(await noted(db, `UPDATE club SET name = 'd'`), []);
  });

  test('names the column that it does not have, and the table that is not there', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await assert.rejects(
      db.query(`SELECT bridge_watch_table('bb_event', $$SELECT 'event', changed.idd$$, '{navn}')`),
      {
        code: '42703',
        message: 'The table public.bb_event has no column idd, navn',
      },
    );
    await assert.rejects(db.query(`SELECT bridge_watch_table('x.y', $$SELECT 'event', changed.id$$)`), {
      code: '42P01',
    });
  });
});

describe('a table in another schema', () => {
  test('without the right to use it is refused with the statement that helps, and works after it', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(`CREATE SCHEMA "Cal"; CREATE TABLE "Cal"."Booking" (id integer PRIMARY KEY, title text)`);
    await using ours = await openRole(db, [
      'GRANT CREATE, USAGE ON SCHEMA public TO role',
      'GRANT INSERT, SELECT, UPDATE ON bridge_watched, bridge_changes, bridge_settings TO role',
    ]);
    const { client } = await ours.session();
    const declare = `SELECT bridge_watch_table('"Cal"."Booking"', $$SELECT 'booking', changed.id$$, '{title}')`;
    const failure = (await client.query(declare).catch((error: unknown) => error)) as {
      code: string;
      hint: string;
    };
    assert.equal(failure.code, '42501');
    const [, repair = ''] = /^Let a DBA run: (.*)$/.exec(failure.hint) ?? [];
    await db.query(repair);
    await client.query(declare);
    assert.deepEqual(await noted(db, `INSERT INTO "Cal"."Booking" VALUES (5, 'x')`), ['booking 5']);
    assert.deepEqual((await readCapture(db.pool)).missing, []);
  });
});

const clerkBooks = `
  INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (1, 1, 'Choir', '${day(20, '10:00')}', '${day(20, '11:00')}', 'b', 'c', 'e', 'p', 's');
  UPDATE bb_event SET name = 'Moved', description = 'x', active = 0;
  UPDATE bb_group SET name = name || '!'; UPDATE bb_organization SET name = name || '!';
  DELETE FROM bb_event`;

describe('a hostile session', () => {
  const trap = (name: string, args: string, returns: string) => `
    CREATE FUNCTION trap.${name}(${args}) RETURNS ${returns} LANGUAGE plpgsql AS
    $$ BEGIN PERFORM set_config('trap.sprung', current_user, false); RETURN${returns === 'void' ? '' : ' NULL'}; END $$;`;
  /** Operators and functions under every name that the trigger functions use, for every type they meet. */
  const traps = [
    ...['integer', 'varchar', 'text', 'timestamp', 'bigint'].map(
      (type) => `${trap(`same_${type}`, `${type}, ${type}`, 'boolean')}
        ${['=', '<>', '>', '<'].map((operator) => `CREATE OPERATOR trap.${operator} (LEFTARG = ${type}, RIGHTARG = ${type}, FUNCTION = trap.same_${type});`).join('\n')}`,
    ),
    `${trap('minus', 'timestamptz, interval', 'timestamptz')}
      CREATE OPERATOR trap.- (LEFTARG = timestamptz, RIGHTARG = interval, FUNCTION = trap.minus)`,
    trap('nextval', 'regclass', 'bigint'),
    trap('now', '', 'timestamptz'),
    trap('pg_notify', 'text, text', 'void'),
    trap('bridge_wake', '', 'void'),
    trap('pg_try_advisory_lock_shared', 'integer, integer', 'boolean'),
    trap('pg_advisory_unlock_shared', 'integer, integer', 'boolean'),
    'CREATE TEMP TABLE bridge_changes (reservation_type text, reservation_id bigint)',
    'CREATE TEMP TABLE new_rows (id integer, name text); CREATE TEMP TABLE old_rows (id integer, name text)',
    'CREATE TEMP TABLE bb_booking (id bigint, group_id integer, to_ timestamp); CREATE TEMP TABLE bb_group (id integer)',
  ];

  test('gets no function or operator of its own to run with our rights', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(clerkBooks); // the owner of the triggers has none of that in its path
    await using clerk = await openRole(db, [
      ...bookingGrants,
      `DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO role', current_database()); END $$`,
    ]);
    const { client, warnings } = await clerk.session();
    await client.query('CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC');
    for (const one of traps) await client.query(one);
    await client.query('SET search_path = trap, pg_temp, pg_catalog, public');
    await client.query(`SELECT set_config('trap.sprung', '', false)`);
    await client.query(clerkBooks.replaceAll(/\b(bb_\w+)\b/g, 'public.$1'));
    await client.query('RESET search_path');
    const { rows } = await client.query<{ by: string }>(`SELECT current_setting('trap.sprung') AS by`);
    assert.ok(['', clerk.name].includes(rows[0]!.by), `it ran as ${rows[0]!.by}`);
    assert.deepEqual(
      warnings.filter((line) => line.includes('did not note')),
      [],
    );
  });

  test('is noted all the same under any setting that a role may choose', async () => {
    for (const setting of [
      `SET LOCAL search_path = ''`,
      `SET LOCAL search_path = pg_temp`,
      `SET LOCAL standard_conforming_strings = off`,
      `SET LOCAL transform_null_equals = on`,
      `SET LOCAL plpgsql.extra_errors = 'all'`,
      `SET LOCAL plpgsql.variable_conflict = error`,
      `SET LOCAL DateStyle = 'SQL, DMY'; SET LOCAL IntervalStyle = 'sql_standard'; SET LOCAL TimeZone = 'Asia/Kathmandu'`,
      `SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off`,
      `SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '64kB'`,
      `SET LOCAL row_security = off; SET LOCAL lock_timeout = '1ms'; SET LOCAL client_min_messages = error`,
      `SET LOCAL default_transaction_isolation = 'serializable'; SET LOCAL quote_all_identifiers = on; SET LOCAL lc_messages = 'C'`,
    ]) {
      await using db = await openTestDatabase({ schema: 'bridge' });
      assert.deepEqual(
        await noted(db, clerkBooks.replaceAll(/\b(bb_\w+)\b/g, 'public.$1'), setting),
        ['event 1', 'event 1', 'event 1'],
        setting,
      );
    }
  });
});

describe('migrate', () => {
  /** A copy of an adapter that a test may change. */
  function copyOf(adapter: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'adapter-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(folderOfAdapter(adapter), folder, { recursive: true });
    return folder;
  }
  const edit = (folder: string, file: string, change: (text: string) => string) => {
    const text = readFileSync(join(folder, file), 'utf8');
    assert.notEqual(change(text), text);
    writeFileSync(join(folder, file), change(text));
  };
  const install = async (db: TestDatabase, adapter: string) => {
    const told: string[] = [];
    await migrate(bookingConfig(db, adapter), (line) => void told.push(line), new AbortController().signal);
    return told.join('\n');
  };
  const triggersOf = async (db: TestDatabase, table: string) =>
    (
      await db.query<{ name: string; calls: string }>(
        `SELECT tgname AS name, tgfoid::regproc::text AS calls FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal ORDER BY 1`,
        [table],
      )
    ).map(({ name, calls }) => `${name} ${calls}`);

  test('replaces only the function where a declaration changes, while bookings hold the table', async () => {
    const folder = copyOf('mrbs');
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await install(db, folder);
    edit(folder, '30_watch.sql', (text) => text.replace(',create_by', ',create_by,reminded'));
    const clerk = await db.pool.connect();
    try {
      await clerk.query(
        'BEGIN; UPDATE mrbs_entry SET name = name; LOCK TABLE mrbs_entry IN SHARE ROW EXCLUSIVE MODE',
      );
      await install(db, folder);
      await clerk.query('ROLLBACK');
    } finally {
      clerk.release();
    }
    expect(
      await db.query(
        `SELECT columns @> '{reminded}' AS yes FROM bridge_watched WHERE table_name = 'public.mrbs_entry'`,
      ),
    ).toEqual([{ yes: true }]);
  });

  test('takes the triggers of a table away that is declared no longer', async () => {
    const folder = copyOf('mrbs');
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await install(db, folder);
    edit(folder, '30_watch.sql', (text) => text.replace(/.*'public.mrbs_area'.*\n/, ''));
    assert.match(await install(db, folder), /no longer declares public\.mrbs_area/);
    assert.deepEqual(await triggersOf(db, 'mrbs_area'), []);
    assert.deepEqual(await db.query(`SELECT FROM pg_proc WHERE proname = 'bridge_on_mrbs_area'`), []);
    assert.deepEqual(await readCapture(db.pool), { missing: [], extra: [], repair: null });
  });

  test('replaces the triggers that an earlier version wrote, in one step each, and has the rooms compared', async () => {
    const folder = copyOf('mrbs');
    const declared = readFileSync(join(folder, '30_watch.sql'), 'utf8');
    rmSync(join(folder, '30_watch.sql'));
    writeFileSync(
      join(folder, '30_triggers.sql'),
      `CREATE OR REPLACE FUNCTION public.bridge_entry_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
         INSERT INTO public.bridge_changes (reservation_type, reservation_id) VALUES ('entry', NULL); RETURN NULL; END $$;
       SELECT public.bridge_watch('public.mrbs_entry', 'public.bridge_entry_changed');
       SELECT public.bridge_watch('public.mrbs_room', 'public.bridge_entry_changed', '{UPDATE}');`,
    );
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await install(db, folder);
    assert.deepEqual(await triggersOf(db, 'mrbs_room'), ['bridge_update bridge_entry_changed']);
    assert.deepEqual(await readCapture(db.pool), { missing: [], extra: [], repair: null });
    await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (11, 'a');
      UPDATE bridge_room_state SET reconciled_at = now()`);
    rmSync(join(folder, '30_triggers.sql'));
    writeFileSync(join(folder, '30_watch.sql'), declared);
    assert.match(await install(db, folder), /1 room is compared/);
    assert.deepEqual(await triggersOf(db, 'mrbs_entry'), [
      'bridge_delete bridge_on_mrbs_entry',
      'bridge_insert bridge_on_mrbs_entry',
      'bridge_rekey bridge_on_mrbs_entry',
      'bridge_truncate bridge_on_mrbs_entry',
      'bridge_update bridge_on_mrbs_entry',
    ]);
    assert.deepEqual(await db.query(`SELECT FROM pg_proc WHERE proname = 'bridge_entry_changed'`), []);
    assert.deepEqual(await db.query('SELECT FROM bridge_room_state WHERE reconciled_at IS NOT NULL'), []);
  });
});
