/** `doctor`: each thing that can be wrong is found, with what mends it; what is well is not complained of. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { expect, test } from 'vitest';
import { checkPolling } from '../../src/cli/doctor-polling.ts';
import { openTestDatabase } from '../support/database.ts';
import { openProxy } from '../support/proxy.ts';
import { bridgeGrants, openRole } from '../support/roles.ts';
import { until } from '../support/until.ts';
import { cli, openOffice, rooms, runCommand, type Said } from './command-line.ts';

interface Found {
  readonly state: string;
  readonly check: string;
  readonly message: string;
  readonly repair: string | null;
}

const found = (said: Said, check: string): Found[] =>
  (said.json() as { findings: Found[] }).findings.filter((finding) => finding.check === check);
const wrong = (said: Said): string[] =>
  (said.json() as { findings: Found[] }).findings
    .filter(({ state }) => state === 'problem')
    .map(({ check }) => check);

/** A web server that answers everything so. */
async function answering(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('with everything in place there is no problem, for people and for scripts', async () => {
  await using office = await openOffice();
  await office.map(101);
  const said = await cli(office.env, 'doctor', '--json');
  expect(wrong(said)).toEqual([]);
  expect(said.code).toBe(0);
  for (const check of [
    'database',
    'connection',
    'clock',
    'zone',
    'rights',
    'tables',
    'adapter',
    'triggers',
    'polling',
  ])
    expect(found(said, check).map(({ state }) => state)).toContain('ok');
  for (const check of ['listen', 'token', 'mailboxes'])
    expect(found(said, check).map(({ state }) => state)).toContain('ok');
  expect((await office.run('doctor')).out).toContain('✓ mailboxes');
});

test('it says which room has settings of its own, and when the titles are not yet as the environment says', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.db.query(`UPDATE bridge_resource_mappings SET privacy = 'full'`);
  await office.db.query(`INSERT INTO bridge_settings (name, value) VALUES ('title_template', 'Rom: {title}')
    ON CONFLICT (name) DO UPDATE SET value = excluded.value`);
  const said = await office.run('doctor', '--json');
  expect(found(said, 'rooms').map(({ message }) => message)).toEqual([
    expect.stringMatching(/^resource 101 \(.*\) has settings of its own: privacy=full$/),
  ]);
  expect(found(said, 'settings').map(({ message }) => message)).toContain(
    "TITLE_TEMPLATE is '{title}'; events are shown according to 'Rom: {title}' until the daemon is restarted.",
  );
});

test.each([
  ['60', 1, 'ok', /^1 room polled every 60 s on average: 0\.017 calls a second/, null],
  ['1', 400, 'warning', /400 calls a second.*will be late/, 'POLL_INTERVAL_SECONDS=3'],
])(
  'with POLL_INTERVAL_SECONDS=%s and %i rooms, polling is %s',
  async (seconds, count, state, message, repair) => {
    await using office = await openOffice();
    await office.db.query(
      `INSERT INTO bb_resource (id, name, activity_id, rescategory_id, sort)
     SELECT 5000 + n, 'Room ' || n, (SELECT min(id) FROM bb_activity), (SELECT min(id) FROM bb_rescategory), 1 FROM generate_series(1, $1::int) n`,
      [count],
    );
    await office.db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) SELECT 5000 + n, 'room' || n || '@nowhere.example' FROM generate_series(1, $1::int) n`,
      [count],
    );
    const finds: Found[] = [];
    await checkPolling({ pollSeconds: Number(seconds), webhookBaseUrl: null }, office.db.pool, (...found) => {
      finds.push({ state: found[0], check: found[1], message: found[2], repair: found[3] ?? null });
    });
    expect(finds).toMatchObject([
      { state, check: 'polling', message: expect.stringMatching(message) as string },
    ]);
    if (repair !== null) expect(finds[0]!.repair).toContain(repair);
  },
);

test('it writes nothing into a mailbox unless it is asked to, and leaves nothing behind when it is', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.run('doctor', '--json');
  const writes = () =>
    office.tenant.journal.filter(({ method, path }) => method !== 'GET' && /users/.test(path));
  expect(writes()).toEqual([]);
  const said = await office.run('doctor', '--write', '--json');
  expect(found(said, 'mailboxes')[0]?.message).toContain('read and written');
  expect(writes().map(({ method }) => method)).toEqual(['POST', 'POST']);
  expect(office.tenant.eventsIn(rooms[101]!.upn)).toEqual([]);
  expect(office.tenant.mails).toEqual([]);
});

test('a create whose answer is lost leaves nothing behind either', async () => {
  await using office = await openOffice();
  await office.map(101);
  office.tenant.faults.add({
    match: { method: 'POST', path: '/events$' },
    times: 1,
    action: { do: 'dropAnswer' },
  });
  const said = await cli(office.env, 'doctor', '--write', '--json');
  expect(said.code).toBe(0);
  expect(office.tenant.eventsIn(rooms[101]!.upn)).toEqual([]);
});

test('a mailbox that is none is named, and the others are well', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (102, 'nobody@bergen.example')`,
  );
  const said = await office.run('doctor', '--json');
  expect(said.code).toBe(1);
  expect(wrong(said)).toEqual(['mailboxes']);
  const [bad] = found(said, 'mailboxes').filter(({ state }) => state === 'problem');
  expect(bad?.message).toContain('nobody@bergen.example');
  expect(bad?.repair).toContain('Test-ServicePrincipalAuthorization');
  expect(found(said, 'mailboxes').at(-1)?.message).toContain('1 of 2');
});

test('a room that a daemon works on is left alone, and that is said', { timeout: 90_000 }, async () => {
  await using office = await openOffice();
  await office.map(101);
  const daemon = await office.db.pool.connect();
  await daemon.query('SELECT pg_advisory_lock(7230911, id) FROM bridge_resource_mappings');
  const said = await office.run('doctor', '--write', '--json');
  daemon.release(true);
  expect(found(said, 'mailboxes')[0]).toMatchObject({ state: 'note' });
  expect(found(said, 'mailboxes')[0]?.message).toContain('a daemon is working on it');
  expect(office.tenant.journal.filter(({ path }) => /events/.test(path))).toEqual([]);
});

test('rights to all calendars of the tenant are a warning with the PowerShell that limits them', async () => {
  await using office = await openOffice();
  const [wide] = found(await office.run('doctor', '--json'), 'scope');
  expect(wide).toMatchObject({ state: 'warning' });
  expect(wide?.repair).toContain('New-ManagementRoleAssignment');
  office.tenant.faults.token({ roles: ['Place.Read.All'] });
  expect(found(await office.run('doctor', '--json'), 'scope')).toMatchObject([{ state: 'ok' }]);
  office.tenant.faults.token({ roles: ['Mail.Read'] });
  expect(found(await office.run('doctor', '--json'), 'scope').at(-1)?.message).toContain('Mail.Read');
});

test('the end of a certificate is told', async () => {
  await using office = await openOffice();
  const { GRAPH_CLIENT_SECRET: _secret, ...rest } = office.env;
  const GRAPH_CLIENT_CERTIFICATE = fileURLToPath(
    new URL('../fixtures/graph/app-certificate.pem', import.meta.url),
  );
  const said = await runCommand({ ...rest, GRAPH_CLIENT_CERTIFICATE }, 'doctor', '--json');
  const end = new Date(
    new X509Certificate(
      readFileSync(GRAPH_CLIENT_CERTIFICATE, 'utf8').replace(/^[\s\S]*?(?=-----BEGIN CERT)/, ''),
    ).validTo,
  );
  expect(found(said, 'credential')).toMatchObject([
    { state: 'ok', message: `the certificate expires on ${end.toISOString().slice(0, 10)}` },
  ]);
});

test('a secret that is none is named with its variable', async () => {
  await using office = await openOffice();
  const said = await runCommand({ ...office.env, GRAPH_CLIENT_SECRET: 'wrong' }, 'doctor', '--json');
  expect(wrong(said)).toEqual(['token']);
  expect(found(said, 'token')[0]?.repair).toContain('GRAPH_CLIENT_SECRET');
});

test('a disabled trigger comes with the statement that enables it', async () => {
  await using office = await openOffice();
  await office.db.query('ALTER TABLE bb_event DISABLE TRIGGER bridge_update');
  expect(found(await office.run('doctor', '--json'), 'triggers')).toMatchObject([
    { state: 'problem', repair: 'ALTER TABLE bb_event ENABLE TRIGGER bridge_update;' },
  ]);
});

test('several disabled triggers are one finding, with a statement a line', async () => {
  await using office = await openOffice();
  await office.db.query(
    'ALTER TABLE bb_event DISABLE TRIGGER bridge_update; ALTER TABLE bb_event DISABLE TRIGGER bridge_insert',
  );
  expect(found(await office.run('doctor', '--json'), 'triggers')).toEqual([
    {
      state: 'problem',
      check: 'triggers',
      message:
        'the trigger bridge_insert on bb_event is disabled; the trigger bridge_update on bb_event is disabled.',
      repair:
        'ALTER TABLE bb_event ENABLE TRIGGER bridge_insert;\nALTER TABLE bb_event ENABLE TRIGGER bridge_update;',
    },
  ]);
});

test('a table of ours that is gone, and what migrate could not choose', async () => {
  await using office = await openOffice();
  const defaults = found(await office.run('doctor', '--json'), 'defaults');
  expect(defaults.map(({ repair }) => repair).join()).toContain('INSERT INTO bridge_settings');
  await office.db.query('DROP TABLE bridge_changes');
  expect(found(await office.run('doctor', '--json'), 'tables')).toMatchObject([
    {
      state: 'problem',
      message: expect.stringContaining('bridge_changes'),
      repair: expect.stringMatching(/^node .*main\.ts migrate$/),
    },
  ]);
});

test('functions of ours that another version put there', async () => {
  await using office = await openOffice();
  const functions = async () => found(await office.run('doctor', '--json'), 'functions');
  expect(await functions()).toMatchObject([{ state: 'ok' }]);
  await office.db.query(`UPDATE bridge_settings SET value = 'another' WHERE name = 'functions'`);
  expect(await functions()).toMatchObject([{ state: 'problem', repair: expect.stringContaining('migrate') }]);
});

test('looking at the defaults changes none', async () => {
  await using office = await openOffice();
  await office.db.query(`DELETE FROM bridge_settings WHERE name = 'default_activity_id'`);
  await office.run('doctor', '--json');
  expect(await office.db.query(`SELECT FROM bridge_settings WHERE name = 'default_activity_id'`)).toEqual([]);
});

test('changes that could not be folded are listed with the reason', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.db
    .query(`INSERT INTO bridge_unfolded (reservation_type, reservation_id, changed_at, code, error_message, retry_at)
    VALUES ('event', 7, now() - interval '2 minutes', '22012', 'division by zero (SQLSTATE 22012)', now()),
      (NULL, NULL, now(), '55P03', 'rows of the bridge are locked by DBeaver (clerk, pid 12)', now())`);
  expect(found(await office.run('doctor', '--json'), 'changes')).toEqual([
    {
      state: 'warning',
      check: 'changes',
      message: 'The change of event/7 cannot be followed: division by zero (SQLSTATE 22012).',
      repair: expect.stringContaining('bridge_items') as string,
    },
    {
      state: 'warning',
      check: 'changes',
      message:
        'The change of a table that was emptied cannot be followed: rows of the bridge are locked by DBeaver (clerk, pid 12).',
      repair: 'Commit the open transaction, or roll it back.',
    },
  ]);
});

test('an event with several dates is listed', async () => {
  await using office = await openOffice();
  await office.db.query(`
    WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
      VALUES (1, 'Choir', now() + interval '1 day', now() + interval '25 hours', 'b', 'c', 'e', 'p', 's') RETURNING id, from_, to_)
    INSERT INTO bb_event_date (event_id, from_, to_) SELECT id, from_, to_ FROM e
    UNION ALL SELECT id, from_ + interval '7 days', to_ + interval '7 days' FROM e`);
  expect(found(await office.run('doctor', '--json'), 'reservations')).toMatchObject([
    { state: 'note', message: expect.stringMatching(/^event\/\d+: it has 2 dates/) },
  ]);
});

test('a reservation that ends before it starts is listed, with the time at which Outlook shows it', async () => {
  await using office = await openOffice();
  await office.db.query(`
    INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
    VALUES (1, 'Choir', date_trunc('day', now()) + interval '40 hours', date_trunc('day', now()) + interval '39 hours', 'b', 'c', 'e', 'p', 's')`);
  expect(found(await office.run('doctor', '--json'), 'reservations')).toMatchObject([
    {
      state: 'note',
      message: expect.stringMatching(/^event\/\d+: it ends at \S+ 15:00, before it starts; .* at \S+ 16:00/),
    },
  ]);
});

test('another zone than the database was set up with', async () => {
  await using office = await openOffice();
  const said = await runCommand({ ...office.env, BOOKING_TIMEZONE: 'Europe/London' }, 'doctor', '--json');
  expect(wrong(said)).toContain('settings');
  expect(found(said, 'settings').at(-2)?.repair).toContain('BOOKING_TIMEZONE=Europe/Oslo');
});

test('the placeholders of a fresh copy of .env.example are reported, and the database is checked', async () => {
  await using office = await openOffice();
  const fresh = parseEnv(readFileSync('.env.example', 'utf8'));
  const said = await runCommand({ ...fresh, DATABASE_URL: office.db.url }, 'doctor', '--json');
  const graph = ['GRAPH_TENANT_ID', 'GRAPH_CLIENT_ID', 'GRAPH_CLIENT_SECRET'];
  const settings = found(said, 'settings').filter(({ message }) => message.includes('.env.example'));
  expect(settings.map(({ state, message }) => [state, message.split(' ')[0]])).toEqual(
    graph.map((name) => ['problem', name]),
  );
  expect(found(said, 'settings').map(({ message }) => message)).not.toContain('complete');
  expect(found(said, 'token')).toEqual([]);
  expect(found(said, 'triggers')).toMatchObject([{ state: 'ok' }]);
});

test('with wrong settings of Microsoft the database is looked at all the same', async () => {
  await using office = await openOffice();
  const said = await runCommand(
    { DATABASE_URL: office.db.url, GRAPH_TENANT_ID: 'common' },
    'doctor',
    '--json',
  );
  expect(said.code).toBe(1);
  expect(
    found(said, 'settings')
      .map(({ message }) => message)
      .join(),
  ).toContain('GRAPH_CLIENT_SECRET');
  expect(found(said, 'triggers')).toMatchObject([{ state: 'ok' }]);
});

test('a role without rights gets the GRANTs', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  await using role = await openRole(db, [...bridgeGrants, 'REVOKE TRIGGER ON bb_booking FROM role']);
  const said = await runCommand({ DATABASE_URL: role.config.url }, 'doctor', '--json');
  expect(found(said, 'rights').find(({ state }) => state === 'problem')?.repair).toBe(
    `GRANT TRIGGER ON bb_booking TO ${role.name};`,
  );
});

test('a database that is away is a problem with the way to look at it', async () => {
  const said = await runCommand({ DATABASE_URL: 'postgresql://me:secret@127.0.0.1:1/x' }, 'doctor', '--json');
  const [away] = found(said, 'database');
  expect(away?.message).toContain('ECONNREFUSED');
  expect(away?.repair).toContain('psql -h 127.0.0.1 -p 1 -U me x');
  expect(said.out).not.toContain('secret@');
});

test('a webhook that echoes is well; one behind a login, and one without an answer, are not', async () => {
  await using office = await openOffice();
  const webhook = async (WEBHOOK_BASE_URL: string) =>
    found(await runCommand({ ...office.env, WEBHOOK_BASE_URL }, 'doctor', '--json'), 'webhook')[0];
  await using echo = await answering((request, response) => {
    const token = new URL(request.url ?? '', 'http://x').searchParams.get('validationToken');
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(request.method === 'POST' ? token : '');
  });
  expect(await webhook(echo.url)).toMatchObject({ state: 'ok' });
  await using login = await answering((_request, response) => {
    response.writeHead(302, { location: '/login' }).end();
  });
  expect(await webhook(login.url)).toMatchObject({
    state: 'problem',
    repair: expect.stringContaining('without login'),
  });
  expect(await webhook('http://127.0.0.1:1')).toMatchObject({ state: 'warning' });
});

test('without a key, an address that opens the API is a problem, and a public one that may is a warning', async () => {
  await using office = await openOffice();
  const settings = async (more: Record<string, string>) =>
    found(await runCommand({ ...office.env, ...more }, 'doctor', '--json'), 'settings').filter(
      ({ state }) => state !== 'ok',
    );
  await using open = await answering((_request, response) => void response.end('{}'));
  expect(await settings({ WEBHOOK_BASE_URL: open.url })).toMatchObject([
    { state: 'problem', repair: expect.stringContaining('API_KEY=') },
  ]);
  expect(await settings({ WEBHOOK_BASE_URL: open.url, API_KEY: 'k'.repeat(30) })).toEqual([]);
  await using guarded = await answering((_request, response) => void response.writeHead(401).end());
  expect(await settings({ WEBHOOK_BASE_URL: guarded.url })).toEqual([]);
  // .invalid is never resolved (RFC 6761)
  expect(await settings({ WEBHOOK_BASE_URL: 'https://sync.invalid' })).toMatchObject([{ state: 'warning' }]);
});

test('a database that goes away while a mailbox is read is a finding, not the end of the command', async () => {
  await using office = await openOffice();
  await using proxy = await openProxy(office.db.url);
  await office.map(101);
  office.tenant.faults.add({ match: { mailbox: rooms[101]!.upn }, action: { do: 'delay', ms: 1_000 } });
  const saying = runCommand(
    { ...office.env, DATABASE_URL: proxy.through(office.db.url) },
    'doctor',
    '--json',
  );
  await until(() => office.tenant.faults.active[0]!.hits === 1);
  proxy.reset();
  const said = await saying;
  expect(said.err).toBe('');
  expect(said.code).toBe(1);
  expect(found(said, 'outlook').map(({ message }) => message)).toEqual([
    expect.stringContaining('The check failed'),
  ]);
});
