import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveBatch } from './batch.ts';
import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { ClientLeft, isBatchPath, type FrontDoor } from './front-door.ts';
import { GraphError, badRequest, notAllowed } from './graph-error.ts';
import { readJson, readRequest } from './graph-request.ts';
import { refusalAnswer } from './refusal-answer.ts';
import type { TokenOffice } from './token-endpoint.ts';

/** Exchange Online takes 4 MB in one request. */
const LONGEST_BODY = 4 * 1024 * 1024;
/** Longer than clients keep idle connections, so that the client closes them. */
const KEEP_ALIVE_MS = 600_000;

/** Answers `/_control/...`, which is not part of Microsoft 365. */
export type ControlDesk = (
  path: string,
  search: string,
  body: unknown,
  signal: AbortSignal,
) => Promise<unknown>;

/** The services of the server; created after the port is known. */
export interface Behind {
  readonly core: TenantCore;
  readonly door: FrontDoor;
  readonly tokens: TokenOffice;
  readonly control: ControlDesk;
}

interface Listening {
  readonly port: number;
  readonly host: string;
}

/** Listens, and says under which address. `behind` is asked for at each request. */
export async function listen(
  { port, host }: Listening,
  behind: () => Behind,
): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => {
    receive(behind(), request, response).catch((error: unknown) => {
      if (!response.headersSent) send(response, refusalAnswer(behind().core, undefined, error));
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => resolve());
  });
  return { server, origin: `http://${host}:${(server.address() as AddressInfo).port}` };
}

/** Closes the port and every connection. */
export const close = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

async function receive(all: Behind, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = request.url ?? '/';
  const [, version = '', rest = ''] = /^\/([^/?]*)(.*)$/s.exec(target) ?? [];
  if (version === '_control') return receiveControl(all, request, response, rest);
  if (version.toLowerCase() === 'v1.0') return receiveGraph(all, request, response, rest);
  if (version.toLowerCase() === 'beta') {
    return send(response, refusalAnswer(all.core, undefined, badRequest('Invalid version: beta.')));
  }
  return receiveIdentity(all, request, response, version, rest);
}

async function receiveGraph(all: Behind, request: IncomingMessage, response: ServerResponse, target: string) {
  const { core, door, tokens } = all;
  const { method = 'GET' } = request;
  const headers = request.headers as Readonly<Record<string, string | undefined>>;
  const received = door.receive(request.socket);
  const passage = door.enter({ method, target, headers, received });
  response.once('close', passage.abandon);
  const read = async () => {
    const text = await readBody(request);
    const token = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (token === undefined || !tokens.isLive(token)) throw unauthenticated(token);
    const body =
      method === 'GET' || method === 'DELETE' ? undefined : readJson(text, headers['content-type']);
    return readRequest(method, target, headers, body);
  };
  const answerBatch = async (asked: GraphRequest) => {
    if (asked.method !== 'POST') throw notAllowed();
    const name = headers['client-request-id'] ?? core.random.guid();
    return serveBatch(core, door, asked.body, { name, received });
  };
  const isBatch = isBatchPath(target.split('?', 1)[0] ?? '');
  const outcome = await (isBatch ? passage.serve(read, answerBatch) : passage.serve(read));
  if ('answer' in outcome) send(response, outcome.answer, headers);
  else if (outcome.lost === 'broken') request.socket.destroy();
}

async function receiveIdentity(
  { core, tokens }: Behind,
  request: IncomingMessage,
  response: ServerResponse,
  tenant: string,
  target: string,
) {
  const at = core.journal.now();
  const path = (target.split('?', 1)[0] ?? '').toLowerCase();
  const form = await readBody(request);
  const isToken = path === '/oauth2/v2.0/token' && request.method === 'POST';
  const isDiscovery = path === '/v2.0/.well-known/openid-configuration' && request.method === 'GET';
  const answer = isToken
    ? tokens.issue(tenant, request.headers['content-type'], form)
    : isDiscovery
      ? tokens.discovery(tenant.toLowerCase())
      : { status: 404, headers: {}, body: { error: 'not_found' } };
  core.journal.add({
    at,
    method: request.method ?? 'GET',
    path: `/${tenant}${path}`,
    search: '',
    mailbox: null,
    status: answer?.status ?? 0,
    code: (answer?.body as { error?: string } | undefined)?.error ?? null,
    // The form holds a secret, which a journal has no business to keep.
    body: null,
    inFlight: 0,
    correlation: null,
    batch: null,
    lost: answer === undefined,
  });
  if (answer) send(response, answer);
}

async function receiveControl(
  all: Behind,
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
) {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const [path = '', search = ''] = target.split('?', 2);
  try {
    const text = await readBody(request);
    const body = text === '' ? undefined : (JSON.parse(text) as unknown);
    const result = await all.control(path, search, body, gone.signal);
    send(response, { status: 200, body: { result: result ?? null } });
  } catch (error) {
    send(response, { status: 400, body: { error: error instanceof Error ? error.message : String(error) } });
  }
}

const unauthenticated = (token: string | undefined) =>
  new GraphError(
    401,
    'InvalidAuthenticationToken',
    token === undefined
      ? 'Access token is empty.'
      : 'Access token validation failure or the token has expired.',
    { headers: { 'WWW-Authenticate': 'Bearer realm=""' } },
  );

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= LONGEST_BODY) chunks.push(chunk);
      else reject(tooLarge());
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString()));
    request.once('error', reject);
    request.once('close', () => reject(new ClientLeft('the client left')));
  });
}

const tooLarge = () =>
  new GraphError(413, 'RequestEntityTooLarge', 'The request body is larger than 4 MB.', {
    headers: { Connection: 'close' },
  });

const GRAPH_JSON =
  'application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8';

let answered = 0;
const nextRequestId = () => `5a6e9d52-4f01-4000-8000-${(++answered).toString(16).padStart(12, '0')}`;

function send(
  response: ServerResponse,
  answer: GraphAnswer,
  asked: Readonly<Record<string, string | undefined>> = {},
): void {
  if (response.destroyed) return;
  const correlation = asked['client-request-id'];
  const text = answer.body === undefined ? undefined : Buffer.from(JSON.stringify(answer.body));
  response.writeHead(answer.status, {
    ...(text
      ? { 'Content-Type': GRAPH_JSON, 'Content-Length': text.length }
      : answer.status === 204
        ? {}
        : { 'Content-Length': 0 }),
    ...(correlation === undefined ? {} : { 'client-request-id': correlation }),
    'OData-Version': '4.0',
    'request-id': nextRequestId(),
    ...answer.headers,
  });
  response.end(text);
}
