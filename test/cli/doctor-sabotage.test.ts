/** A set-up that is broken in one place: `doctor` names that place and what mends it. */
import { expect, test } from 'vitest';
import type { Environment } from '../../src/settings.ts';
import { openOffice, rooms, runCommand } from './command-line.ts';

type Office = Awaited<ReturnType<typeof openOffice>>;

interface Found {
  readonly state: string;
  readonly check: string;
  readonly message: string;
  readonly repair: string | null;
}

interface Sabotage {
  readonly does: string;
  /** What is run in the database. */
  readonly sql?: string;
  readonly env?: Environment | ((office: Office) => Environment);
  readonly break?: (office: Office) => unknown;
  readonly says: readonly [check: string, message: RegExp, repair: RegExp];
  readonly state?: 'warning';
}

const noMailbox = { do: 'refuse', as: 'accessDenied' } as const;

const sabotages: readonly Sabotage[] = [
  {
    does: 'a login that PostgreSQL refuses',
    env: ({ env }) => ({
      DATABASE_URL: (env['DATABASE_URL'] ?? '').replace(/\/\/[^:@]+/, '//nobody_here'),
    }),
    says: ['database', /answers but refuses the login/, /Check DB_USER and DB_PASS/],
  },
  {
    does: 'a port where nothing listens',
    env: { DATABASE_URL: 'postgresql://u:p@127.0.0.1:1/x' },
    says: ['database', /cannot be reached: .*ECONNREFUSED/, /Check DB_HOST, DB_PORT/],
  },
  {
    does: 'TLS to a server that has none',
    env: { DB_SSL: 'on' },
    says: [
      'database',
      /TLS connection to PostgreSQL failed: .*not support SSL/,
      /^Check DB_SSL and DB_SSL_CA/,
    ],
  },
  {
    does: 'a folder without a socket of PostgreSQL',
    env: { DATABASE_URL: 'postgresql://u%40x:p@localhost/x?host=/nowhere' },
    says: ['database', /cannot be reached/, /psql -h \/nowhere -p 5432 -U u@x x$/],
  },
  {
    does: 'a database that does not exist',
    env: ({ env }) => ({ DATABASE_URL: (env['DATABASE_URL'] ?? '').replace(/[^/]+$/, 'never') }),
    says: ['database', /answers but refuses the connection: .*does not exist/, /Check DB_NAME/],
  },
  {
    does: 'a database without a free connection',
    sql: `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', current_database()); END $$;
          DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN PASSWORD 'p'`,
    env: ({ env }) => ({ DATABASE_URL: (env['DATABASE_URL'] ?? '').replace(/\/\/[^@]+@/, '//limited:p@') }),
    says: ['database', /refuses the connection: too many connections/, /raise max_connections/],
  },
  {
    does: 'a database that is read-only for each session',
    sql: `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`,
    says: ['database', /default_transaction_read_only is on/, /RESET default_transaction_read_only/],
  },
  {
    does: 'two rows for one mailbox, by its address and by its id',
    sql: `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (102, 'other@bergen.example');
          UPDATE bridge_resource_mappings SET outlook_object_id = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'`,
    says: ['mailboxes', /resources 101 and 102 are mapped to the same mailbox/, /mappings remove 101/],
  },
  {
    does: 'two rows for one mailbox, of which only Microsoft knows that they are one',
    break: async ({ tenant, db }) => {
      const twin = { upn: 'tvilling@bergen.example', name: 'Tvilling' };
      await db.query(
        'INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (102, $1), (103, $2)',
        [twin.upn, tenant.addRoom(twin)],
      );
    },
    says: ['mailboxes', /resources 102 and 103 are mapped to the same mailbox/, /mappings remove 102/],
  },
  {
    does: 'a column that was renamed under a trigger',
    sql: 'ALTER TABLE bb_event RENAME COLUMN organizer TO arranger',
    says: ['triggers', /bb_event has no column organizer any more/, /migrate/],
  },
  {
    does: 'a table of ours that a trigger writes into, renamed',
    sql: 'ALTER TABLE bridge_changes RENAME TO bridge_changes_old',
    says: ['tables', /Objects of the bridge are missing/, /migrate/],
  },
  {
    does: 'a key in quotes, as docker run --env-file leaves them',
    env: { API_KEY: "'a-key-that-cannot-be-guessed'" },
    state: 'warning',
    says: ['settings', /^API_KEY is in quotes/, /without quotes/],
  },
  {
    does: 'an address in quotes, as docker run --env-file leaves them',
    env: { HOST: "'127.0.0.1'" },
    state: 'warning',
    says: ['settings', /^HOST is in quotes/, /without quotes/],
  },
  {
    does: 'a key that can be guessed',
    env: { API_KEY: 'hemmelig' },
    state: 'warning',
    says: ['settings', /API_KEY has 8 characters/, /openssl rand/],
  },
  {
    does: 'an address of Graph without its version',
    env: ({ tenant }) => ({ GRAPH_BASE_URL: new URL(tenant.graphBaseUrl).origin }),
    says: ['settings', /GRAPH_BASE_URL does not end with the version/, /\/v1\.0$/],
  },
  {
    does: 'a mailbox that we were given no right to',
    break: ({ tenant }) =>
      tenant.faults.add({ match: { mailbox: rooms[101]!.upn }, action: noMailbox, times: 99 }),
    says: ['mailboxes', /^Formannskapssalen \(resource 101, .*\) cannot be read/, /Calendars\.ReadWrite/],
  },
  {
    does: 'a mailbox whose requests Graph limits',
    break: ({ tenant }) =>
      tenant.faults.add({
        match: { mailbox: rooms[101]!.upn },
        action: { do: 'refuse', as: 'throttled' },
        times: 99,
      }),
    says: ['mailboxes', /cannot be read: .*429/, /^Nothing is to be repaired here: [^\n]*$/],
  },
  {
    does: 'the view of the reservations dropped',
    sql: 'DROP VIEW bridge_items CASCADE',
    says: ['adapter', /view bridge_items cannot be read/, /migrate/],
  },
  {
    does: 'a function that writes back dropped',
    sql: 'DROP FUNCTION bridge_import_item(jsonb)',
    says: ['adapter', /function bridge_import_item is missing/, /migrate/],
  },
  {
    does: 'a child table, whose rows the view reads too',
    sql: 'CREATE TABLE event_archive () INHERITS (bb_event)',
    state: 'warning',
    says: ['triggers', /reads event_archive too, because it inherits from bb_event/, /bridge_watch_table/],
  },
  {
    does: 'a trigger disabled',
    sql: 'ALTER TABLE bb_event DISABLE TRIGGER USER',
    says: ['triggers', /on bb_event is disabled/, /ALTER TABLE bb_event ENABLE TRIGGER/],
  },
  {
    does: 'another time zone than the database was set up with',
    env: { BOOKING_TIMEZONE: 'Europe/London' },
    says: ['settings', /BOOKING_TIMEZONE is 'Europe\/London', but/, /BOOKING_TIMEZONE=Europe\/Oslo/],
  },
  {
    does: 'functions of another version',
    sql: `UPDATE bridge_settings SET value = 'another ' || value WHERE name = 'functions'`,
    says: ['functions', /of another version/, /migrate/],
  },
  {
    does: 'a client secret that Entra refuses',
    env: { GRAPH_CLIENT_SECRET: 'wrong' },
    says: ['token', /./, /./],
  },
  {
    does: 'a proxy without a scheme, with its password',
    env: { HTTPS_PROXY: 'user:hunter2@proxy.example.org:3128' },
    says: ['settings', /HTTPS_PROXY .* is not an http\(s\) address/, /HTTPS_PROXY=…/],
  },
];

test.each(sabotages)(
  '$does',
  async ({ sql, env = {}, break: breaks, says: [check, message, repair], state }) => {
    await using office = await openOffice();
    await office.map(101);
    if (sql !== undefined) await office.db.query(sql);
    await breaks?.(office);
    const said = await runCommand(
      { ...office.env, ...(typeof env === 'function' ? env(office) : env) },
      'doctor',
      '--json',
    );
    const { findings } = said.json() as { findings: Found[] };
    const bad = findings.filter((one) => one.state === (state ?? 'problem'));
    expect(bad).toContainEqual({
      state: state ?? 'problem',
      check,
      message: expect.stringMatching(message),
      repair: expect.stringMatching(repair),
    });
    expect(said.out).not.toContain('hunter2');
    expect(said.code).toBe(state === undefined ? 1 : 0);
  },
);

test('what is the same of three hundred rooms is one finding with their number', async () => {
  await using office = await openOffice();
  await office.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name)
     SELECT n, 'room' || n || '@nowhere.example', 'Room ' || n FROM generate_series(1, 300) n`,
  );
  const { findings } = (await office.run('doctor', '--json')).json() as { findings: Found[] };
  const ofRooms = findings.filter(({ check }) => check === 'mailboxes');
  expect(ofRooms).toHaveLength(1);
  expect(ofRooms[0]!.message).toMatch(/^300 rooms \(.*; and 297 more\) cannot be read/);
});
