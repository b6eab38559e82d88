/**
 * The floor under everything that comes from Outlook: a receiver that answers a notification, reads its event and adds it to the five
 * tables of an event in one transaction, with nothing in between: no hint is stored, no room leased, nothing compared. It subscribes to
 * the rooms by itself. Settings by environment: DATABASE_URL, GRAPH_BASE_URL, GRAPH_AUTHORITY, GRAPH_TENANT_ID, GRAPH_CLIENT_ID,
 * GRAPH_CLIENT_SECRET, MAILBOXES.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { Agent } from 'undici';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { firstRoom } from './stage.ts';

const env = process.env;
const graph = env['GRAPH_BASE_URL']!;
const agent = new Agent({ connections: 64, pipelining: 1, allowH2: false });
const client = new pg.Client({ connectionString: env['DATABASE_URL']! });
await client.connect();
process.once('disconnect', () => process.exit(0));

const mailboxes = env['MAILBOXES']!.split(',');
const token = await readToken();

const server = createServer((request, response) => {
  const validation = new URL(request.url!, 'http://localhost').searchParams.get('validationToken');
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => (body += part));
  request.on('end', () => {
    if (validation !== null) return void response.setHeader('content-type', 'text/plain').end(validation);
    response.writeHead(202).end();
    const { value } = JSON.parse(body) as { value: readonly { resource: string; changeType: string }[] };
    for (const { resource, changeType } of value) if (changeType === 'created') void add(resource);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

/** The id of a mailbox's user is what a notification names. */
const roomOf = new Map<string, number>();
for (const [n, mailbox] of mailboxes.entries()) {
  const { id } = (await call('GET', `/users/${mailbox}?$select=id`)) as { id: string };
  roomOf.set(id.toLowerCase(), firstRoom + n);
  await call('POST', '/subscriptions', {
    changeType: 'created,updated,deleted',
    notificationUrl: url,
    lifecycleNotificationUrl: url,
    resource: `/users/${mailbox}/events`,
    expirationDateTime: new Date(Date.now() + 3_600_000).toISOString(),
    clientState: 'floor',
  });
}
process.send?.({ ready: true });

interface Event {
  readonly subject: string;
  readonly start: { readonly dateTime: string };
  readonly end: { readonly dateTime: string };
}

async function add(resource: string): Promise<void> {
  const [, user, id] = /^users\/([^/]+)\/events\/(.+)$/i.exec(resource)!;
  const event = (await call('GET', `/users/${user!}/events/${encodeURIComponent(id!)}`)) as Event;
  await insert(event, roomOf.get(user!.toLowerCase())!);
  process.send?.({ at: monotonicMs(), action: 'imported', latencyMs: null });
}

/** Changes come one after the other, so that one session is enough. */
async function insert({ subject, start, end }: Event, room: number): Promise<void> {
  const times = [start.dateTime, end.dateTime];
  await client.query('BEGIN');
  const { rows } = await client.query<{ id: number }>({
    name: 'event',
    text: `INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
      VALUES (1, $1, $2, $3, 'x', 'x', 'x', 'x', 'x') RETURNING id`,
    values: [subject, ...times],
  });
  const { id } = rows[0]!;
  for (const [name, text, values] of [
    ['date', 'INSERT INTO bb_event_date (event_id, from_, to_) VALUES ($1, $2, $3)', [id, ...times]],
    ['room', 'INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, $2)', [id, room]],
    ['age', 'INSERT INTO bb_event_agegroup (event_id, agegroup_id, male, female) VALUES ($1, 1, 0, 0)', [id]],
    ['audience', 'INSERT INTO bb_event_targetaudience (event_id, targetaudience_id) VALUES ($1, 1)', [id]],
  ] as const)
    await client.query({ name, text, values: [...values] });
  await client.query('COMMIT');
}

async function call(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
  const answer = await agent.request({
    origin: new URL(graph).origin,
    path: `${new URL(graph).pathname}${path}`,
    method,
    headers: {
      authorization: `Bearer ${token}`,
      prefer: 'IdType="ImmutableId"',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
  return JSON.parse(text);
}

async function readToken(): Promise<string> {
  const answer = await agent.request({
    origin: env['GRAPH_AUTHORITY']!,
    path: `/${env['GRAPH_TENANT_ID']!}/oauth2/v2.0/token`,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: env['GRAPH_CLIENT_ID']!,
      client_secret: env['GRAPH_CLIENT_SECRET']!,
      scope: 'https://graph.microsoft.com/.default',
    }).toString(),
  });
  const { access_token } = (await answer.body.json()) as { access_token: string };
  return access_token;
}
