import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, test } from 'vitest';
import { describedBy, openApi } from './api.ts';

test('every route is described, and every description has its route', async () => {
  await using api = await openApi();
  const { paths } = (await api.call('GET', '/openapi.json')).body as unknown as Awaited<
    ReturnType<typeof describedBy>
  >;
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = api.app.routes
    .filter((route) => route.method !== 'ALL')
    .map((route) => `${route.method} ${route.path.replaceAll(/:(\w+)/g, '{$1}')}`);
  expect(described.sort()).toEqual([...new Set(routes)].sort());
});

test('every operation says what it is for, what it answers, and has an address of its own', async () => {
  await using api = await openApi();
  const { paths } = await describedBy(api.app);
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods)) {
      expect(operation, `${method} ${path}`).toMatchObject({
        summary: expect.any(String),
        tags: [expect.any(String)],
      });
      expect(Object.keys(operation.responses), `${method} ${path}`).toContain('200');
    }
});

test("a public linter's recommended rules find nothing to say", async () => {
  await using api = await openApi();
  const problems = await lintFromString({
    source: JSON.stringify(await describedBy(api.app)),
    config: await createConfig({ extends: ['recommended'] }),
  });
  expect(
    problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer} ${message}`),
  ).toEqual([]);
});

test('every operation has a name of its own for clients that are made from the description', async () => {
  await using api = await openApi();
  const { paths } = await describedBy(api.app);
  const names = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(names.filter((name) => !/^[a-z][a-zA-Z0-9]+$/.test(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain('getRoomsByResourceDay');
});

test('every operation lists how what stands before it refuses: unknown parameters, keys that only read, large bodies', async () => {
  await using api = await openApi();
  const { paths } = await describedBy(api.app);
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods)) {
      if (path === '/webhook/outlook-notifications') continue;
      const wanted = method === 'get' ? ['400'] : ['400', '403', '413'];
      expect(Object.keys(operation.responses), `${method} ${path}`).toEqual(expect.arrayContaining(wanted));
    }
});

test('an address longer than 16 kB is refused as described, at the receiver too', async () => {
  await using api = await openApi();
  const { paths } = await describedBy(api.app);
  const path = '/webhook/outlook-notifications';
  const { status } = await fetch(`${api.served.url}${path}?validationToken=${'x'.repeat(17_000)}`);
  expect(Object.keys(paths[path]!['get']!.responses)).toContain(String(status));
});

test('the groups begin with what people use, and no operation is outside of them', async () => {
  await using api = await openApi();
  const { paths, tags } = await describedBy(api.app);
  const used = Object.values(paths).flatMap((methods) => Object.values(methods).flatMap((one) => one.tags));
  expect(tags.map(({ name }) => name).slice(0, 3)).toEqual(['Search', 'Rooms', 'Conflicts']);
  expect([...new Set(used)].sort()).toEqual(tags.map(({ name }) => name).sort());
});

const aliases = [
  ['POST', '/bridges/sync-deletions', '/cancel/detect-and-process', '/cancel/detect'],
  ['POST', '/bridges/sync-deletions-reenabled', '/cancel/detect-reenabled'],
  ['GET', '/bridges/sync-deletionsion-stats', '/bridges/sync-deletions/stats', '/cancel/detection-stats'],
  ['GET', '/sync/status', '/sync/stats'],
] as const;

test('an endpoint with several names takes and answers the same under each', async () => {
  await using api = await openApi();
  const { paths } = await describedBy(api.app);
  for (const [method, first, ...others] of aliases)
    for (const other of others) {
      const [one, same] = [first, other].map((path) => paths[path]![method.toLowerCase()] as object);
      const but = { summary: '', operationId: '' };
      expect({ ...same, ...but }, other).toEqual({ ...one, ...but });
      const answers = [await api.call(method, first), await api.call(method, other)];
      expect(answers[1]!.body, other).toEqual(answers[0]!.body);
    }
});

test('ids in a body are described as numbers or text, as they are taken', async () => {
  await using api = await openApi();
  const { paths } = await describedBy(api.app);
  const described = JSON.stringify(paths['/cancel/bulk']!['post']);
  for (const id of ['reservation_id', 'resource_id'])
    expect(described).toContain(`"${id}":{"type":["integer","string"]`);
});

test('limits are described as numbers with their bounds', async () => {
  await using api = await openApi();
  const { paths } = await describedBy(api.app);
  expect(paths['/sync/to-outlook']!['post']).toMatchObject({
    parameters: expect.arrayContaining([
      expect.objectContaining({
        name: 'limit',
        in: 'query',
        required: false,
        schema: expect.objectContaining({ type: 'integer', minimum: 1, maximum: 1000, default: 50 }),
      }),
    ]),
  });
});
