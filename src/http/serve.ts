/** The HTTP server, with limits on time and connections so that one client cannot slow down others. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { Permanent } from '../errors.ts';

export interface ServeOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly patience?: Patience;
}

/** Time limits of a client in milliseconds; `checkMs`: the interval of the check. */
interface Patience {
  readonly headersMs: number;
  readonly requestMs: number;
  readonly checkMs: number;
}

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

interface App {
  fetch(request: Request, env: HttpBindings): Response | Promise<Response>;
}

const usual: Patience = { headersMs: 10_000, requestMs: 30_000, checkMs: 2_000 };
const connectionsMost = 1_000;
const closeMs = 1_500;
/** The time in which a client receives the answer to a request that is refused; then its connection is cut. */
const receiveMs = 1_000;

/** Resolves when it listens; throws Permanent if it cannot. Disposing takes at most 2 s. */
export async function serveApp(app: App, { host, port, patience = usual }: ServeOptions): Promise<Served> {
  const server = createAdaptorServer({
    fetch: (request, env) =>
      refuseNoHost((env as HttpBindings).incoming) ?? app.fetch(request, env as HttpBindings),
    hostname: host,
    serverOptions: {
      requireHostHeader: false, // its answer has no body
      headersTimeout: patience.headersMs,
      requestTimeout: patience.requestMs,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: patience.checkMs,
    },
  }) as Server;
  server.maxConnections = connectionsMost;
  // also for requests refused before the app gets them
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    toOriginForm(request);
  });
  server.on('clientError', refuseNonsense);
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new Permanent(`The API cannot listen on ${host}:${port}: ${(error as Error).message}`, {
      hint: 'Set HOST and PORT to an address of this machine that is free.',
      cause: error,
    });
  }
  const { port: taken } = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${taken}`, port: taken, [Symbol.asyncDispose]: () => close(server) };
}

/** The host of a request target in absolute form replaces the header Host (RFC 9112, 3.2.2), so that every check sees one host. */
function toOriginForm(request: IncomingMessage): void {
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(request.url ?? '');
  if (absolute === null) return;
  const [, host = '', rest = ''] = absolute;
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  request.rawHeaders = request.rawHeaders.map((text, at, all) => (isHostValue(all, at) ? host : text));
  if (request.headers.host !== undefined) request.headers.host = host;
}

/** Names and values alternate in raw headers. */
const isHostValue = (raw: readonly string[], at: number): boolean =>
  at % 2 === 1 && raw[at - 1]!.toLowerCase() === 'host';

/** With several headers Host, or none, a proxy and we may take the request for different hosts (RFC 9112, 3.2). */
function refuseNoHost(request: IncomingMessage): Response | null {
  const hosts = request.rawHeaders.filter((_text, at, all) => isHostValue(all, at)).length;
  if (hosts === 1 || (hosts === 0 && request.httpVersion === '1.0')) return null;
  return Response.json(
    {
      success: false,
      error: 'The request needs one header Host.',
      hint: 'HTTP/1.1 requires it, and HTTP clients send it by themselves.',
    },
    { status: 400 },
  );
}

/** Answers malformed HTTP with our own body and headers. */
function refuseNonsense(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, words] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request took too long.']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The headers are too large.']
        : ['400 Bad Request', 'This is no HTTP request.'];
  const body = JSON.stringify({ success: false, error: words, hint: 'See /openapi.json.' });
  // a client that keeps its side open would hold one of the connections for ever
  setTimeout(() => socket.destroy(), receiveMs).unref();
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Closes idle connections at once, active ones after their answer, and all others after a short time. */
async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const cutOff = setTimeout(() => server.closeAllConnections(), closeMs);
  await closed.finally(() => clearTimeout(cutOff));
}
