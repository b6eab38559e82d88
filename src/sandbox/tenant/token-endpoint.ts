import { createPublicKey, verify, constants, type KeyObject } from 'node:crypto';
import type { Clock } from './clock.ts';
import type { TokenMode } from './faults.ts';
import type { Random } from './random.ts';

/** An answer of the identity platform: no Graph error shape. */
interface TokenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The tenant's identity platform: hands out bearer tokens and knows which are alive. */
export interface TokenOffice {
  /** POST /{tenant}/oauth2/v2.0/token; undefined: never answer. */
  issue(tenant: string, contentType: string | undefined, form: string): TokenAnswer | undefined;
  /** GET /{tenant}/v2.0/.well-known/openid-configuration */
  discovery(tenant: string): TokenAnswer;
  isLive(token: string): boolean;
  /** Every token so far is refused from now on. */
  revokeAll(): void;
  /** Certificates with keys that may sign client assertions. Without any, signatures are not checked. */
  registerCertificate(pem: string): void;
}

const GRAPH_SCOPE = 'https://graph.microsoft.com/.default';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

interface Identity {
  readonly authority: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A refusal in the words of the identity platform. */
class TokenRefusal extends Error {
  readonly status: number;
  readonly error: string;
  readonly number: number;
  constructor(status: number, error: string, number: number, message: string) {
    super(`AADSTS${number}: ${message}`);
    this.status = status;
    this.error = error;
    this.number = number;
  }
}

export function createTokenOffice(options: {
  identity: Identity;
  clock: Clock;
  random: Random;
  mode: () => TokenMode;
}): TokenOffice {
  const { identity, clock, random, mode } = options;
  const live = new Map<string, number>();
  const keys: KeyObject[] = [];

  const refused = (
    { status, error, number, message }: TokenRefusal,
    retryAfter?: number | string,
  ): TokenAnswer => ({
    status,
    headers: retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) },
    body: {
      error,
      error_description: message,
      error_codes: [number],
      timestamp: new Date(clock.now()).toISOString().slice(0, 19).replace('T', ' ') + 'Z',
      trace_id: random.guid(),
      correlation_id: random.guid(),
    },
  });

  return {
    isLive: (token) => (live.get(token) ?? 0) > clock.now(),
    revokeAll: () => live.clear(),
    registerCertificate: (pem) => void keys.push(createPublicKey(pem)),
    discovery: (tenant) => ({
      status: 200,
      headers: {},
      body: metadataOf(`${identity.authority}/${tenant}`),
    }),
    issue(tenant, contentType, form) {
      const { expiresIn, refuse, retryAfter, roles } = mode();
      if (refuse === 'hang') return undefined;
      try {
        if (refuse !== null) throw refusalsByMode[refuse]();
        checkForm({ identity, keys, now: clock.now() }, tenant, contentType, new URLSearchParams(form));
      } catch (error) {
        if (error instanceof TokenRefusal) return refused(error, retryAfter);
        throw error;
      }
      const claims = {
        aud: 'https://graph.microsoft.com',
        ...(roles.length > 0 ? { roles } : {}),
        uti: random.letters(160),
      };
      const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
      const token = `eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.${payload}.${random.letters(86)}`;
      for (const [old, until] of live) if (until <= clock.now()) live.delete(old);
      live.set(token, clock.now() + expiresIn * 1_000);
      return {
        status: 200,
        headers: { 'Cache-Control': 'no-store' },
        body: { token_type: 'Bearer', expires_in: expiresIn, ext_expires_in: expiresIn, access_token: token },
      };
    },
  };
}

/** The discovery document of an authority. */
const metadataOf = (base: string) => ({
  issuer: `${base}/v2.0`,
  authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
  token_endpoint: `${base}/oauth2/v2.0/token`,
  jwks_uri: `${base}/discovery/v2.0/keys`,
  token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
  response_types_supported: ['code'],
  subject_types_supported: ['pairwise'],
  id_token_signing_alg_values_supported: ['RS256'],
});

const refusalsByMode = {
  throttled: () => new TokenRefusal(429, 'temporarily_unavailable', 90055, 'Too many requests.'),
  unavailable: () =>
    new TokenRefusal(503, 'temporarily_unavailable', 90033, 'A transient error has occurred.'),
  invalid_client: () => badSecret(),
};

const badSecret = () => new TokenRefusal(401, 'invalid_client', 7000215, 'Invalid client secret provided.');

const badAssertion = (number: number, message: string) =>
  new TokenRefusal(401, 'invalid_client', number, message);

interface Check {
  readonly identity: Identity;
  readonly keys: readonly KeyObject[];
  readonly now: number;
}

function checkForm(
  check: Check,
  tenant: string,
  contentType: string | undefined,
  form: URLSearchParams,
): void {
  const { identity } = check;
  if (tenant.toLowerCase() !== identity.tenantId) {
    throw new TokenRefusal(400, 'invalid_request', 90002, `Tenant '${tenant}' not found.`);
  }
  if (!/^application\/x-www-form-urlencoded\b/i.test(contentType ?? '')) {
    throw new TokenRefusal(400, 'invalid_request', 900144, 'The request body must be form encoded.');
  }
  for (const name of form.keys()) {
    if (form.getAll(name).length > 1)
      throw new TokenRefusal(400, 'invalid_request', 9001021, `'${name}' came twice.`);
  }
  const grant = form.get('grant_type');
  if (grant === null)
    throw new TokenRefusal(400, 'invalid_request', 900144, "The request body must contain 'grant_type'.");
  if (grant !== 'client_credentials') {
    throw new TokenRefusal(
      400,
      'unsupported_grant_type',
      70003,
      `The grant type '${grant}' is not supported.`,
    );
  }
  const scope = form.get('scope');
  if (scope === null)
    throw new TokenRefusal(400, 'invalid_request', 900144, "The request body must contain 'scope'.");
  const asked = scope.split(' ').filter((one) => !['openid', 'profile', 'offline_access', ''].includes(one));
  if (asked.length !== 1 || ![GRAPH_SCOPE, `${identity.authority}/.default`].includes(asked[0] ?? '')) {
    throw new TokenRefusal(
      400,
      'invalid_scope',
      1002012,
      `The provided value for scope ${scope} is not valid.`,
    );
  }
  if (form.get('client_id')?.toLowerCase() !== identity.clientId) {
    throw new TokenRefusal(400, 'unauthorized_client', 700016, 'Application was not found in the directory.');
  }
  const [secret, assertion] = [form.get('client_secret'), form.get('client_assertion')];
  if (secret !== null && assertion === null) {
    if (secret !== identity.clientSecret) throw badSecret();
  } else if (assertion !== null && secret === null) {
    if (form.get('client_assertion_type') !== ASSERTION)
      throw badAssertion(7000211, 'client_assertion_type is not supported.');
    checkAssertion(check, assertion);
  } else {
    throw new TokenRefusal(
      401,
      'invalid_client',
      7000218,
      "The request body must contain 'client_assertion' or 'client_secret'.",
    );
  }
}

function checkAssertion({ identity, keys, now }: Check, assertion: string): void {
  const [head = '', claims = '', signature = '', ...rest] = assertion.split('.');
  const header = readPart(head);
  const payload = readPart(claims);
  if (!header || !payload || rest.length > 0) throw badAssertion(50027, 'Invalid JWT token.');
  if (header.alg !== 'PS256' && header.alg !== 'RS256') throw badAssertion(5002738, 'Invalid JWT alg.');
  const audience = `${identity.authority}/${identity.tenantId}/oauth2/v2.0/token`;
  if (String(payload.aud).toLowerCase() !== audience)
    throw badAssertion(700023, 'Client assertion audience is wrong.');
  if (payload.iss !== identity.clientId || payload.sub !== identity.clientId)
    throw badAssertion(700021, 'Client assertion is for another application.');
  const [expires, notBefore] = [Number(payload.exp) * 1_000, Number(payload.nbf ?? 0) * 1_000];
  if (!(expires > now)) throw badAssertion(700024, 'Client assertion is not within its valid time range.');
  if (notBefore > now + 300_000) throw badAssertion(700024, 'Client assertion is not yet valid.');
  if (
    keys.length > 0 &&
    !keys.some((key) => isSigned(header.alg === 'PS256', key, `${head}.${claims}`, signature))
  ) {
    throw badAssertion(700027, 'The certificate used to sign the client assertion is not registered.');
  }
}

function isSigned(pss: boolean, key: KeyObject, text: string, signature: string): boolean {
  const padding = pss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return verify(
    'sha256',
    Buffer.from(text),
    { key, padding, saltLength: 32 },
    Buffer.from(signature, 'base64url'),
  );
}

function readPart(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
  } catch {
    return undefined; // not JSON: the caller refuses the assertion
  }
}
