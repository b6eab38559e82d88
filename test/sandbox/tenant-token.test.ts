import { createSign, generateKeyPairSync, sign, constants } from 'node:crypto';
import { expect, test } from 'vitest';
import { login, openTenant } from './tenant-client.ts';
import type { Tenant } from '../../src/sandbox/tenant/tenant.ts';

test('the right secret gets a bearer token for an hour', async () => {
  await using world = await openTenant();
  const { status, body } = await login(world.tenant);
  expect([status, body.token_type, body.expires_in]).toEqual([200, 'Bearer', 3599]);
});

test.for([
  ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client'],
  ['no credentials', { client_secret: undefined }, 401, 'invalid_client'],
  ['another application', { client_id: 'nobody' }, 400, 'unauthorized_client'],
  ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
  ['no grant', { grant_type: undefined }, 400, 'invalid_request'],
  [
    'a scope that is not .default',
    { scope: 'https://graph.microsoft.com/Calendars.ReadWrite' },
    400,
    'invalid_scope',
  ],
] as const)('%s is refused', async ([, changes, status, error]) => {
  await using world = await openTenant();
  const answer = await login(world.tenant, changes);
  expect([answer.status, answer.body.error]).toEqual([status, error]);
});

test('an unknown tenant is refused', async () => {
  await using world = await openTenant();
  const { body } = await login(world.tenant, {}, '/00000000-0000-4000-8000-000000000000/oauth2/v2.0/token');
  expect(body.error_codes).toEqual([90002]);
});

test('paths of the identity platform ignore letter case', async () => {
  await using world = await openTenant();
  const path = `/${world.tenant.tenantId}/OAuth2/v2.0/TOKEN`.toUpperCase();
  expect((await login(world.tenant, {}, path)).status).toBe(200);
});

test('discovery names the token endpoint', async () => {
  await using world = await openTenant();
  const { authority, tenantId } = world.tenant;
  const response = await fetch(`${authority}/${tenantId}/v2.0/.well-known/openid-configuration`);
  const { token_endpoint } = (await response.json()) as { token_endpoint: string };
  expect(token_endpoint).toBe(`${authority}/${tenantId}/oauth2/v2.0/token`);
});

test.for([
  ['invalid_client', 401],
  ['throttled', 429],
  ['unavailable', 503],
] as const)('the token endpoint can be switched to %s', async ([refuse, status]) => {
  await using world = await openTenant();
  world.tenant.faults.token({ refuse, retryAfter: 7 });
  const answer = await login(world.tenant);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, '7']);
});

test.for([
  ['no token', ''],
  ['a made-up token', 'Bearer made-up'],
])('a Graph call with %s is refused', async ([, authorization]) => {
  await using world = await openTenant();
  const { status, body } = await world.ask('GET', `/users/${world.room}/events`, undefined, {
    authorization: authorization ?? '',
  });
  expect([status, body.error.code]).toEqual([401, 'InvalidAuthenticationToken']);
});

test('a token dies at the end of its life', async () => {
  await using world = await openTenant();
  world.tenant.advance(3_600_000);
  expect((await world.ask('GET', `/users/${world.room}/events`)).status).toBe(401);
});

test('a revoked token is refused', async () => {
  await using world = await openTenant();
  world.tenant.revokeTokens();
  expect((await world.ask('GET', `/users/${world.room}/events`)).status).toBe(401);
});

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const others = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();

function assertion(
  tenant: Tenant,
  alg: 'PS256' | 'RS256',
  claims: object = {},
  key = keys.privateKey,
): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  const text = `${part({ alg, typ: 'JWT' })}.${part({
    aud: `${tenant.authority}/${tenant.tenantId}/oauth2/v2.0/token`,
    iss: tenant.clientId,
    sub: tenant.clientId,
    jti: 'one',
    nbf: now,
    exp: now + 600,
    ...claims,
  })}`;
  const signature =
    alg === 'PS256'
      ? sign('sha256', Buffer.from(text), { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
      : createSign('sha256').update(text).sign(key);
  return `${text}.${signature.toString('base64url')}`;
}

const withAssertion = (tenant: Tenant, client_assertion: string) =>
  login(tenant, {
    client_secret: undefined,
    client_assertion,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  });

test.for(['PS256', 'RS256'] as const)('a certificate signs in with %s', async (alg) => {
  await using world = await openTenant();
  world.tenant.registerCertificate(pem);
  expect((await withAssertion(world.tenant, assertion(world.tenant, alg))).status).toBe(200);
});

test.for([
  ['of another key', {}, others.privateKey],
  ['for another audience', { aud: 'https://login.microsoftonline.com/x/oauth2/v2.0/token' }, keys.privateKey],
  ['that has expired', { exp: 1_000 }, keys.privateKey],
  ['of another application', { iss: 'somebody' }, keys.privateKey],
] as const)('an assertion %s is refused', async ([, claims, key]) => {
  await using world = await openTenant();
  world.tenant.registerCertificate(pem);
  const answer = await withAssertion(world.tenant, assertion(world.tenant, 'PS256', claims, key));
  expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
});
