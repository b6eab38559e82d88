import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { describe, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { migrateTables } from '../../src/cli/migrate-tables.ts';
import { migrate, type Migrated } from '../../src/cli/migrate.ts';
import type { BookingConfig } from '../../src/config.ts';
import { Invalid, Permanent } from '../../src/errors.ts';
import { startTestServer } from '../support/server.ts';
import { catalogue } from '../support/catalogue.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { bookingGrants, bridgeGrants, openRole, type TestRole } from '../support/roles.ts';
import { cli } from './command-line.ts';
import { at, day } from '../support/dates.ts';
import { bookingConfig } from '../support/settings.ts';

/** Every migration there is. */
const all = readdirSync(new URL('../../database/migrations', import.meta.url))
  .map((file) => file.replace('.sql', ''))
  .toSorted();

/** What takes a migration back. */
const downOf = (name: string) =>
  readFileSync(new URL(`../../database/migrations/${name}.sql`, import.meta.url), 'utf8').split(
    '-- Down Migration',
  )[1]!;

type Settings = Partial<Omit<BookingConfig, 'logLevel'>>;

/** Runs migrate on `db` and returns its answer with all it told. */
async function run(db: TestDatabase, settings: Settings = {}): Promise<Migrated & { told: string }> {
  const told: string[] = [];
  const done = await migrate(
    { ...bookingConfig(db), ...settings },
    (line) => told.push(line),
    new AbortController().signal,
  );
  return { ...done, told: told.join('\n') };
}

const book = `
  INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (1, 'Choir', '${day(20, '10:00')}', '${day(20, '11:00')}', 'b', 'c', 'e', 'p', 's')`;

const settingsOf = async (db: TestDatabase) =>
  Object.fromEntries(
    (await db.query<{ name: string; value: string }>('SELECT name, value FROM bridge_settings')).map(
      (row) => [row.name, row.value],
    ),
  );

const ofOurs = (db: TestDatabase) =>
  db.query(
    `SELECT relname FROM pg_class WHERE relname LIKE 'bridge%' UNION SELECT proname FROM pg_proc WHERE proname LIKE 'bridge%'`,
  );

test('the migrations run in one transaction, which nothing begins or ends a second time', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const client = new pg.Client(db.url);
  const notices: (string | undefined)[] = [];
  client.on('notice', ({ message }) => notices.push(message));
  await client.connect();
  try {
    const signal = new AbortController().signal;
    assert.deepEqual(await migrateTables(client, [], () => undefined, signal), all);
    assert.deepEqual(await migrateTables(client, [], () => undefined, signal), []);
    const [run] = await db.query<{ times: number }>(
      'SELECT count(DISTINCT xmin::text)::integer AS times FROM bridge_migrations',
    );
    assert.equal(run!.times, 1);
  } finally {
    await client.end();
  }
  assert.deepEqual(notices, []);
});

test('a second run changes nothing', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  assert.deepEqual((await run(db)).migrations, all);
  const [schema, settings] = [await catalogue(db, 'all'), await settingsOf(db)];
  assert.deepEqual((await run(db)).migrations, []);
  assert.deepEqual(await catalogue(db, 'all'), schema);
  assert.deepEqual(await settingsOf(db), settings);
});

test('it writes down the zone, the adapter and the defaults it could choose, and names those it could not', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const { notes, told } = await run(db);
  const { installation_id, database, triggers, functions, adapter_state, ...settings } = await settingsOf(db);
  assert.match(installation_id ?? '', /^[0-9a-f-]{36}$/);
  assert.deepEqual(
    JSON.parse(database ?? ''),
    (await db.query('SELECT bridge_this_database() AS here'))[0]!['here'],
  );
  assert.match(triggers ?? '', /bb_event/);
  assert.match(functions ?? '', /^[0-9a-f]{64} [0-9a-f]{32}$/);
  assert.match(adapter_state ?? '', /^[0-9a-f]{64} [0-9a-f]{32}$/);
  assert.deepEqual(settings, {
    timezone: 'Europe/Oslo',
    adapter: 'portico',
    wake: 'adaptive',
    version: packageJson.version,
    reservation_types: 'event,booking,allocation',
    default_activity_id: '1',
    default_agegroup_id: '1',
    default_targetaudience_id: '1',
  });
  assert.match(
    notes.join('\n'),
    /default_building_id is not set: .* Values: 10 \(Rådhuset\), 20 .* INSERT INTO bridge_settings/,
  );
  assert.match(notes.join('\n'), /default_contact_name is not set/);
  assert.doesNotMatch(told, /not set/, 'what serve writes into its log at each start');
});

test('the command gives the good news first, then what may be chosen as one block', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const { out } = await cli({ DATABASE_URL: db.url }, 'migrate');
  assert.match(
    out,
    /The adapter is installed[^]*Optional settings:\n- default_building_id[^]*\n- default_contact_name/,
  );
  assert.match(out, /^Migrations run: /);
});

test('rooms whose events an earlier version looked for in another mailbox are shown again, and nothing is cancelled there', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(`
    INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'new@example.org'), (102, 'Kept@example.org');
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status, outlook_news)
    VALUES ('event', 1, 101, 'old@example.org', 'a', 'conflict', 'gone'), ('event', 2, 101, 'new@example.org', 'b', 'synced', NULL),
      ('event', 3, 102, 'kept@example.org', 'c', 'synced', NULL);
    UPDATE bridge_room_state SET baselined_at = now();
    UPDATE bridge_settings SET value = 'those of an earlier version' WHERE name = 'functions'`);
  assert.match((await run(db)).told, /2 rooms had mappings to events in another mailbox/);
  assert.deepEqual(
    await db.query(
      'SELECT outlook_item_id AS box, outlook_event_id AS event, sync_status AS status, outlook_news AS news FROM bridge_mappings ORDER BY reservation_id',
    ),
    [
      { box: 'new@example.org', event: null, status: 'pending', news: null },
      { box: 'new@example.org', event: 'b', status: 'synced', news: null },
      { box: 'Kept@example.org', event: 'c', status: 'synced', news: null },
    ],
  );
  assert.deepEqual(await db.query('SELECT FROM bridge_room_state WHERE baselined_at IS NOT NULL'), []);
  assert.doesNotMatch((await run(db)).told, /another mailbox/);
});

test('a default that a person set is kept', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(`UPDATE bridge_settings SET value = '2' WHERE name = 'default_activity_id'`);
  await run(db);
  assert.equal((await settingsOf(db))['default_activity_id'], '2');
});

const rightsOfPortico = readFileSync(new URL('../../sql/portico/00_rights.sql', import.meta.url), 'utf8');

/** Our role reads the view, imports, changes and cancels. */
async function expectWorking(ours: TestRole): Promise<void> {
  const { client } = await ours.session();
  const time = (hour: string) => at(21, hour);
  const { rows } = await client.query<{ id: number }>(
    `SELECT reservation_id AS id FROM bridge_import_item('{"title": "x", "starts_at": "${time('08:00')}", "ends_at": "${time('09:00')}", "resource_ids": [101]}')`,
  );
  const { id } = rows[0]!;
  await client.query(
    `SELECT bridge_change_item('event', ${id}, '{"title": "y", "ends_at": "${time('10:00')}", "resource_ids": [101, 102]}')`,
  );
  const shown = await client.query(
    `SELECT title FROM bridge_items WHERE reservation_id = ${id} AND reservation_type = 'event'`,
  );
  assert.deepEqual(shown.rows, [{ title: 'y' }, { title: 'y' }]);
  await client.query(`SELECT bridge_cancel_item('event', ${id}, 'note')`);
  await client.query('SELECT FROM bridge_resources; SELECT FROM bridge_remarks');
}

describe('rights', () => {
  test('an ordinary role with TRIGGER, SELECT, INSERT and UPDATE installs everything, and it works for the booking role', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, bridgeGrants);
    await using clerk = await openRole(db, bookingGrants);
    const done = await run(db, { database: ours.config });
    const told = [done.told, ...done.notes].join('\n');
    assert.match(told, new RegExp(`Optional: GRANT DELETE ON bb_event_resource TO ${ours.name};`));
    assert.match(told, /Optional, faster for rooms with many bookings: CREATE INDEX CONCURRENTLY/);
    const { client, warnings } = await clerk.session();
    await client.query(book);
    assert.deepEqual(warnings, []);
    assert.equal((await db.query('SELECT FROM bridge_changes')).length, 1);
    const session = await ours.session();
    const { rows } = await session.client.query(
      `SELECT bridge_import_item('{"starts_at": "${at(21, '08:00')}", "ends_at": "${at(21, '09:00')}", "resource_ids": [101]}')`,
    );
    assert.equal(rows.length, 1);
    await run(db, { database: ours.config });
  });

  test('a login that PostgreSQL refuses is an error for a person (1), not one that may go by (75)', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    const said = await cli({ DATABASE_URL: db.url.replace(/\/\/[^@]+@/, '//nobody_here:wrong@') }, 'migrate');
    assert.equal(said.code, 1, said.err);
    assert.match(said.err, /check DB_USER, DB_PASS/);
    assert.deepEqual(await ofOurs(db), []);
  });

  test('what it prints is what docs/install.md shows', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, []);
    const { rows } = await (await ours.session()).client.query<{ repair: string }>(rightsOfPortico);
    for (const { repair } of rows)
      if (!/GRANT DELETE ON bb_event_resource/.test(repair)) await db.query(repair);
    await db.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${ours.name}`);
    const { out, err } = await cli({ DATABASE_URL: ours.config.url }, 'migrate');
    const [, sample = ''] = /```\n(Migrations run:[^`]+)```/.exec(
      readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8'),
    )!;
    let rest = out.replaceAll(ours.name, 'bridge');
    for (const line of sample.trim().split('\n')) {
      const pattern = line.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      const found = new RegExp(`^${pattern.join('.*')}$`, 'm').exec(rest);
      assert.ok(found, `'${line}' is not printed, in this order:\n${out}${err}`);
      rest = rest.slice(found.index + found[0].length);
    }
  });

  test('without them it changes nothing and prints the GRANTs, which are all that is needed', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, ['REVOKE CREATE ON SCHEMA public FROM PUBLIC']);
    const refused = await run(db, { database: ours.config }).then(
      () => assert.fail('it was not refused'),
      (error: unknown) => error,
    );
    assert.ok(refused instanceof Permanent);
    const grants: readonly string[] = (refused.hint ?? '').match(/GRANT .*;/g) ?? [];
    assert.ok(grants.includes(`GRANT USAGE, CREATE ON SCHEMA public TO ${ours.name};`));
    assert.match(
      grants.join('\n'),
      /GRANT INSERT, SELECT \(id, active, .*\), TRIGGER, UPDATE \(.*\) ON bb_event TO/,
    );
    assert.deepEqual(await ofOurs(db), []);
    for (const grant of grants) await db.query(grant);
    await run(db, { database: ours.config });
    await expectWorking(ours);
  });

  test('none of them reads what the bridge has no use for, and no GRANT is for a whole table to be read', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, []);
    const { rows } = await (await ours.session()).client.query<{ repair: string }>(rightsOfPortico);
    for (const { repair } of rows) await db.query(repair);
    const { client } = await ours.session();
    for (const secret of ['customer_ssn', 'contact_phone', 'secret', 'customer_organization_number'])
      await assert.rejects(client.query(`SELECT ${secret} FROM bb_event`), /permission denied/);
    await assert.rejects(client.query('SELECT * FROM bb_organization'), /permission denied/);
    assert.doesNotMatch(rows.map(({ repair }) => repair).join(), /(SELECT|UPDATE)(?! \()/);
    assert.deepEqual((await client.query(rightsOfPortico)).rows, []);
  });

  test('MRBS: what is printed is enough to import, change and cancel, and reads no column beside', async () => {
    await using db = await openTestDatabase({ schema: 'bare mrbs' });
    await using ours = await openRole(db, ['GRANT USAGE, CREATE ON SCHEMA public TO role']);
    const settings = { database: ours.config, adapter: 'mrbs' };
    const refused = await run(db, settings).then(
      () => assert.fail('it was not refused'),
      (error: unknown) => error as Permanent,
    );
    const grants: readonly string[] = (refused.hint ?? '').match(/GRANT .*;/g) ?? [];
    assert.doesNotMatch(grants.join(), /(SELECT|UPDATE)(?! \()/);
    for (const grant of grants) await db.query(grant);
    await run(db, settings);
    const { client } = await ours.session();
    for (const secret of ['info_text', 'modified_by', 'ical_uid'])
      await assert.rejects(client.query(`SELECT ${secret} FROM mrbs_entry`), /permission denied/);
    await assert.rejects(client.query('SELECT * FROM mrbs_room'), /permission denied/);
    const time = (hour: string) => at(21, hour);
    const { rows } = await client.query<{ id: number }>(
      `SELECT reservation_id AS id FROM bridge_import_item('{"title": "x", "starts_at": "${time('08:00')}", "ends_at": "${time('09:00')}", "resource_ids": [11]}')`,
    );
    const { id } = rows[0]!;
    const change = `{"title": "y", "description": "z", "is_private": true, "ends_at": "${time('10:00')}", "resource_ids": [12], "overlap": "refuse"}`;
    const changed = await client.query<{ keys: string[] }>(
      `SELECT bridge_change_item('entry', ${id}, '${change}') AS keys`,
    );
    assert.ok(changed.rows[0]!.keys.includes('title'));
    assert.deepEqual((await client.query(`SELECT title, resource_id FROM bridge_items`)).rows, [
      { title: 'y', resource_id: 12 },
    ]);
    await client.query(`SELECT bridge_cancel_item('entry', ${id}, 'note')`);
    await client.query('SELECT FROM bridge_resources');
    // once it is installed
    await db.query(`REVOKE CREATE ON SCHEMA public FROM ${ours.name};
      REVOKE TRIGGER ON mrbs_entry, mrbs_room, mrbs_area FROM ${ours.name}`);
    await run(db, settings);
  });

  test('once it is installed neither TRIGGER nor CREATE is needed: migrate runs again, and doctor finds nothing', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, ['REVOKE CREATE ON SCHEMA public FROM PUBLIC', ...bridgeGrants]);
    await run(db, { database: ours.config });
    await db.query(`REVOKE CREATE ON SCHEMA public FROM ${ours.name}`);
    await db.query(`DO $$ DECLARE t regclass; BEGIN
      FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname LIKE 'bb\\_%' LOOP
        EXECUTE format('REVOKE TRIGGER ON %s FROM ${ours.name}', t);
      END LOOP; END $$`);
    await run(db, { database: ours.config });
    await expectWorking(ours);
    const doctor = await cli({ DATABASE_URL: ours.config.url }, 'doctor', '--json');
    const { findings } = doctor.json() as { findings: { check: string; state: string }[] };
    assert.deepEqual(
      findings.filter(({ check, state }) => check === 'rights' && state === 'problem'),
      [],
    );
    await db.query('DROP TRIGGER bridge_update ON bb_booking');
    await assert.rejects(run(db, { database: ours.config }), /lacks privileges/);
  });

  test('one missing right is named alone', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, [...bridgeGrants, 'REVOKE TRIGGER ON bb_booking FROM role']);
    await assert.rejects(run(db, { database: ours.config }), (error: Permanent) => {
      assert.deepEqual((error.hint ?? '').match(/GRANT .*;/g), [
        `GRANT TRIGGER ON bb_booking TO ${ours.name};`,
      ]);
      return true;
    });
  });

  test('ids that come from a sequence of their own need a right on it, which is named', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await db.query(`CREATE SEQUENCE seq_bb_event START 5000; ALTER TABLE bb_event ALTER id DROP IDENTITY,
      ALTER id SET DEFAULT nextval('seq_bb_event')`);
    await using ours = await openRole(db, bridgeGrants);
    await assert.rejects(run(db, { database: ours.config }), (error: Permanent) => {
      assert.deepEqual((error.hint ?? '').match(/GRANT .*;/g), [
        `GRANT USAGE ON SEQUENCE seq_bb_event TO ${ours.name};`,
      ]);
      return true;
    });
  });

  test('an owner of the tables gets the indexes that lead from a room to its bookings', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await run(db);
    assert.deepEqual(
      await db.query(
        `SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indexrelid::regclass::text LIKE 'bridge_bb%' ORDER BY 1`,
      ),
      [
        { name: 'bridge_bb_allocation_resource_resource_id' },
        { name: 'bridge_bb_booking_resource_resource_id' },
        { name: 'bridge_bb_event_resource_resource_id' },
      ],
    );
  });
});

describe('it refuses, with the repair', () => {
  test.each([
    ['timezone', { timezone: 'Europe/London' }, 'Europe/London'],
    ['adapter', { adapter: 'mrbs' }, 'mrbs'],
  ] as const)('another %s than the database was set up with', async (name, settings, value) => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await assert.rejects(run(db, settings), (error: Permanent) => {
      assert.match(error.message, new RegExp(`'${value}', but this database was set up with`));
      assert.match(
        error.hint ?? '',
        new RegExp(`UPDATE bridge_settings SET value = '${value}' WHERE name = '${name}'`),
      );
      return true;
    });
    assert.notEqual((await settingsOf(db))[name], value);
  });

  test('the repair for another zone works', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(`UPDATE bridge_settings SET value = 'Europe/London' WHERE name = 'timezone'`);
    await run(db, { timezone: 'Europe/London' });
    await db.query(`${book}; INSERT INTO bb_event_resource SELECT id, 101 FROM bb_event`);
    const [item] = await db.query('SELECT starts_at FROM bridge_items');
    assert.equal(item?.['starts_at'].toISOString(), at(20, '11:00').replace('Z', '.000Z'));
  });

  test('an adapter that is none, and a zone PostgreSQL does not know', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await assert.rejects(run(db, { adapter: 'outlook' }), (error: unknown) => error instanceof Invalid);
    await assert.rejects(run(db, { timezone: 'Europe/Bergen' }), /does not know the zone 'Europe\/Bergen'/);
    assert.deepEqual(await ofOurs(db), []);
  });

  test("the predecessor's tables under our names, which adopt moves aside", async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await db.query('CREATE TABLE bridge_mappings (id serial, source_bridge text, target_bridge text)');
    await assert.rejects(run(db), (error: Permanent) => {
      assert.match(error.message, /bridge_mappings .*predecessor/);
      assert.match(error.hint ?? '', /adopt/);
      return true;
    });
    assert.deepEqual(
      (await ofOurs(db)).map((row) => row['relname']),
      ['bridge_mappings', 'bridge_mappings_id_seq'],
    );
  });
});

describe('how booking writes wake the daemon', () => {
  const notifies = async (db: TestDatabase, polls: boolean): Promise<boolean> => {
    const [listener, daemon] = [await db.pool.connect(), await db.pool.connect()];
    let heard = false;
    listener.on('notification', () => (heard = true));
    try {
      await listener.query('LISTEN bridge_changes; SELECT pg_advisory_lock_shared(7230912, 6)');
      if (polls) await daemon.query('SELECT pg_advisory_lock(7230912, 1)');
      await db.query(book);
      await listener.query('SELECT');
      return heard;
    } finally {
      listener.removeAllListeners('notification');
      listener.release(true);
      daemon.release(true);
    }
  };

  test.each([
    ['adaptive', true, false],
    ['notify', true, true],
    ['poll', false, false],
  ] as const)('%s: notified when idle: %s, when it polls: %s', async (wake, idle, polling) => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    assert.equal((await run(db, { wake })).wake, wake);
    assert.equal((await settingsOf(db))['wake'], wake);
    assert.equal(await notifies(db, false), idle);
    assert.equal(await notifies(db, true), polling);
    assert.equal((await db.query('SELECT FROM bridge_changes')).length, 2);
  });

  test('a server that allows two-phase commits gets poll instead of adaptive, and such a booking can be prepared', async () => {
    await using server = await startTestServer({ settings: { max_prepared_transactions: '4' } });
    const pool = new pg.Pool({ connectionString: server.url, max: 2 });
    try {
      for (const name of ['portico-tables', 'portico-seed'])
        await pool.query(readFileSync(new URL(`../../src/sandbox/${name}.sql`, import.meta.url), 'utf8'));
      const told: string[] = [];
      const config = {
        database: { url: server.url, ssl: false },
        adapter: 'portico',
        timezone: 'Europe/Oslo',
      } as const;
      const { wake } = await migrate(
        { ...config, wake: 'adaptive', logLevel: 'silent' },
        (line) => told.push(line),
        new AbortController().signal,
      );
      assert.equal(wake, 'poll');
      assert.match(told.join('\n'), /WAKE=adaptive becomes poll: max_prepared_transactions is 4/);
      await pool.query(`BEGIN; ${book}; PREPARE TRANSACTION 'booking'`);
      await pool.query(`COMMIT PREPARED 'booking'`);
      assert.equal((await pool.query('SELECT FROM bridge_changes')).rowCount, 1);
    } finally {
      await pool.end();
    }
  });
});

describe('what was dropped of ours', () => {
  const tables = [
    'bridge_settings',
    'bridge_resource_mappings',
    'bridge_mappings',
    'bridge_changes',
    'bridge_room_state',
    'bridge_log',
    'bridge_removals',
    'bridge_replicas',
  ];
  test.each(tables)('%s is made again, and every room is compared anew', async (table) => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await run(db);
    const whole = await catalogue(db, 'all');
    await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@example.org');
      UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now()`);
    await db.query(`DROP TABLE ${table} CASCADE`);
    assert.match((await run(db)).told, new RegExp(`were recreated: .*\\b${table}\\b`));
    assert.deepEqual(await catalogue(db, 'all'), whole);
    assert.deepEqual(
      await db.query(
        'SELECT FROM bridge_room_state WHERE baselined_at IS NOT NULL OR reconciled_at IS NOT NULL',
      ),
      [],
    );
    assert.doesNotMatch((await run(db)).told, /made again/);
  });

  test('a table that stands keeps its rows', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@example.org');
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id) VALUES ('event', 1, 101, 'a');
      DROP TABLE bridge_room_state`);
    await run(db);
    assert.equal((await db.query('SELECT FROM bridge_mappings')).length, 1);
    assert.equal((await db.query('SELECT FROM bridge_room_state')).length, 1);
  });

  test('each index and trigger of ours comes back as the last migration left it', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await run(db);
    const whole = await catalogue(db, 'all');
    const drops = await db.query<{ sql: string }>(
      `SELECT format('DROP INDEX %s', i.indexrelid::regclass) AS sql FROM pg_index i
       WHERE i.indrelid::regclass::text LIKE 'bridge\\_%' AND i.indrelid <> 'bridge_migrations'::regclass
         AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
       UNION ALL
       SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger
       WHERE tgrelid::regclass::text LIKE 'bridge\\_%' AND NOT tgisinternal`,
    );
    assert.ok(drops.length > 10, `${drops.length} indexes and triggers`);
    await db.query(drops.map(({ sql }) => `${sql};`).join('\n'));
    await run(db);
    assert.deepEqual(await catalogue(db, 'all'), whole);
  });

  test('a function, an index and a trigger are made again', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await run(db);
    const whole = await catalogue(db, 'all');
    await db.query(
      `DROP FUNCTION bridge_window; DROP INDEX bridge_log_at; DROP TRIGGER bridge_mappings_reset ON bridge_mappings`,
    );
    await run(db);
    assert.deepEqual(await catalogue(db, 'all'), whole);
  });

  test('without bridge_migrations it is not known how new the rest is: the statements that say so are printed, and work', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query('DROP TABLE bridge_migrations');
    const refused = await run(db).then(
      () => assert.fail('it was not refused'),
      (error: Permanent) => error,
    );
    assert.match(refused.message, /bridge_migrations, .* is missing/);
    await db.query((refused.hint ?? '').slice((refused.hint ?? '').indexOf('CREATE')));
    assert.deepEqual((await run(db)).migrations, []);
  });
});

describe('triggers', () => {
  test('a disabled one is enabled again, and told', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query('ALTER TABLE bb_event DISABLE TRIGGER bridge_update');
    assert.match((await run(db)).told, /is enabled again: ALTER TABLE bb_event ENABLE TRIGGER bridge_update/);
    assert.deepEqual(await db.query(`SELECT FROM pg_trigger WHERE tgenabled = 'D'`), []);
  });

  test('a disabled one that only the owner of its table may enable is told as a statement, and the rest goes on', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, bridgeGrants);
    await run(db, { database: ours.config });
    await db.query('ALTER TABLE bb_event DISABLE TRIGGER bridge_update');
    const { told } = await run(db, { database: ours.config });
    assert.match(
      told,
      /only the owner of its table can enable it: ALTER TABLE bb_event ENABLE TRIGGER bridge_update;/,
    );
  });

  test('one that was dropped comes back, one that a person set to ALWAYS stays so', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(
      'DROP TRIGGER bridge_insert ON bb_event; ALTER TABLE bb_event ENABLE ALWAYS TRIGGER bridge_update',
    );
    await run(db);
    assert.deepEqual(
      await db.query(
        `SELECT tgname AS name, tgenabled AS enabled FROM pg_trigger WHERE tgrelid = 'bb_event'::regclass AND NOT tgisinternal ORDER BY 1`,
      ),
      [
        { name: 'bridge_delete', enabled: 'O' },
        { name: 'bridge_insert', enabled: 'O' },
        { name: 'bridge_rekey', enabled: 'O' },
        { name: 'bridge_truncate', enabled: 'O' },
        { name: 'bridge_update', enabled: 'A' },
      ],
    );
  });

  /** As the version before made it: with its old rows, and no bridge_rekey beside it. */
  const olderTrigger = (enable: string) => `
    DROP TRIGGER bridge_rekey ON bb_event;
    CREATE OR REPLACE TRIGGER bridge_update AFTER UPDATE ON bb_event REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
      FOR EACH STATEMENT EXECUTE FUNCTION bridge_on_bb_event();
    ALTER TABLE bb_event ${enable} TRIGGER bridge_update;
    UPDATE bridge_settings SET value = 'another' WHERE name = 'functions'`;
  const enabled = (db: TestDatabase) =>
    db.query(
      `SELECT tgname AS name, tgenabled AS enabled FROM pg_trigger
       WHERE tgrelid = 'bb_event'::regclass AND tgname IN ('bridge_rekey', 'bridge_update') AND tgoldtable IS NULL ORDER BY 1`,
    );

  for (const [enable, state] of [
    ['ENABLE ALWAYS', 'A'],
    ['ENABLE REPLICA', 'R'],
  ] as const)
    test(`one that a person set to ${enable} stays so where a new version makes it anew`, async () => {
      await using db = await openTestDatabase({ schema: 'bridge' });
      await db.query(olderTrigger(enable));
      await run(db);
      assert.deepEqual(await enabled(db), [
        { name: 'bridge_rekey', enabled: state },
        { name: 'bridge_update', enabled: state },
      ]);
    });

  test('one that was disabled and is made anew is enabled again, and told', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(olderTrigger('DISABLE'));
    assert.match((await run(db)).told, /is enabled again: ALTER TABLE bb_event ENABLE TRIGGER bridge_update/);
    assert.deepEqual(await enabled(db), [
      { name: 'bridge_rekey', enabled: 'O' },
      { name: 'bridge_update', enabled: 'O' },
    ]);
  });

  test('one that was set to ALWAYS is made anew also by a role that cannot set it so', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using ours = await openRole(db, bridgeGrants);
    await run(db, { database: ours.config });
    await db.query(olderTrigger('ENABLE ALWAYS'));
    await run(db, { database: ours.config });
    assert.deepEqual(await enabled(db), [
      { name: 'bridge_rekey', enabled: 'O' },
      { name: 'bridge_update', enabled: 'O' },
    ]);
  });

  for (const [what, gap] of Object.entries({
    'was dropped': `DO $$ BEGIN EXECUTE (SELECT format('DROP TRIGGER %I ON bb_event', tgname) FROM pg_trigger
      WHERE tgrelid = 'bb_event'::regclass AND NOT tgisinternal ORDER BY 1 LIMIT 1); END $$`,
    'was disabled': 'ALTER TABLE bb_event DISABLE TRIGGER USER',
  }))
    test(`after one that ${what} every active room is compared, and only then`, async () => {
      await using db = await openTestDatabase({ schema: 'portico' });
      await run(db);
      await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, active) VALUES (101, 'a@x', 1), (102, 'b@x', 0);
        UPDATE bridge_room_state SET reconciled_at = now(), push_due_at = NULL`);
      const asked = async () =>
        (
          await db.query<{
            asked: boolean;
          }>(`SELECT s.reconciled_at IS NULL AND s.push_due_at IS NOT NULL AS asked
            FROM bridge_room_state s ORDER BY resource_mapping_id`)
        ).map((row) => row.asked);
      await run(db);
      assert.deepEqual(await asked(), [false, false]);
      await db.query(gap);
      await run(db);
      assert.deepEqual(await asked(), [true, false]);
    });

  test('a partition that came later gets its triggers', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await db.query(`ALTER TABLE bb_event_resource RENAME TO old_resource;
      CREATE TABLE bb_event_resource (event_id integer NOT NULL, resource_id integer NOT NULL) PARTITION BY RANGE (event_id)`);
    await run(db);
    await db.query('CREATE TABLE late PARTITION OF bb_event_resource FOR VALUES FROM (0) TO (100000)');
    await run(db);
    await db.query('INSERT INTO late VALUES (1, 101)');
    assert.deepEqual(await db.query('SELECT reservation_id AS id FROM bridge_changes'), [{ id: 1 }]);
  });
});

describe('while people book', () => {
  test('a long transaction on a table delays migrate, not the other bookings', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await db.query(book);
    const [long, clerk] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await long.query('BEGIN; UPDATE bb_event SET cost = 1');
      const waiting = new EventEmitter();
      const migrated = migrate(
        bookingConfig(db),
        (line) => void (/waiting for a transaction/.test(line) && waiting.emit('waits')),
        new AbortController().signal,
      );
      await once(waiting, 'waits');
      for (let i = 0; i < 5; i += 1) {
        const began = performance.now();
        await clerk.query(book);
        assert.ok(performance.now() - began < 1_000, 'it waited for longer than a lock_timeout');
      }
      await long.query('COMMIT');
      await migrated;
    } finally {
      long.release(true);
      clerk.release(true);
    }
    assert.deepEqual((await run(db)).migrations, []);
  });

  test('while one of our tables is in use migrate waits, and holds the others for a moment only', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    const undone = all.slice(all.indexOf('0160_deeds')).toReversed();
    for (const name of undone)
      // a trigger of ours may name a column; it comes back with the functions
      await db.query(
        `${downOf(name).replaceAll(/DROP COLUMN \w+/g, '$& CASCADE')}; DELETE FROM bridge_migrations WHERE name = '${name}'`,
      );
    const [user, daemon] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await user.query('BEGIN; LOCK TABLE bridge_removals IN ROW EXCLUSIVE MODE');
      const waiting = new EventEmitter();
      const migrated = migrate(
        bookingConfig(db),
        (line) => void (/in use; waiting/.test(line) && waiting.emit('waits')),
        new AbortController().signal,
      );
      await once(waiting, 'waits');
      await daemon.query("SET lock_timeout = '400ms'");
      for (const givesUpAt = performance.now() + 2_500; performance.now() < givesUpAt;)
        await daemon.query('BEGIN; LOCK TABLE bridge_mappings IN ROW EXCLUSIVE MODE; COMMIT');
      await user.query('COMMIT');
      assert.deepEqual((await migrated).migrations, undone.toReversed());
    } finally {
      user.release(true);
      daemon.release(true);
    }
  });

  test('two at the same time take turns', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    const done = await Promise.all([run(db), run(db), run(db)]);
    assert.deepEqual(
      done.map(({ migrations }) => migrations.length).toSorted((a, b) => a - b),
      [0, 0, all.length],
    );
    assert.ok(done.some(({ told }) => /Another migrate is running/.test(told)));
  });

  test('it stops waiting when it is told to stop', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    const other = await db.pool.connect();
    try {
      await other.query('SELECT pg_advisory_lock(7230912, 3)');
      const stop = new AbortController();
      await assert.rejects(
        migrate(bookingConfig(db), () => stop.abort(new Error('stopped by SIGTERM')), stop.signal),
      );
    } finally {
      other.release(true);
    }
  });
});
