import { expect, test } from 'vitest';
import { createLog } from '../src/log.ts';
import { redact } from '../src/ops/redact.ts';

function logged(fields: object): string {
  let text = '';
  createLog('info', { write: (line) => void (text += line) }).info(fields, 'something happened');
  return text;
}

test.each([
  'authorization',
  'x-api-key',
  'apiKey',
  'cookie',
  'set-cookie',
  'password',
  'client_secret',
  'clientSecret',
  'access_token',
  'client_assertion',
  'secret',
  'token',
  'accessToken',
  'clientState',
  'validationToken',
  'title',
  'subject',
  'description',
  'body',
  'bodyPreview',
  'organizer',
  'organizerName',
  'organizer_name',
  'organizerEmail',
  'organizer_email',
  'attendees',
  'email',
])('%s is not logged, however deep it stands', (name) => {
  const value = 'Kari Nordmann s3cret';
  for (const fields of [
    { [name]: value },
    { request: { [name]: value } },
    { a: { headers: { [name]: value } } },
  ]) {
    const line = logged(fields);
    expect(line).not.toMatch(/Kari|s3cret/);
    expect(line).toContain('[redacted]');
  }
});

test('what is no secret and no person is logged as it is', () => {
  expect(logged({ resourceId: 101, room: 'Bystyresalen', error: 'no answer' })).toContain(
    '"resourceId":101,"room":"Bystyresalen","error":"no answer"',
  );
});

test.each([
  ['401 for Authorization: Bearer abc.def-123456', '401 for Authorization: Bearer [secret]'],
  ['POST client_id=1&client_secret=s3~cret&scope=x', 'POST client_id=1&client_secret=[secret]&scope=x'],
  ['{"access_token":"s3cret","expires_in":1}', '{"access_token":"[secret]","expires_in":1}'],
  ['token eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJo.c2ln was refused', 'token [token] was refused'],
  ['connect postgresql://bridge:s3cret@db.example/portico failed', 'connect [address] failed'],
  ['mail kari.nordmann@bergen.example bounced', 'mail [address] bounced'],
  ['proxy http://bridge:s3c;ret=x@proxy.example:3128 is away', 'proxy [address] is away'],
  ['eyJhbGciOiJI alone is no token', 'eyJhbGciOiJI alone is no token'],
  ['-eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJo', '-[token]'],
  ['a@ and @b and a@@', 'a@ and @b and [address]'],
  ['person 01017012345 has no right', 'person [number] has no right'],
  ['password authentication failed for user "bridge"', 'password authentication failed for user "bridge"'],
])('of the text %j only what is harmless stays', (text, rest) => {
  expect(redact(text)).toBe(rest);
});

// with a pattern that reads a run again from each of its letters, each of these takes minutes
test.each([
  'a',
  'a-',
  'eyJaaaaaaaa-',
  '-eyJaaaaaaaa.',
  'password',
  'password ',
  'bearer ',
  '://',
  'http://a',
  '1',
  'a ',
  'å',
])('a text of nothing but %j is read once', (piece) => {
  const text = piece.repeat(Math.ceil(500_000 / piece.length));
  expect(redact(text).length).toBeLessThanOrEqual(text.length);
});
