import { Agent } from 'undici';
import { expect, test, vi } from 'vitest';
import { openPool } from '../../src/database.ts';
import type { Fact } from '../../src/facts.ts';
import { createAlertWebhook } from '../../src/ops/alert-webhook.ts';
import { createAlerts, type AlertOptions } from '../../src/ops/alerts.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openProxy } from '../support/proxy.ts';
import { untilTrue } from '../support/until.ts';
import { openReceiver } from './receiver.ts';

const brake: Fact = {
  fact: 'brake-held',
  room: 'Formannskapssalen',
  resourceId: 101,
  held: 12,
  wanted: 14,
  synced: 30,
};
const graphOut: Fact = { fact: 'outage', side: 'outlook', error: 'Graph says 503', hint: null };
const graphBack: Fact = { fact: 'outage-over', side: 'outlook', ms: 1 };
const databaseOut: Fact = { fact: 'outage', side: 'booking', error: 'connection refused', hint: null };
const databaseBack: Fact = { fact: 'outage-over', side: 'booking', ms: 1 };

async function openAlerts(options: Partial<AlertOptions> = {}) {
  const opened = new AsyncDisposableStack();
  const db = opened.use(await openTestDatabase({ schema: 'bridge' }));
  const receiver = opened.use(await openReceiver());
  await addRooms(db);
  /** One more daemon on the same database, with a way of its own to the receiver of alerts. */
  const join = (holder: string, change: Partial<AlertOptions> = {}) => {
    const facts: Fact[] = [];
    const tell = (fact: Fact) => void facts.push(fact);
    const dispatcher = new Agent({ connections: 1 });
    opened.defer(() => dispatcher.close());
    const webhook = opened.use(
      createAlertWebhook({ url: receiver.url, dispatcher, tell, restMs: () => 5, timeoutMs: 2_000 }),
    );
    const alerts = opened.use(
      createAlerts({
        db: db.pool,
        webhook,
        tell,
        holder,
        webhooks: false,
        sends: true,
        readCapture: async () => ({ missing: [], extra: [], repair: null }),
        credentialEnds: () => null,
        silentMs: 5,
        gatherMs: 0,
        ...options,
        ...change,
      }),
    );
    return { ...alerts, facts, webhook };
  };
  const first = join('first');
  return {
    ...first,
    db,
    receiver,
    join,
    defer: (close: () => PromiseLike<void>) => opened.defer(close),
    rows: () =>
      db.query<{ type: string; is_open: boolean }>(
        'SELECT type, closed_at IS NULL AS is_open FROM bridge_alerts ORDER BY id',
      ),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function addRooms(db: TestDatabase): Promise<void> {
  for (const [resource, name] of [
    [101, 'Formannskapssalen'],
    [102, 'Bystyresalen'],
  ])
    await db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name)
       VALUES ($1, $2, $3)`,
      [resource, `${String(name).toLowerCase()}@bergen.example`, name],
    );
}

const room = (db: TestDatabase, resource: number, set: string) =>
  db.query(`UPDATE bridge_room_state SET ${set} WHERE resource_mapping_id =
    (SELECT id FROM bridge_resource_mappings WHERE resource_id = ${resource})`);

const add = (db: TestDatabase, columns: string, values: string) =>
  db.query(`INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, ${columns})
    SELECT 'event', n, 101, 'formannskapssalen@bergen.example', ${values} FROM generate_series(1, 3) n`);

test('many failures for one missing right are one alert about the right, and none about the error rate', async () => {
  await using alerts = await openAlerts();
  await add(
    alerts.db,
    'due_at, error_message',
    `now(), 'permission denied for table bb_event (bridge_import_item, line 3, SQLSTATE 42501)'`,
  );
  await alerts.db.query(`
    INSERT INTO bridge_log (mapping_id, action) SELECT id, 'delayed' FROM bridge_mappings;
    INSERT INTO bridge_log (mapping_id, action) SELECT 1000 + n, 'created' FROM generate_series(1, 17) n`);
  expect((await alerts.check()).opened).toMatchObject([{ type: 'right-missing' }]);
  await alerts.db.query(
    'UPDATE bridge_mappings SET due_at = NULL, error_message = NULL, revision = revision + 1',
  );
  expect((await alerts.check()).closed).toMatchObject([{ type: 'right-missing' }]);
});

test('an item that waits for a decision has not failed', async () => {
  await using alerts = await openAlerts();
  await add(alerts.db, 'sync_status, conflict', `'conflict', '{"kind": "overlap"}'`);
  await alerts.db.query(
    `INSERT INTO bridge_log (mapping_id, action) SELECT id, 'parked' FROM bridge_mappings`,
  );
  await alerts.db.query(
    `INSERT INTO bridge_log (mapping_id, action) SELECT 1000 + n, 'created' FROM generate_series(1, 20) n`,
  );
  expect((await alerts.check()).opened).toMatchObject([{ type: 'conflicts' }]);
});

test('the alert of a brake names mailbox and resource, and is raised and posted once', async () => {
  await using alerts = await openAlerts();
  for (let n = 0; n < 5; n += 1) alerts.observe(brake);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  alerts.observe(brake);
  alerts.observe(graphOut);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 1);
  expect(alerts.receiver.lines()).toEqual(['opened brake 101', 'opened outlook-outage']);
  const [row] = (await alerts.store.list('open', 10)).filter(({ type }) => type === 'brake');
  expect(row).toMatchObject({
    severity: 'critical',
    status: 'open',
    room: 'Formannskapssalen',
    resource_id: 101,
    message: expect.stringMatching(
      /12 removals in Formannskapssalen \(resource 101\) .* Mailbox: formannskapssalen@bergen.example\./,
    ),
    mailbox: 'formannskapssalen@bergen.example',
    detail: { removals: 12 },
  });
});

test('a posted alert has the text for chats and the fields', async () => {
  await using alerts = await openAlerts();
  alerts.observe(brake);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  const [message] = alerts.receiver.taken;
  expect(message!.text).toMatch(/^CRITICAL brake: 12 removals .* What to do: .*release/);
  expect(message).toMatchObject({
    event: 'opened',
    source: 'outlook-booking-sync',
    alert: { id: expect.any(Number), type: 'brake', severity: 'critical', resource_id: 101, closed_at: null },
  });
  // Mattermost refuses a message with a type of its own
  expect(message).not.toHaveProperty('type');
});

test('the alert of a Graph outage is open as long as the outage lasts, and its end is posted', async () => {
  await using alerts = await openAlerts();
  alerts.observe(graphOut);
  alerts.observe(graphOut);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  expect(await alerts.rows()).toEqual([{ type: 'outlook-outage', is_open: true }]);
  alerts.observe(graphBack);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 1);
  expect(alerts.receiver.lines()).toEqual(['opened outlook-outage', 'closed outlook-outage']);
  expect(alerts.receiver.taken[1]!.text).toMatch(/^Over: /);
  expect(await alerts.rows()).toEqual([{ type: 'outlook-outage', is_open: false }]);
  expect(
    alerts.facts.flatMap((fact) => (fact.fact === 'alert' ? [`${fact.event} ${fact.type}`] : [])),
  ).toEqual(['opened outlook-outage', 'closed outlook-outage']);
});

test('an alert that is raised again after its end is a new one', async () => {
  await using alerts = await openAlerts();
  for (let n = 1; n <= 2; n += 1) {
    alerts.observe(graphOut);
    await alerts.receiver.until(() => alerts.receiver.taken.length === n * 2 - 1);
    alerts.observe(graphBack);
    await alerts.receiver.until(() => alerts.receiver.taken.length === n * 2);
  }
  expect((await alerts.rows()).length).toBe(2);
});

test('two daemons raise one alert, which closes when neither sees the cause any more', async () => {
  await using alerts = await openAlerts();
  const second = alerts.join('second');
  for (const daemon of [alerts, second]) daemon.observe(graphOut);
  await holders(alerts.db, 2);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  alerts.observe(graphBack);
  await holders(alerts.db, 1);
  expect((await alerts.rows())[0]!.is_open).toBe(true);
  second.observe(graphBack);
  await alerts.receiver.until(() => alerts.receiver.lines().includes('closed outlook-outage'));
  expect(alerts.receiver.lines()).toEqual(['opened outlook-outage', 'closed outlook-outage']);
});

test('two daemons whose brake holds the same room raise one alert', async () => {
  await using alerts = await openAlerts();
  const second = alerts.join('second');
  for (const daemon of [alerts, second]) daemon.observe(brake);
  // each writes in order: with the outage written, the brake was
  for (const daemon of [alerts, second]) daemon.observe(graphOut);
  await holders(alerts.db, 2);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 1);
  expect(alerts.receiver.lines().toSorted()).toEqual(['opened brake 101', 'opened outlook-outage']);
});

/** Resolves when so many daemons hold the outage. */
const holders = (db: TestDatabase, wanted: number) =>
  untilTrue(
    db,
    `SELECT count(*) = ${wanted} FROM bridge_alerts a, jsonb_object_keys(a.holders) WHERE type = 'outlook-outage'`,
  );

test('an alert that only a dead daemon saw is closed by the others', async () => {
  await using alerts = await openAlerts();
  alerts.observe(graphOut);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  const second = alerts.join('second');
  await second.check();
  expect((await alerts.rows())[0]!.is_open).toBe(true);
  await alerts.db.query(
    `UPDATE bridge_alerts SET holders = jsonb_build_object('first', extract(epoch FROM now()) - 121)`,
  );
  expect((await second.check()).closed).toMatchObject([{ type: 'outlook-outage' }]);
});

test('while the database is unavailable the message is posted, and the row is written afterwards', async () => {
  await using alerts = await openAlerts();
  const proxy = await openProxy(alerts.db.url);
  const pool = openPool({ url: proxy.through(alerts.db.url), ssl: false }, 'test', 2);
  alerts.defer(() => proxy[Symbol.asyncDispose]());
  alerts.defer(() => pool.end());
  const cut = alerts.join('cut', { db: pool });
  proxy.refuseNew = true;
  cut.observe(databaseOut);
  cut.observe(graphOut);
  await alerts.receiver.until(() => alerts.receiver.taken.length === 2);
  expect(alerts.receiver.lines()).toEqual(['opened booking-outage', 'opened outlook-outage']);
  expect(alerts.receiver.taken[0]!.alert.id).toBeNull();
  expect(await alerts.rows()).toEqual([]);
  proxy.refuseNew = false;
  cut.observe(databaseBack);
  await alerts.receiver.until(() => alerts.receiver.taken.length === 3);
  expect(alerts.receiver.lines()[2]).toBe('closed booking-outage');
  await alerts.db.query('SELECT 1');
  cut.observe(graphBack);
  await alerts.receiver.until(() => alerts.receiver.taken.length === 4);
  expect(alerts.receiver.lines()[3]).toBe('closed outlook-outage');
  expect(await alerts.rows()).toEqual([
    { type: 'booking-outage', is_open: false },
    { type: 'outlook-outage', is_open: false },
  ]);
});

test('an outage that several daemons store afterwards is one row', async () => {
  await using alerts = await openAlerts();
  const began = { alert: outageAlert, ageMs: 60_000, overMs: 10 };
  const changes = await Promise.all(
    ['a', 'b', 'c'].map((holder) => alerts.store.recordCondition(holder, began)),
  );
  expect((await alerts.rows()).length).toBe(1);
  expect(changes.flatMap(({ closed }) => closed).length).toBe(1);
  const [row] = await alerts.db.query<{ seconds: number }>(
    'SELECT round(extract(epoch FROM closed_at - created_at))::int AS seconds FROM bridge_alerts',
  );
  expect(row!.seconds).toBe(60);
});

const outageAlert = {
  type: 'booking-outage',
  severity: 'critical',
  room: null,
  resourceId: null,
  message: 'away',
  hint: null,
  detail: {},
} as const;

test('a listener without notifications raises an alert only after a while, which the next notification closes', async () => {
  await using alerts = await openAlerts({ silentMs: 60_000 });
  alerts.observe({ fact: 'listening', heard: false, reason: 'not connected yet' });
  alerts.observe({ fact: 'listening', heard: true, reason: '' });
  const deaf = alerts.join('deaf', { silentMs: 5 });
  deaf.observe({ fact: 'listening', heard: false, reason: 'a pooler is in between' });
  await alerts.receiver.until(() => alerts.receiver.taken.length === 1);
  expect(alerts.receiver.taken[0]!.text).toContain('a pooler is in between');
  deaf.observe({ fact: 'listening', heard: true, reason: '' });
  await alerts.receiver.until(() => alerts.receiver.taken.length === 2);
  expect(alerts.receiver.lines()).toEqual(['opened listen-silent', 'closed listen-silent']);
});

test('a secret that Microsoft refuses is an alert of its own, with its remedy', async () => {
  await using alerts = await openAlerts();
  const hint = 'The secret has expired: make a new one and put it into GRAPH_CLIENT_SECRET.';
  alerts.observe({
    fact: 'outage',
    side: 'outlook',
    error:
      'ask for an access token: the authority says 401 AADSTS7000222: The provided client secret keys are expired.',
    hint,
  });
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  expect(alerts.receiver.lines()).toEqual(['opened credential-refused']);
  expect(alerts.receiver.taken[0]!.text).toContain(hint);
  alerts.observe(graphBack);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 1);
});

test.each([
  [29.5, 'warning', 'ends in 29 days'],
  [6.5, 'critical', 'ends in 6 days'],
  [-1, 'critical', 'has ended'],
])('a certificate that expires in %d days raises an alert', async (days, severity, words) => {
  let ends = new Date(Date.now() + days * 86_400_000);
  await using alerts = await openAlerts({ credentialEnds: () => ends });
  await alerts.check();
  await alerts.receiver.until(() => alerts.receiver.taken.length === 1);
  expect(alerts.receiver.taken[0]!.alert).toMatchObject({ type: 'credential-expiring', severity });
  expect(alerts.receiver.taken[0]!.alert.message).toContain(words);
  ends = new Date(Date.now() + 365 * 86_400_000);
  await alerts.check();
  await alerts.receiver.until(() => alerts.receiver.taken.length === 2);
});

test('the alert of an expiring certificate is updated, and posted again when it becomes critical', async () => {
  let ends = new Date(Date.now() + 29.5 * 86_400_000);
  await using alerts = await openAlerts({ credentialEnds: () => ends });
  const open = async () =>
    (await alerts.store.list('open', 9)).map(({ severity, message, status }) => [
      severity,
      message.slice(0, 58),
      status,
    ]);
  const says = (days: number) => `The certificate of the app registration ends in ${days} days`;
  await alerts.check();
  await alerts.receiver.until(() => alerts.receiver.taken.length === 1);
  const { id, created_at: began } = (await alerts.store.list('open', 9))[0]!;
  await alerts.store.acknowledge(id);
  ends = new Date(Date.now() + 20.5 * 86_400_000);
  await alerts.check();
  await vi.waitFor(async () =>
    expect(await open()).toEqual([['warning', expect.stringContaining(says(20)), 'acknowledged']]),
  );
  ends = new Date(Date.now() + 6.5 * 86_400_000);
  await alerts.check();
  await alerts.receiver.until(() => alerts.receiver.taken.length === 2);
  expect(alerts.receiver.taken.map(({ event, alert }) => [event, alert.severity])).toEqual([
    ['opened', 'warning'],
    ['opened', 'critical'],
  ]);
  expect(await open()).toEqual([['critical', expect.stringContaining(says(6)), 'open']]);
  expect(await alerts.store.list('open', 9)).toMatchObject([{ id, created_at: began }]);
});

test('the alert of a bug names its place, omits quoted values, and closes after a day', async () => {
  await using alerts = await openAlerts();
  alerts.observe({ fact: 'bug', error: new Error('no row for kari@example.org'), where: 'the drain of A' });
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  expect(alerts.receiver.taken[0]!.alert.message).toBe('A bug in the drain of A; the log has its stack.');
  expect(JSON.stringify(alerts.receiver.taken)).not.toContain('no row');
  expect((await alerts.check()).closed).toEqual([]);
  await alerts.db.query(`UPDATE bridge_alerts SET seen_at = now() - interval '25 hours'`);
  expect((await alerts.check()).closed).toMatchObject([{ type: 'bug' }]);
});

test('a repeated bug is stored once a minute', async () => {
  await using alerts = await openAlerts();
  const bug: Fact = { fact: 'bug', error: new Error('no such function'), where: 'the heartbeat' };
  alerts.observe(bug);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 0);
  const seen = () => alerts.db.query<{ seen_at: Date }>('SELECT seen_at FROM bridge_alerts');
  const [before] = await seen();
  for (let n = 0; n < 50; n += 1) alerts.observe(bug);
  // written after them, so they would be too
  alerts.observe(brake);
  await alerts.receiver.until(() => alerts.receiver.taken.length > 1);
  expect((await seen())[0]).toEqual(before);
});

interface Reason {
  readonly type: string;
  readonly says: RegExp;
  readonly begin: (db: TestDatabase) => Promise<unknown>;
  readonly end: (db: TestDatabase) => Promise<unknown>;
  readonly options?: Partial<AlertOptions>;
}
const reasons: readonly Reason[] = [
  {
    type: 'room-refused',
    says: /mailbox of Formannskapssalen refuses access: Access is denied/,
    begin: (db) => room(db, 101, `health = 'refused', error_message = 'Access is denied'`),
    end: (db) => room(db, 101, `health = 'ok', error_message = NULL`),
  },
  {
    type: 'room-failing',
    says: /Formannskapssalen fails repeatedly \(6 times\)/,
    begin: (db) => room(db, 101, `health = 'waiting', attempt = 6, error_message = 'Graph says 500'`),
    end: (db) => room(db, 101, `health = 'ok', attempt = 0`),
  },
  {
    type: 'throttled',
    says: /Graph throttles Formannskapssalen/,
    begin: (db) =>
      room(db, 101, `health = 'waiting', attempt = 3, throttled_until = now() + interval '1 minute'`),
    end: (db) => room(db, 101, `health = 'ok', attempt = 0, throttled_until = NULL`),
  },
  {
    type: 'items-in-error',
    says: /3 items failed \(Formannskapssalen\)\. The newest: no such thing/,
    begin: (db) => add(db, 'sync_status, error_message', `'error', 'no such thing'`),
    end: (db) => db.query(`UPDATE bridge_mappings SET sync_status = 'synced', revision = revision + 1`),
  },
  {
    type: 'conflicts',
    says: /3 conflicts need a decision \(Formannskapssalen\)\. The newest: Both sides changed title/,
    begin: (db) =>
      add(
        db,
        'sync_status, conflict, error_message',
        `'conflict', '{"kind": "fields"}', 'Both sides changed title.'`,
      ),
    end: (db) => db.query('UPDATE bridge_resource_mappings SET active = 0'),
  },
  {
    type: 'stuck',
    says: /3 changes wait, the oldest for 11 minutes \(Formannskapssalen\)/,
    begin: (db) => add(db, 'due_at, changed_at', `now(), now() - interval '11 minutes'`),
    end: (db) =>
      db.query('UPDATE bridge_mappings SET due_at = NULL, changed_at = NULL, revision = revision + 1'),
  },
  {
    type: 'stuck',
    says: /changes of the booking system were not folded for 3 minutes/,
    begin: (db) =>
      db.query(
        `INSERT INTO bridge_changes (reservation_type, changed_at) VALUES ('event', now() - interval '3 minutes')`,
      ),
    end: (db) => db.query('DELETE FROM bridge_changes'),
  },
  {
    type: 'stuck',
    says: /1 rooms were not polled \(Bystyresalen\)/,
    begin: (db) => room(db, 102, `pull_due_at = now() - interval '11 minutes'`),
    end: (db) => room(db, 102, 'pull_due_at = NULL'),
  },
  {
    type: 'error-rate',
    says: /3 of the 20 items of the last 15 minutes failed \(15 %\)/,
    begin: (db) =>
      db.query(`INSERT INTO bridge_log (mapping_id, action) SELECT n, CASE WHEN n <= 3 THEN 'delayed' ELSE 'created' END
        FROM generate_series(1, 20) n`),
    end: (db) =>
      db.query(
        `INSERT INTO bridge_log (mapping_id, action) SELECT n, 'created' FROM generate_series(1, 3) n`,
      ),
  },
  {
    type: 'subscriptions-lost',
    says: /no working subscription for 1 rooms: Bystyresalen/,
    begin: (db) =>
      db.query(`INSERT INTO bridge_subscriptions (resource_mapping_id, outlook_item_id, subscription_id, notification_url, expires_at, attempt)
        SELECT id, outlook_item_id, CASE resource_id WHEN 101 THEN 's' END, 'u', CASE resource_id WHEN 101 THEN now() + interval '1 hour' END,
          CASE resource_id WHEN 101 THEN 0 ELSE 3 END FROM bridge_resource_mappings`),
    end: (db) =>
      db.query(
        `UPDATE bridge_subscriptions SET expires_at = now() + interval '1 day', subscription_id = id::text, attempt = 0`,
      ),
    options: { webhooks: true },
  },
];

test.each(reasons)('$type: a check raises the alert once, and closes it with its cause', async (reason) => {
  await using alerts = await openAlerts(reason.options);
  expect(await alerts.check()).toEqual({ opened: [], closed: [] });
  await reason.begin(alerts.db);
  const { opened } = await alerts.check();
  expect(opened).toMatchObject([{ type: reason.type, message: expect.stringMatching(reason.says) }]);
  expect(await alerts.check()).toEqual({ opened: [], closed: [] });
  expect(await alerts.join('second').check()).toEqual({ opened: [], closed: [] });
  await reason.end(alerts.db);
  expect((await alerts.check()).closed).toMatchObject([{ type: reason.type }]);
  await alerts.receiver.until(() => alerts.receiver.taken.length === 2);
  expect(alerts.receiver.lines().map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    `opened ${reason.type}`,
    `closed ${reason.type}`,
  ]);
});

test('an error rate that varies around its limit is posted once', async () => {
  await using alerts = await openAlerts();
  /** Of 40 items these many failed last. */
  const failed = (count: number) =>
    alerts.db.query(
      `INSERT INTO bridge_log (mapping_id, action) SELECT n, CASE WHEN n <= $1 THEN 'delayed' ELSE 'created' END
       FROM generate_series(1, 40) n`,
      [count],
    );
  for (const count of [3, 5, 4, 5, 3, 11, 9, 12, 6]) {
    await failed(count);
    await alerts.check();
  }
  await failed(2);
  await alerts.check();
  await alerts.receiver.until(() => alerts.receiver.taken.length === 3);
  expect(alerts.receiver.lines().map((line) => line.split(' ')[0])).toEqual(['opened', 'opened', 'closed']);
  expect(await alerts.rows()).toEqual([{ type: 'error-rate', is_open: false }]);
});

test('changes that wait for Graph, or for a request with AUTO_SYNC=off, are not stuck', async () => {
  await using alerts = await openAlerts();
  await add(alerts.db, 'due_at, changed_at', `now(), now() - interval '11 minutes'`);
  alerts.observe(graphOut);
  await alerts.receiver.until(() => alerts.receiver.taken.length === 1);
  expect((await alerts.check()).opened).toEqual([]);
  expect((await alerts.join('quiet', { sends: false }).check()).opened).toEqual([]);
});

test('many refused mailboxes are one alert that lists them', async () => {
  await using alerts = await openAlerts();
  await alerts.db
    .query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name)
    SELECT n, 'room-' || n || '@bergen.example', 'Room ' || n FROM generate_series(301, 311) n`);
  await alerts.db.query(`UPDATE bridge_room_state SET health = 'refused'`);
  const { opened } = await alerts.check();
  expect(opened).toMatchObject([{ type: 'room-refused', resource_id: null, detail: { count: 13 } }]);
});

test('the alert of a disabled trigger has the statement that enables it', async () => {
  let missing = ['trigger bridge_update on bb_event is disabled'];
  const repair = 'ALTER TABLE bb_event ENABLE TRIGGER bridge_update;';
  await using alerts = await openAlerts({ readCapture: async () => ({ missing, extra: [], repair }) });
  expect((await alerts.check()).opened).toMatchObject([{ type: 'capture-broken', hint: `Run: ${repair}` }]);
  missing = [];
  expect((await alerts.check()).closed).toMatchObject([{ type: 'capture-broken' }]);
});

test('the alert of a brake stays open while its removals wait, and closes when they are gone', async () => {
  await using alerts = await openAlerts();
  await add(alerts.db, 'sync_status, outlook_event_id', `'synced', 'e' || n`);
  await alerts.db.query(
    'INSERT INTO bridge_removals (mapping_id, resource_id) SELECT id, 101 FROM bridge_mappings',
  );
  alerts.observe(brake);
  await alerts.receiver.until(() => alerts.receiver.taken.length === 1);
  expect((await alerts.check()).closed).toEqual([]); // told, and not written into the mappings yet
  await alerts.db.query(`UPDATE bridge_mappings SET sync_status = 'conflict', revision = revision + 1`);
  expect(await alerts.check()).toEqual({ opened: [], closed: [] });
  await alerts.db.query('DELETE FROM bridge_removals');
  expect((await alerts.check()).closed).toMatchObject([{ type: 'brake', resource_id: 101 }]);
});

test('a fact that may raise an alert is followed by a check', async () => {
  await using alerts = await openAlerts();
  await room(alerts.db, 101, `health = 'refused', error_message = 'Access is denied'`);
  alerts.observe({ fact: 'room-refused', room: 'A', resourceId: 101, error: 'Access is denied', hint: null });
  await alerts.receiver.until(() => alerts.receiver.taken.length === 1);
  expect(alerts.receiver.lines()).toEqual(['opened room-refused 101']);
});

test('a daemon that stops during a check completes it before its connections close', async () => {
  await using alerts = await openAlerts();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<{ missing: string[]; repair: null }>();
  const second = alerts.join('second', {
    readCapture: () => {
      asked.resolve();
      return answer.promise;
    },
  });
  second.observe(graphBack);
  await asked.promise;
  let isClosed = false;
  const closed = second[Symbol.asyncDispose]().then(() => (isClosed = true));
  await alerts.db.query('SELECT 1');
  expect(isClosed).toBe(false);
  answer.resolve({ missing: [], repair: null });
  await closed;
});
