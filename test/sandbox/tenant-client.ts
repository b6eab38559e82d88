import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startTenant, type Tenant, type TenantOptions } from '../../src/sandbox/tenant/tenant.ts';
import { createSignal } from '../support/until.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Any JSON that came back; tests look into it freely. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

interface Ask {
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface TenantWorld extends AsyncDisposable {
  readonly tenant: Tenant;
  /** Object id of the one room. */
  readonly room: string;
  /** One Graph request with a live token and immutable ids. A path that is a URL is taken as it is. */
  readonly ask: Ask;
  /** Writes an event and returns it as answered. */
  create(fields?: object, headers?: Record<string, string>): Promise<Answer['body']>;
}

export const ROOM = 'hall@sandbox.example';
const IMMUTABLE = { prefer: 'IdType="ImmutableId"' };

/** A tenant with one room, one person, and a client that is logged in. */
export async function openTenant(options: TenantOptions = {}): Promise<TenantWorld> {
  const tenant = await startTenant({
    rooms: [{ upn: ROOM, name: 'Hall' }],
    people: [{ upn: 'anna@sandbox.example', name: 'Anna Berg' }],
    ...options,
  });
  const token = ((await login(tenant)).body as { access_token: string }).access_token;
  const ask: Ask = async (method, path, body, headers = {}) => {
    const response = await fetch(path.startsWith('http') ? path : tenant.graphBaseUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...IMMUTABLE,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
  const room = (await ask('GET', `/users/${ROOM}?$select=id`)).body.id as string;
  return {
    tenant,
    room,
    ask,
    create: async (fields = {}, headers = {}) =>
      (await ask('POST', `/users/${room}/events`, event(fields), headers)).body,
    [Symbol.asyncDispose]: () => tenant[Symbol.asyncDispose](),
  };
}

/** A token request, right but for what is changed; undefined leaves a field out. */
export async function login(
  tenant: Tenant,
  changes: Record<string, string | undefined> = {},
  path = `/${tenant.tenantId}/oauth2/v2.0/token`,
): Promise<Answer> {
  const fields: Record<string, string | undefined> = {
    client_id: tenant.clientId,
    client_secret: tenant.clientSecret,
    grant_type: 'client_credentials',
    scope: 'https://graph.microsoft.com/.default',
    ...changes,
  };
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.set(name, value);
  const response = await fetch(tenant.authority + path, { method: 'POST', body: form });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** The body of a plain event, nine to ten on 2 March 2026, but for what is changed. */
export const event = (fields: object = {}) => ({
  subject: 'Choir',
  ...hours('2026-03-02', 9, 10),
  ...fields,
});

export const hours = (day: string, from: number, to: number, timeZone = 'UTC') => ({
  start: { dateTime: `${day}T${String(from).padStart(2, '0')}:00:00`, timeZone },
  end: { dateTime: `${day}T${String(to).padStart(2, '0')}:00:00`, timeZone },
});

export const MARCH = 'startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z';

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** Notifications, in the order they came. */
  readonly items: readonly Record<string, unknown>[];
  /** Resolves when there are that many. */
  count(atLeast: number): Promise<readonly Record<string, unknown>[]>;
  /** What validation and notifications are answered from now on. */
  behave(changes: { echo?: (token: string) => string; contentType?: string; status?: number }): void;
}

/** A webhook endpoint that does as it is told. */
export async function openReceiver(): Promise<Receiver> {
  const items: Record<string, unknown>[] = [];
  const { changed, until } = createSignal(() => `${items.length} notifications came`);
  let manners = { echo: (token: string) => token, contentType: 'text/plain', status: 202 };
  const server = createServer((request, response) => {
    const token = new URL(request.url ?? '/', 'http://localhost').searchParams.get('validationToken');
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (token !== null) {
        response.writeHead(200, { 'content-type': manners.contentType }).end(manners.echo(token));
        return;
      }
      const { value } = JSON.parse(Buffer.concat(chunks).toString()) as { value: Record<string, unknown>[] };
      items.push(...value);
      response.writeHead(manners.status).end();
      changed();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/notify`,
    items,
    count: async (atLeast) => {
      await until(() => items.length >= atLeast);
      return items;
    },
    behave: (changes) => void (manners = { ...manners, ...changes }),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
