import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from 'undici';
import { describe, expect, test } from 'vitest';
import type { GraphConfig } from '../../src/config.ts';
import { Permanent, Retryable } from '../../src/errors.ts';
import { createTokens, readCertificate, type Tokens } from '../../src/outlook/auth.ts';
import { aToken, always, openTold, openWorld, type Told } from './world.ts';

const certificateFile = join(import.meta.dirname, '../fixtures/graph/app-certificate.pem');
const localhostFile = join(import.meta.dirname, '../fixtures/graph/localhost.pem');

const { privateKey: ellipticKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** The error that a promise rejects with. */
const errorOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

interface Office extends AsyncDisposable {
  readonly tokens: Tokens;
  readonly asked: readonly { body: string; path: string }[];
}

/** Tokens from an endpoint that answers as told. */
async function openOffice(
  answer: (number: number) => Told,
  change: Partial<GraphConfig> = {},
  timeoutMs = 15_000,
): Promise<Office> {
  const told = await openTold(
    () => ({ status: 500 }),
    (_, number) => answer(number),
  );
  const dispatcher = new Agent();
  const tokens = createTokens({ graph: { ...told.graph, ...change }, dispatcher, timeoutMs });
  return {
    tokens,
    asked: told.tokenAsked,
    async [Symbol.asyncDispose]() {
      await dispatcher.destroy();
      await told[Symbol.asyncDispose]();
    },
  };
}

const refused = (
  status: number,
  error: string,
  number: number,
  headers: Record<string, string> = {},
): Told => ({
  status,
  headers,
  body: { error, error_description: `AADSTS${number}: Refused.\r\nTrace`, error_codes: [number] },
});

describe('a token', () => {
  test('is asked for once, however many calls need it at the same time', async () => {
    await using office = await openOffice(() => aToken());
    const all = await Promise.all(Array.from({ length: 64 }, () => office.tokens.get(always)));
    expect(new Set(all).size).toBe(1);
    expect(office.asked.length).toBe(1);
    expect(new URLSearchParams(office.asked[0]!.body).get('grant_type')).toBe('client_credentials');
  });

  test('comes from memory afterwards, without waiting', async () => {
    await using office = await openOffice(() => aToken());
    const token = await office.tokens.get(always);
    expect(office.tokens.current()).toBe(token);
    expect(office.asked.length).toBe(1);
  });

  test('that Graph refused is replaced by one new one, for all who use it', async () => {
    await using office = await openOffice(() => aToken());
    const old = await office.tokens.get(always);
    for (let call = 0; call < 10; call += 1) office.tokens.expire(old);
    const [fresh] = await Promise.all(Array.from({ length: 10 }, () => office.tokens.get(always)));
    expect(fresh).not.toBe(old);
    office.tokens.expire(old); // a late answer about the old one does not cost the new one
    expect(office.tokens.current()).toBe(fresh);
    expect(office.asked.length).toBe(2);
  });

  test('is for the Graph that is configured', async () => {
    await using office = await openOffice(() => aToken(), { baseUrl: 'https://dod-graph.microsoft.us/v1.0' });
    await office.tokens.get(always);
    expect(new URLSearchParams(office.asked[0]!.body).get('scope')).toContain(
      'https://dod-graph.microsoft.us/.default',
    );
  });

  test('close to its end is renewed while the old one still serves', async () => {
    const asked = Promise.withResolvers<void>();
    await using office = await openOffice((number) => {
      if (number === 2) asked.resolve();
      return aToken(number === 1 ? 2 : 3_599);
    });
    const first = await office.tokens.get(always);
    let seen = office.tokens.current();
    // 1.6 s of a life of 2 s: poll until the renewal begins, the token never missing meanwhile
    const beginning = performance.now();
    while (office.asked.length < 2 && performance.now() - beginning < 3_000) {
      seen = office.tokens.current();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await asked.promise;
    expect(seen).toBe(first);
    expect(await office.tokens.get(always)).toBeDefined();
    expect(office.asked.length).toBe(2);
  });

  test('stops being waited for when the caller gives up, and still arrives for others', async () => {
    await using office = await openOffice(() => aToken());
    const stop = new AbortController();
    const [given, other] = [errorOf(office.tokens.get(stop.signal)), office.tokens.get(always)];
    stop.abort(new Error('we are stopping'));
    expect(await given).toMatchObject({ message: 'we are stopping' });
    expect(await other).toMatch(/^token-/);
  });
});

describe('when no token comes', () => {
  test.each([
    ['the endpoint is down', refused(503, 'temporarily_unavailable', 90033)],
    ['the endpoint throttles', refused(429, 'temporarily_unavailable', 90055)],
    ['the connection breaks', 'drop' as const],
    ['a gateway answers with a page', { status: 502, body: '<html>Bad gateway</html>' }],
    ['the answer is nonsense', { status: 200, body: '<html>hello</html>' }],
  ])('because %s: worth another try, at once, and then all is well', async (_, trouble: Told) => {
    await using office = await openOffice((number) => (number === 1 ? trouble : aToken()));
    const error = await errorOf(office.tokens.get(always));
    expect(error).toBeInstanceOf(Retryable);
    expect(error).toMatchObject({ reach: 'side' });
    // MSAL alone would repeat the failure from memory for a minute
    expect(await office.tokens.get(always)).toMatch(/^token-/);
    expect(office.asked.length).toBe(2);
  });

  test('in time: worth another try', async () => {
    await using office = await openOffice((number) => (number === 1 ? 'hang' : aToken()), {}, 100);
    expect(await errorOf(office.tokens.get(always))).toBeInstanceOf(Retryable);
    expect(await office.tokens.get(always)).toMatch(/^token-/);
  });

  test('because nothing listens there: worth another try, with what to check', async () => {
    await using office = await openOffice(() => aToken(), { authority: 'http://127.0.0.1:1' });
    const error = await errorOf(office.tokens.get(always));
    expect(error).toBeInstanceOf(Retryable);
    expect(error).toMatchObject({
      reach: 'side',
      hint: expect.stringContaining('GRAPH_AUTHORITY') as unknown,
    });
  });

  test('for as long as the endpoint asks to wait, it is not asked again', async () => {
    await using office = await openOffice(() =>
      refused(429, 'temporarily_unavailable', 90055, { 'retry-after': '7' }),
    );
    expect(await errorOf(office.tokens.get(always))).toMatchObject({ afterMs: 7_000 });
    const again = await errorOf(office.tokens.get(always));
    expect(again).toBeInstanceOf(Retryable);
    expect((again as Retryable).afterMs).toBeGreaterThan(6_000);
    expect(office.asked.length).toBe(1);
  });

  test.each([
    [401, 'invalid_client', 7000215, 'GRAPH_CLIENT_SECRET'],
    [401, 'invalid_client', 7000222, 'expired'],
    [400, 'unauthorized_client', 700016, 'GRAPH_CLIENT_ID'],
    [400, 'invalid_request', 90002, 'GRAPH_TENANT_ID'],
    [401, 'invalid_client', 700027, 'GRAPH_CLIENT_CERTIFICATE'],
    [401, 'invalid_client', 700024, 'clock'],
    [400, 'invalid_scope', 1002012, 'GRAPH_BASE_URL'],
    [400, 'something_new', 123456, 'GRAPH_TENANT_ID'],
  ])('because of a wrong setting (%i %s %i), the hint names it: %s', async (status, error, number, named) => {
    await using office = await openOffice(() => refused(status, error, number));
    const failure = await errorOf(office.tokens.get(always));
    expect(failure).toBeInstanceOf(Permanent);
    expect(failure).toMatchObject({ reach: 'side', hint: expect.stringContaining(named) as unknown });
    expect((failure as Permanent).message).toContain(`AADSTS${number}`);
  });

  test('a renewal ahead that fails costs nothing while the old token lives', async () => {
    await using office = await openOffice((number) =>
      number === 1 ? aToken(2) : refused(503, 'server_error', 90033),
    );
    const first = await office.tokens.get(always);
    const beginning = performance.now();
    while (office.asked.length < 2 && performance.now() - beginning < 3_000) {
      office.tokens.current();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(office.asked.length).toBe(2);
    expect(office.tokens.current()).toBe(first);
  });
});

describe('with a certificate', () => {
  test('the tenant accepts the signed assertion, and knows the certificate by its SHA-256 thumbprint', async () => {
    await using world = await openWorld();
    const pem = readFileSync(certificateFile, 'utf8');
    world.tenant.registerCertificate(new X509Certificate(pem).toString());
    const dispatcher = new Agent();
    const tokens = createTokens({ graph: { ...world.graph, credential: { certificateFile } }, dispatcher });
    expect(await tokens.get(always)).toBeTypeOf('string');
    const { thumbprintSha256, x5c } = readCertificate(pem);
    const der = new X509Certificate(pem).raw;
    expect(thumbprintSha256.toLowerCase()).toBe(createHash('sha256').update(der).digest('hex'));
    expect(x5c).toContain('BEGIN CERTIFICATE');
    await dispatcher.destroy();
  });

  test('of another app the tenant refuses, and the hint names the variable', async () => {
    await using world = await openWorld();
    world.tenant.registerCertificate(new X509Certificate(readFileSync(certificateFile)).toString());
    const dispatcher = new Agent();
    const graph = { ...world.graph, credential: { certificateFile: localhostFile } };
    const error = await errorOf(createTokens({ graph, dispatcher }).get(always));
    expect(error).toBeInstanceOf(Permanent);
    expect(error).toMatchObject({
      reach: 'side',
      hint: expect.stringContaining('GRAPH_CLIENT_CERTIFICATE') as unknown,
    });
    await dispatcher.destroy();
  });

  test.each([
    ['no key', (pem: string) => pem.replace(/-----BEGIN PRIVATE KEY[\s\S]+END PRIVATE KEY-----/, '')],
    [
      'a key that is not RSA',
      (pem: string) =>
        pem.replace(
          /[\s\S]+END PRIVATE KEY-----/,
          ellipticKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        ),
    ],
    ['no certificate', (pem: string) => pem.replace(/-----BEGIN CERT[\s\S]+/, '')],
    [
      'the certificate of another key',
      (pem: string) =>
        pem.replace(/-----BEGIN CERT[\s\S]+/, '') +
        readFileSync(localhostFile, 'utf8').replace(/[\s\S]+END PRIVATE KEY-----/, ''),
    ],
  ])('file that has %s is named as the trouble', async (_, change) => {
    const folder = mkdtempSync(join(tmpdir(), 'app-certificate-'));
    const file = join(folder, 'app.pem');
    writeFileSync(file, change(readFileSync(certificateFile, 'utf8')));
    await using office = await openOffice(() => aToken(), { credential: { certificateFile: file } });
    const error = await errorOf(office.tokens.get(always));
    expect(error).toBeInstanceOf(Permanent);
    expect(error).toMatchObject({
      reach: 'side',
      hint: expect.stringContaining('GRAPH_CLIENT_CERTIFICATE') as unknown,
    });
    rmSync(folder, { recursive: true });
  });
});

test('an authority of one’s own may speak https with a private certificate and publish nothing', async () => {
  const pem = readFileSync(localhostFile, 'utf8');
  const paths: string[] = [];
  const server = createSecureServer({ key: pem, cert: pem }, (request, response) => {
    paths.push(`${request.method} ${request.url?.split('?')[0]}`);
    request.resume();
    const said = aToken() as { status: number; body: unknown };
    const known = request.method === 'POST';
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(known ? said.body : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  const tenantId = 'AAAAAAAA-0000-4000-8000-00000000000A';
  const graph: GraphConfig = {
    tenantId,
    clientId: 'aaaaaaaa-0000-4000-8000-000000000002',
    credential: { secret: 'secret' },
    baseUrl: `${origin}/v1.0`,
    authority: origin,
    proxy: null,
  };
  const dispatcher = new Agent({ connect: { ca: pem } });
  expect(await createTokens({ graph, dispatcher }).get(always)).toMatch(/^token-/);
  expect(paths.map((path) => path.toLowerCase())).toEqual([
    `post /${tenantId.toLowerCase()}/oauth2/v2.0/token`,
  ]);
  const unknown = new Agent();
  const error = await errorOf(createTokens({ graph, dispatcher: unknown }).get(always));
  expect(error).toMatchObject({
    reach: 'side',
    hint: expect.stringContaining('NODE_EXTRA_CA_CERTS') as unknown,
  });
  await Promise.all([dispatcher.destroy(), unknown.destroy()]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
