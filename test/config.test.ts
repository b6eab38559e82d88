import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ConfigError, namedVariables, variables, type Environment } from '../src/settings.ts';
import { placeholdersIn, toBookingConfig, toConfig } from '../src/config.ts';

const enough: Environment = {
  DATABASE_URL: 'postgresql://bridge:secret@db.example.org/portico',
  GRAPH_TENANT_ID: 'example.onmicrosoft.com',
  GRAPH_CLIENT_ID: 'client',
  GRAPH_CLIENT_SECRET: 'secret',
};

const problemsOf = (env: Environment): readonly string[] => {
  try {
    toConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

test('the least that must be set is enough', () => {
  expect(toConfig(enough)).toMatchObject({
    adapter: 'portico',
    timezone: 'Europe/Oslo',
    window: { pastDays: 7, futureDays: 365 },
    wake: 'adaptive',
    brake: { max: 10, share: 0.2 },
  });
});

test('every problem is reported at once, each naming its variable', () => {
  const problems = problemsOf({ BOOKING_TIMEZONE: 'Oslo', PORT: 'http', WAKE: 'often', BRAKE_SHARE: '20' });
  for (const name of [
    'DB_HOST',
    'DB_NAME',
    'DB_USER',
    'GRAPH_TENANT_ID',
    'GRAPH_CLIENT_ID',
    'GRAPH_CLIENT_SECRET',
  ])
    expect(problems.some((problem) => problem.startsWith(`${name}:`))).toBe(true);
  for (const name of ['BOOKING_TIMEZONE', 'PORT', 'WAKE', 'BRAKE_SHARE'])
    expect(problems.some((problem) => problem.startsWith(`${name}:`))).toBe(true);
});

const secretValue = 'hunter~2-geheim';
test.each([
  ['HTTPS_PROXY', `htp://user:${secretValue}@proxy.example.org:3128`],
  ['HTTPS_PROXY', `user:${secretValue}@proxy.example.org:3128`],
  ['https_proxy', `proxy.example.org:3128@user:${secretValue}`],
  ['ALERT_WEBHOOK_URL', `hooks.chat.example/services/T0/B0/${secretValue}`],
  ['ALERT_WEBHOOK_URL', 'htps://hooks.chat.example/services/T0/B0/geheim'],
  ['WEBHOOK_BASE_URL', `http://user:${secretValue}@sync.example.org`],
  ['GRAPH_BASE_URL', `graph.microsoft.com/v1.0?token=${secretValue}`],
  ['GRAPH_AUTHORITY', `//user:${secretValue}@login.example.org`],
  ['GRAPH_TENANT_ID', `${secretValue}`],
  ['GRAPH_CLIENT_CERTIFICATE', `-----BEGIN PRIVATE KEY-----\n${secretValue}`],
  ['GRAPH_CLIENT_CERTIFICATE', `-----BEGIN PRIVATE KEY-----\\n${secretValue}`],
  ['DB_SSL_CA', `-----BEGIN CERTIFICATE-----\n${secretValue}`],
  ['DATABASE_URL', `postgres:/bridge:${secretValue}@db.example.org/portico`],
  ['DB_SSL', secretValue],
  ['BOOKING_TIMEZONE', secretValue],
  ['PORT', secretValue],
  ['BRAKE_SHARE', secretValue],
  ['SWEEP_SCHEDULE', secretValue],
  ['SWEEP_SCHEDULE', `* * * * ${secretValue}`],
  ['LOG_LEVEL', secretValue],
])('a secret in %s is named and not repeated', (name, value) => {
  const [problem = '', ...more] = problemsOf({ ...enough, [name]: value });
  expect(problem).toContain(`${name.toUpperCase()}: `);
  expect([problem, ...more].join()).not.toMatch(/hunter|geheim/);
});

test.each(['common', 'tenant', '{00000000-0000-0000-0000-000000000000}', 'a b.example'])(
  'a tenant id that is none is said: %s',
  (GRAPH_TENANT_ID) => {
    expect(problemsOf({ ...enough, GRAPH_TENANT_ID })).toEqual([
      expect.stringMatching(/^GRAPH_TENANT_ID: .* is not a directory/),
    ]);
  },
);

test('the GUID and any domain of a tenant are taken', () => {
  expect(problemsOf({ ...enough, GRAPH_TENANT_ID: '3D2F3A0E-5c3a-4c8e-9d58-6a4f0f0d7c11' })).toEqual([]);
  expect(problemsOf({ ...enough, GRAPH_TENANT_ID: 'bergen.kommune.no' })).toEqual([]);
});

test('an adapter that is none is reported with all the rest', () => {
  expect(problemsOf({ ...enough, BOOKING_ADAPTER: 'nowhere', PORT: 'http' })).toEqual([
    expect.stringMatching(
      /^BOOKING_ADAPTER: There is no adapter 'nowhere'.* Set BOOKING_ADAPTER to calcom, indico, mrbs, portico, or/,
    ),
    expect.stringMatching(/^PORT:/),
  ]);
});

test('an open API never leaves the machine by accident', () => {
  expect(toConfig(enough).http.host).toBe('127.0.0.1');
  expect(toConfig({ ...enough, API_KEY: 'k' }).http.host).toBe('0.0.0.0');
  expect(toConfig({ ...enough, HOST: '0.0.0.0' }).http.host).toBe('0.0.0.0');
});

test('polling is frequent without webhooks and rare with them', () => {
  expect(toConfig(enough).pollSeconds).toBe(60);
  expect(toConfig({ ...enough, WEBHOOK_BASE_URL: 'https://sync.example.org' }).pollSeconds).toBe(900);
});

test('the parts of the database address may hold any character', () => {
  const { url } = toBookingConfig({
    DB_HOST: 'db',
    DB_NAME: 'a b',
    DB_USER: 'x@y',
    DB_PASS: 'p:/?#%',
  }).database;
  const parsed = new URL(url);
  expect([parsed.hostname, decodeURIComponent(parsed.pathname), parsed.port]).toEqual(['db', '/a b', '5432']);
  expect([decodeURIComponent(parsed.username), decodeURIComponent(parsed.password)]).toEqual([
    'x@y',
    'p:/?#%',
  ]);
});

test('an unencrypted webhook address is refused, as Microsoft would', () => {
  expect(problemsOf({ ...enough, WEBHOOK_BASE_URL: 'http://sync.example.org' })[0]).toMatch(
    /^WEBHOOK_BASE_URL: .*https/,
  );
});

test.each([
  ['SWEEP_SCHEDULE', 'every day'],
  ['MISSING_SCHEDULE', '* * *'],
  ['REPORT_SCHEDULE', '61 * * * *'],
  ['API_KEY', '  '],
  ['POLL_INTERVAL_SECONDS', '1e3'],
  ['PORT', '0x1f92'],
  ['BRAKE_MAX', '-0'],
  ['SYNC_PAST_DAYS', '7.0'],
  ['BRAKE_SHARE', '1e-1'],
  ['BRAKE_SHARE', 'Infinity'],
])('%s=%s is refused at once', (name, value) => {
  expect(problemsOf({ ...enough, [name]: value }).map((problem) => problem.split(':')[0])).toEqual([name]);
});

test('keys may be named, and one that is named READ only reads', () => {
  const { keys, host, userHeader } = toConfig({
    ...enough,
    API_KEY: 'first',
    API_KEY_ANNA: ' second ',
    API_KEY_READ_SCREEN: 'third',
    API_KEY_read_hall2: 'fourth',
    API_KEY_NOBODY: '',
    TRUSTED_USER_HEADER: 'X-Forwarded-User',
  }).http;
  expect(keys).toEqual([
    { name: null, key: 'first', readOnly: false },
    { name: 'ANNA', key: 'second', readOnly: false },
    { name: 'READ_SCREEN', key: 'third', readOnly: true },
    { name: 'read_hall2', key: 'fourth', readOnly: true },
  ]);
  expect(host).toBe('0.0.0.0');
  expect(userHeader).toBe('x-forwarded-user');
  expect(toConfig({ ...enough, API_KEY_ANNA: 'only' }).http.host).toBe('0.0.0.0');
});

test.each([
  ['a key without a name', { API_KEY_: 'k' }, 'API_KEY_'],
  ['a name that would be a key for everything', { API_KEY_READ: 'k' }, 'API_KEY_READ'],
  ['a reading key without a name', { API_KEY_READ_: 'k' }, 'API_KEY_READ_'],
  ['a name with other characters', { 'API_KEY_<NAME>': 'k' }, 'API_KEY_<NAME>'],
  ['a blank named key', { API_KEY_ANNA: ' ' }, 'API_KEY_ANNA'],
  ['the path of a secret', { API_KEY_FILE: '/run/secrets/key' }, 'API_KEY_FILE'],
  ['one key under two names', { API_KEY: 'k', API_KEY_READ_ANNA: 'k' }, 'API_KEY_READ_ANNA'],
  ['a header of people without a key', { TRUSTED_USER_HEADER: 'X-Forwarded-User' }, 'TRUSTED_USER_HEADER'],
  ['a header that holds the key', { API_KEY: 'k', TRUSTED_USER_HEADER: 'X-API-Key' }, 'TRUSTED_USER_HEADER'],
  ['a header with a space', { API_KEY: 'k', TRUSTED_USER_HEADER: 'X User' }, 'TRUSTED_USER_HEADER'],
])('%s is refused and named', (_, set, name) => {
  const problems = problemsOf({ ...enough, ...set });
  expect(problems.map((problem) => problem.split(':')[0])).toEqual([name]);
  expect(problems.join()).not.toContain('/run/secrets');
});

test('a secret and a certificate together are refused', () => {
  expect(problemsOf({ ...enough, GRAPH_CLIENT_CERTIFICATE: 'package.json' })[0]).toMatch(
    /^GRAPH_CLIENT_CERTIFICATE:/,
  );
});

describe('.env', () => {
  /** `migrate` in a folder with this file, which needs a database that is not there. */
  function run(content: string | null) {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'env-'));
    const file = join(folder.path, '.env');
    if (content === null) mkdirSync(file);
    else writeFileSync(file, content);
    return spawnSync(process.execPath, [resolve('src/main.ts'), 'migrate'], {
      cwd: folder.path,
      env: { PATH: process.env['PATH'] },
      encoding: 'utf8',
    });
  }

  test.each([
    ['DB_PASS=ab#cd', 'DB_PASS'],
    ['DB_PASS=#cd', 'DB_PASS'],
    ['export API_KEY_ANNA = ab#cd', 'API_KEY_ANNA'],
  ])('%s, which would be cut there, is refused', (line, name) => {
    const { status, stderr } = run(`DB_HOST=127.0.0.1\n${line}\n`);
    expect([status, stderr]).toEqual([
      64,
      expect.stringContaining(`${name}: has a # without quotes in .env`),
    ]);
    expect(stderr).not.toContain('cd');
  });

  test('quotes and comments are what they look like, and other programs may have theirs', () => {
    const { stderr } = run(
      `DB_PASS='ab#cd' # a comment\nDB_USER=me # a comment\nDB_NAME= # later\nOTHER=a#b\n#API_KEY=a#b\n`,
    );
    expect(stderr).toContain('DB_HOST: is missing');
    expect(stderr).not.toMatch(/without quotes|DB_USER/);
  });

  test('a byte order mark does not hide the first variable', () => {
    const { stderr } = run('\uFEFFDB_HOST=127.0.0.1\nDB_USER=me\n');
    expect(stderr).toContain('DB_NAME: is missing');
    expect(stderr).not.toContain('DB_HOST');
  });

  test('that is a folder is a problem of the settings', () => {
    const { status, stderr } = run(null);
    expect([status, stderr]).toEqual([64, expect.stringMatching(/\.env: cannot be read/)]);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

describe('the address of the database', () => {
  const parts = { DB_HOST: 'db.example.org', DB_NAME: 'portico', DB_USER: 'me' };
  const { DATABASE_URL: _url, ...graph } = enough;
  const urlOf = (env: Environment) => toConfig({ ...graph, ...env }).database.url;

  test.each([
    ['db.example.org:5433'],
    ['user@db'],
    ['db example'],
    ['postgresql://db'],
    ['db/portico'],
    ['db?x'],
  ])('DB_HOST=%s is no host', (DB_HOST) => {
    expect(problemsOf({ ...graph, ...parts, DB_HOST })).toEqual([
      expect.stringMatching(/^DB_HOST: .*DB_PORT/),
    ]);
  });

  test.each([['db.example.org'], ['DB-1'], ['my_db'], ['127.0.0.1'], ['::1'], ['[::1]']])(
    'DB_HOST=%s is one',
    (DB_HOST) => {
      expect(new URL(urlOf({ ...parts, DB_HOST })).hostname.replace(/[[\]]/g, '')).toBe(
        DB_HOST.replace(/[[\]]/g, ''),
      );
    },
  );

  test.each(['.', '..'])('DB_NAME=%s is no name', (DB_NAME) => {
    expect(problemsOf({ ...graph, ...parts, DB_NAME })).toEqual([expect.stringMatching(/^DB_NAME: /)]);
  });

  test('a name may have any letters', () => {
    expect(urlOf({ ...parts, DB_NAME: 'ny base/æ%' })).toMatch(/\/ny%20base%2F%C3%A6%25$/);
  });

  test.each([
    ['options=-c%20search_path%3Dx', /^DATABASE_URL: has the parameter options/],
    ['sslcert=/a.pem', /^DATABASE_URL: has the parameter sslcert/],
    ['sslmode=require', /^DATABASE_URL: requires TLS while DB_SSL is off/],
    ['ssl=true', /^DATABASE_URL: requires TLS while DB_SSL is off/],
  ])('DATABASE_URL with %s is refused', (query, problem) => {
    expect(problemsOf({ ...enough, DATABASE_URL: `${enough['DATABASE_URL']}?${query}` })).toEqual([
      expect.stringMatching(problem),
    ]);
  });

  test('the parameters of DATABASE_URL do not win over our settings', () => {
    const DATABASE_URL = `${enough['DATABASE_URL']}?sslmode=require&application_name=x&statement_timeout=5&host=/tmp`;
    const { database } = toConfig({ ...enough, DATABASE_URL, DB_SSL: 'on' });
    expect(database).toEqual({
      url: `${enough['DATABASE_URL']}?host=%2Ftmp`,
      ssl: { rejectUnauthorized: true },
    });
    expect(urlOf({ DATABASE_URL: `${enough['DATABASE_URL']}?sslmode=disable` })).toBe(enough['DATABASE_URL']);
  });
});

test('only addresses to which a path is added lose the slash at their end', () => {
  const config = toConfig({
    ...enough,
    ALERT_WEBHOOK_URL: 'https://chat.example.org/hook/',
    WEBHOOK_BASE_URL: 'https://sync.example.org/',
    GRAPH_BASE_URL: 'https://graph.example.org/v1.0/',
  });
  expect([config.alertWebhookUrl, config.webhookBaseUrl, config.graph.baseUrl]).toEqual([
    'https://chat.example.org/hook/',
    'https://sync.example.org',
    'https://graph.example.org/v1.0',
  ]);
});

describe('.env.example', () => {
  const lines = readFileSync('.env.example', 'utf8').split('\n');
  const documented = new Map(
    lines.flatMap((line) => [...line.matchAll(/^#?([A-Z][A-Z0-9_<>]+)=(.*)$/g)].map((m) => [m[1]!, m[2]!])),
  );
  test('documents every variable there is, and no other', () =>
    expect([...documented.keys()].sort()).toEqual([...Object.keys(variables), ...namedVariables].sort()));
  test('has placeholders that are recognised', () => {
    // the other values may be right as they are
    const [examples, values] = [['DB_HOST', 'DB_NAME', 'DB_USER'], parseEnv(lines.join('\n'))];
    const placeholders = Object.keys(values).filter((name) => !examples.includes(name));
    expect(placeholdersIn(values).toSorted()).toEqual(placeholders.toSorted());
    expect(placeholdersIn({ ...values, DATABASE_URL: 'postgresql://db/portico' })).not.toContain('DB_PASS');
    expect(placeholdersIn({})).toEqual([]);
  });
  test('shows the true defaults', () => {
    for (const [name, value] of Object.entries(variables))
      if (value !== null) expect([name, documented.get(name)]).toEqual([name, value]);
  });
});

describe('docs/configuration.md', () => {
  const cells = readFileSync('docs/configuration.md', 'utf8')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, name]) => /^`[A-Z_<>]+`$/.test(name ?? ''))
    .map(([, name = '', shown = '']) => [name.slice(1, -1), shown] as const);
  test('explains every variable once, and no other', () =>
    expect(cells.map(([name]) => name).sort()).toEqual(
      [...Object.keys(variables), ...namedVariables].sort(),
    ));
  test('shows the true defaults', () => {
    const true_ = (value: string | null) => (value === null ? '–' : `\`${value}\``);
    for (const [name, value] of Object.entries(variables))
      expect([name, new Map(cells).get(name)]).toEqual([name, true_(value)]);
  });
});
