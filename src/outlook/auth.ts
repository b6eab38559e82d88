/**
 * Access tokens for Graph by client credentials (@azure/msal-node). MSAL repeats a failed token request from memory for
 * a minute and does not merge parallel ones (tried with 7.2.1): so each token comes from a fresh client instance, is
 * cached here, and is requested by one request at a time.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfidentialClientApplication, type INetworkModule } from '@azure/msal-node';
import type { Dispatcher } from 'undici';
import type { GraphConfig } from '../config.ts';
import { Permanent, Retryable, messageOf } from '../errors.ts';
import { codeOfNetwork, retryAfterMs } from './failure.ts';
import { membersOf, textOf } from './format.ts';

export interface Tokens {
  /** The cached token; null if there is no valid one. Renews it early in the background. */
  current(): string | null;
  /** The cached token or a new one. Rejects with Retryable or Permanent, both of reach 'side'. */
  get(signal: AbortSignal): Promise<string>;
  /** Discards a token refused by Graph (401). */
  expire(token: string): void;
}

export interface TokenOptions {
  readonly graph: GraphConfig;
  readonly dispatcher: Dispatcher;
  /** For the whole token request. */
  readonly timeoutMs?: number;
}

interface CachedToken {
  readonly token: string;
  /** On the monotonic clock: `performance.now()`. */
  readonly renewAt: number;
  readonly deadAt: number;
}

/** A token is renewed this long before its end, but never in the first four fifths of a short life. */
const renewAheadMs = 300_000;
/** A token this close to its end could expire on its way. */
const tooLateMs = 20_000;
/** After a failed early renewal the old token is still used; this is the delay of the next attempt. */
const renewAgainMs = 10_000;

export function createTokens({ graph, dispatcher, timeoutMs = 15_000 }: TokenOptions): Tokens {
  let cached: CachedToken | null = null;
  let asking: Promise<string> | null = null;
  let restUntil = 0;
  let restReason: Error | null = null;

  /** One request at a time; further callers share its result. */
  function ask(): Promise<string> {
    asking ??= requestToken(graph, dispatcher, timeoutMs)
      .then((fresh) => {
        cached = fresh;
        return fresh.token;
      })
      .catch((error: unknown) => {
        if (error instanceof Retryable && error.afterMs !== undefined) {
          restUntil = performance.now() + error.afterMs;
          restReason = error;
        }
        throw error;
      })
      .finally(() => {
        asking = null;
      });
    return asking;
  }

  function renewAhead(): void {
    const old = cached!;
    ask().catch(() => {
      // the old token is still valid: only a caller after its end gets the error
      if (cached === old) cached = { ...old, renewAt: performance.now() + renewAgainMs };
    });
  }

  function current(): string | null {
    if (cached === null) return null;
    const now = performance.now();
    if (now >= cached.deadAt) return null;
    if (now >= cached.renewAt && asking === null && now >= restUntil) renewAhead();
    return cached.token;
  }

  return {
    current,
    async get(signal) {
      const token = current();
      if (token !== null) return token;
      signal.throwIfAborted();
      const restMs = restUntil - performance.now();
      if (restMs > 0 && restReason !== null)
        throw new Retryable(restReason.message, { reach: 'side', afterMs: restMs, cause: restReason });
      return unlessAborted(ask(), signal);
    },
    expire(token) {
      if (cached?.token === token) cached = null;
    },
  };
}

/** The promise's result, or the signal's reason if that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The HTTP answer, which MSAL's own errors do not contain. */
interface Exchange {
  answer: { status: number; headers: Record<string, string>; body: unknown } | null;
  failure: unknown;
}

async function requestToken(
  graph: GraphConfig,
  dispatcher: Dispatcher,
  timeoutMs: number,
): Promise<CachedToken> {
  const exchange: Exchange = { answer: null, failure: null };
  const auth = { clientId: graph.clientId, ...authorityOf(graph), ...credentialOf(graph) };
  try {
    const client = new ConfidentialClientApplication({
      auth,
      system: { networkClient: networkOf(dispatcher, timeoutMs, exchange), disableInternalRetries: true },
    });
    const result = await client.acquireTokenByClientCredential({
      scopes: [`${new URL(graph.baseUrl).origin}/.default`],
    });
    if (result === null || result.accessToken === '') throw new Error('the answer holds no token');
    const lifeMs = Math.max(0, (result.expiresOn?.getTime() ?? 0) - Date.now());
    const now = performance.now();
    return {
      token: result.accessToken,
      renewAt: now + lifeMs - Math.min(renewAheadMs, lifeMs / 5),
      deadAt: now + lifeMs - Math.min(tooLateMs, lifeMs / 10),
    };
  } catch (error) {
    throw tokenFailure(error, exchange);
  }
}

/** Hosts with metadata built into MSAL. */
const microsoftHosts = new Set([
  'login.microsoftonline.com',
  'login.microsoftonline.us',
  'login.chinacloudapi.cn',
  'login.partner.microsoftonline.cn',
]);

/**
 * MSAL takes https authorities only and asks Microsoft about hosts it does not know. With given metadata it makes no
 * discovery request, and the token endpoint in it may be http (for simulated tenants on this machine).
 */
function authorityOf({ authority, tenantId }: GraphConfig) {
  const { host, protocol } = new URL(authority);
  const base = `${authority}/${tenantId}`;
  if (protocol === 'https:' && microsoftHosts.has(host)) return { authority: base };
  const secure = base.replace(/^http:/, 'https:');
  return {
    authority: secure,
    // with its port, or MSAL does not recognise it
    knownAuthorities: [host],
    authorityMetadata: JSON.stringify({
      issuer: `${secure}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
    }),
  };
}

/** Read for every token, so that a renewed certificate is used without a restart. */
function credentialOf({ credential }: GraphConfig) {
  if ('secret' in credential) return { clientSecret: credential.secret };
  try {
    return { clientCertificate: readCertificate(readFileSync(credential.certificateFile, 'utf8')) };
  } catch (error) {
    throw new Permanent(`the certificate of the app cannot be used: ${messageOf(error)}`, {
      reach: 'side',
      hint: 'GRAPH_CLIENT_CERTIFICATE names a PEM file with the private key, without a passphrase, and its certificate.',
      cause: error,
    });
  }
}

/** Key, chain and SHA-256 thumbprint of a PEM file. Throws when the key, or a certificate for it, is not in it. */
export function readCertificate(pem: string) {
  const privateKey = /-----BEGIN ((?:\w+ )?PRIVATE KEY)-----[\s\S]+?-----END \1-----/.exec(pem)?.[0];
  if (privateKey === undefined) throw new Error('there is no private key in the file');
  const key = createPrivateKey(privateKey);
  if (key.asymmetricKeyType !== 'rsa')
    throw new Error('the private key is no RSA key, which Microsoft wants');
  const chain = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  const own = chain.find((one) => new X509Certificate(one).checkPrivateKey(key));
  if (own === undefined) throw new Error('there is no certificate for the private key in the file');
  return {
    privateKey,
    thumbprintSha256: new X509Certificate(own).fingerprint256.replaceAll(':', ''),
    x5c: [own, ...chain.filter((one) => one !== own)].join('\n'),
  };
}

/** The expiry of the current certificate, read each time; null for a secret, or if the file cannot be used. */
export function credentialEnds({ credential }: Pick<GraphConfig, 'credential'>): Date | null {
  if ('secret' in credential) return null;
  try {
    const { x5c } = readCertificate(readFileSync(credential.certificateFile, 'utf8'));
    // the first of the chain is the app's own
    return new Date(new X509Certificate(x5c).validTo);
  } catch {
    // the token request reports the problem
    return null;
  }
}

/** MSAL's requests through our connections (proxy, timeouts). */
function networkOf(dispatcher: Dispatcher, timeoutMs: number, exchange: Exchange): INetworkModule {
  async function send<T>(url: string, method: 'GET' | 'POST', options?: SendOptions) {
    const { origin, pathname, search } = new URL(url);
    try {
      const { statusCode, headers, body } = await dispatcher.request({
        origin,
        path: pathname + search,
        method,
        headers: { accept: 'application/json', ...options?.headers },
        body: method === 'POST' ? (options?.body ?? '') : null,
        signal: AbortSignal.timeout(timeoutMs),
      });
      const flat = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.join(', ') : (value ?? ''),
        ]),
      );
      const parsed = parse(await body.text());
      exchange.answer = { status: statusCode, headers: flat, body: parsed };
      return { status: statusCode, headers: flat, body: parsed as T };
    } catch (error) {
      exchange.failure = error;
      throw error;
    }
  }
  return {
    sendGetRequestAsync: (url, options) => send(url, 'GET', options),
    sendPostRequestAsync: (url, options) => send(url, 'POST', options),
  };
}

interface SendOptions {
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // for example a proxy's page: the status is sufficient, and MSAL needs an object
    return {};
  }
}

/** The variable to correct, by Microsoft's error numbers (Microsoft: reference-error-codes). */
const repairs: readonly (readonly [readonly number[], string])[] = [
  [[7000215, 7000218], 'GRAPH_CLIENT_SECRET is not the secret of the app (its value is wanted, not its id).'],
  [[7000222], 'The secret has expired: make a new one and put it into GRAPH_CLIENT_SECRET.'],
  [[700016], 'There is no app with the id GRAPH_CLIENT_ID in this tenant.'],
  [
    [90002, 900023, 90013],
    'GRAPH_TENANT_ID is no tenant of this cloud; check GRAPH_AUTHORITY for national clouds.',
  ],
  [
    [700027, 700021, 700023, 50027, 5002738, 7000214],
    'The certificate in GRAPH_CLIENT_CERTIFICATE is not among those of the app registration.',
  ],
  [
    [700024],
    'The clock of this machine is wrong, or the certificate in GRAPH_CLIENT_CERTIFICATE is not valid now.',
  ],
  [[1002012, 70011, 500011, 28002], 'GRAPH_BASE_URL does not belong to the cloud of GRAPH_AUTHORITY.'],
];

const usualHint = 'Check GRAPH_TENANT_ID, GRAPH_CLIENT_ID, the credential and GRAPH_AUTHORITY.';

function tokenFailure(error: unknown, exchange: Exchange): Retryable | Permanent {
  if (error instanceof Permanent) return error;
  const { answer, failure } = exchange;
  const details = { reach: 'side', cause: error } as const;
  const what = 'ask for an access token';
  if (answer === null && failure === null)
    // nothing was sent: MSAL rejected its input
    return new Permanent(`${what}: ${messageOf(error)}`, { ...details, hint: usualHint });
  if (answer === null) {
    const hint = 'Check the way to GRAPH_AUTHORITY: DNS, firewall, HTTPS_PROXY, NODE_EXTRA_CA_CERTS.';
    const code = codeOfNetwork(failure);
    return new Retryable(`${what}: ${messageOf(failure)}${code === '' ? '' : ` (${code})`}`, {
      ...details,
      hint,
    });
  }
  const body = membersOf(answer.body);
  const said = textOf(body.error_description)?.split('\n')[0] ?? textOf(body.error) ?? messageOf(error);
  const message = `${what}: the authority says ${answer.status} ${said}`;
  const later = body.error === 'temporarily_unavailable' || body.error === 'server_error';
  if (later || answer.status < 400 || answer.status === 408 || answer.status === 429 || answer.status >= 500)
    return new Retryable(message, { ...details, afterMs: retryAfterMs(answer.headers) });
  const numbers = Array.isArray(body.error_codes) ? body.error_codes : [];
  const repair = repairs.find(([known]) => known.some((number) => numbers.includes(number)))?.[1];
  return new Permanent(message, {
    ...details,
    hint: repair ?? usualHint,
  });
}
