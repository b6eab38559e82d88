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
      expect({ ...same, summary: '' }, other).toEqual({ ...one, summary: '' });
      const answers = [await api.call(method, first), await api.call(method, other)];
      expect(answers[1]!.body, other).toEqual(answers[0]!.body);
    }
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
