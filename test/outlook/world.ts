/** What the tests of Outlook's side share: a simulated tenant with a client, and a Graph that answers as told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GraphConfig } from '../../src/config.ts';
import type { Item } from '../../src/item.ts';
import { createOutlook, type OutlookOptions } from '../../src/outlook/events.ts';
import type { Write } from '../../src/event.ts';
import { startTenant, type Tenant, type TenantOptions } from '../../src/sandbox/tenant/tenant.ts';
import { graphOf } from '../support/settings.ts';

export const hall = { mailbox: 'hall@sandbox.example' };
export const library = { mailbox: 'library@sandbox.example' };
/** A signal that is never aborted. */
export const always = new AbortController().signal;

type Outlook = ReturnType<typeof createOutlook>;

export interface World extends AsyncDisposable {
  readonly tenant: Tenant;
  readonly outlook: Outlook;
  readonly graph: GraphConfig;
}

/** A tenant with two rooms and one person, and a client of it. */
export async function openWorld(
  tenantOptions: TenantOptions = {},
  options: Partial<OutlookOptions> = {},
): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const tenant = opened.use(
    await startTenant({
      rooms: [
        { upn: hall.mailbox, name: 'Hall' },
        { upn: library.mailbox, name: 'Library' },
      ],
      people: [{ upn: 'anna@sandbox.example', name: 'Anna Berg' }],
      ...tenantOptions,
    }),
  );
  const graph = graphOf(tenant);
  const outlook = opened.use(createOutlook({ graph, timezone: 'Europe/Oslo', ...options }));
  const owned = opened.move();
  return { tenant, graph, outlook, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

export const anItem = (change: Partial<Item> = {}): Item => ({
  startsAt: '2026-12-01T10:00:00Z',
  endsAt: '2026-12-01T11:00:00Z',
  allDay: false,
  title: 'Yoga',
  description: 'Bring a mat.',
  isPrivate: false,
  ...change,
});

/** The create of reservation `id`. */
export const create = (id: number, change: Partial<Item> = {}): Write & { do: 'create' } => ({
  do: 'create',
  item: anItem(change),
  properties: { type: 'event', id },
  transactionId: `key-${id}`,
});

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
/** `drop`: the connection breaks. `hang`: nothing is answered. */
export type Told =
  | 'drop'
  | 'hang'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: unknown };

export interface ToldGraph extends AsyncDisposable {
  readonly graph: GraphConfig;
  readonly outlook: Outlook;
  /** Requests to Graph, and to the token endpoint. */
  readonly asked: Asked[];
  readonly tokenAsked: Asked[];
}

/** A Graph that answers what the test says; `token` for its token endpoint. */
export async function openTold(
  answer: (asked: Asked, number: number) => Told | Promise<Told>,
  token: (asked: Asked, number: number) => Told = () => aToken(),
  options: Partial<OutlookOptions> = {},
): Promise<ToldGraph> {
  const [asked, tokenAsked]: [Asked[], Asked[]] = [[], []];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const one: Asked = { method, path, headers, body: Buffer.concat(chunks).toString() };
      const isToken = /\/oauth2\/v2\.0\/token(\?|$)/i.test(path);
      const list = isToken ? tokenAsked : asked;
      list.push(one);
      const told = isToken ? token(one, list.length) : answer(one, list.length);
      void Promise.resolve(told).then((said) => tell(response, said));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const graph: GraphConfig = {
    tenantId: 'aaaaaaaa-0000-4000-8000-000000000001',
    clientId: 'aaaaaaaa-0000-4000-8000-000000000002',
    credential: { secret: 'secret' },
    baseUrl: `${origin}/v1.0`,
    authority: origin,
    proxy: null,
  };
  const outlook = createOutlook({ graph, timezone: 'Europe/Oslo', ...options });
  return {
    graph,
    outlook,
    asked,
    tokenAsked,
    async [Symbol.asyncDispose]() {
      await outlook[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function tell(response: ServerResponse, said: Told): void {
  if (said === 'hang') return;
  if (said === 'drop') {
    response.socket?.destroy();
    return;
  }
  const text = typeof said.body === 'string' ? said.body : JSON.stringify(said.body ?? '');
  response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers });
  response.end(said.body === undefined ? undefined : text);
}

let tokens = 0;
/** An answer of the token endpoint; every token is another one. */
export const aToken = (expiresIn = 3_599): Told => ({
  status: 200,
  body: {
    token_type: 'Bearer',
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    access_token: `token-${++tokens}`,
  },
});

/** A refusal in Graph's words. */
export const refusal = (
  status: number,
  code: string,
  headers: Record<string, string> = {},
  extra: object = {},
): Told => ({ status, headers, body: { error: { code, message: `This is ${code}.`, ...extra } } });
