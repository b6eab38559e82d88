/** What is shipped: the packages it needs, the image, and the small world to try it out in. */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { importsOf } from './support/imports.ts';
import { toConfig } from '../src/config.ts';
import { variables } from '../src/settings.ts';
import { startTenant } from '../src/sandbox/tenant/tenant.ts';
import { rooms } from '../src/sandbox/world.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly version: string;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};
const packageOf = (name: string) => name.split('/', name.startsWith('@') ? 2 : 1).join('/');

test('the daemon runs without the packages for development', () => {
  const imported = globSync('src/**/*.ts')
    .flatMap(importsOf)
    .filter((name) => !/^(\.|node:)/.test(name));
  expect([...new Set(imported.map(packageOf))].filter((name) => !(name in manifest.dependencies))).toEqual(
    [],
  );
});

test('README gives a reason for each package, and for no other', () => {
  const section = /^## Dependencies[^\n]*\n(.*?)^## /ms.exec(read('README.md'))?.[1] ?? '';
  const named = [...section.matchAll(/`(@?[a-z][a-z0-9-]*(?:\/[a-z0-9-]+)?)`/g)].map((match) => match[1]!);
  const peers = JSON.parse(read('test/bench/peers/package.json')) as Pick<typeof manifest, 'dependencies'>;
  const there = Object.keys({
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...peers.dependencies,
  });
  expect([...new Set(named)].sort()).toEqual(there.sort());
});

test('each package with an install script is allowed to run it or not, on every platform', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { readonly hasInstallScript?: boolean }>;
  };
  const running = Object.keys(packages).filter((path) => packages[path]!.hasInstallScript);
  const names = running.map((path) => path.replace(/^.*node_modules\//, ''));
  expect(Object.keys(manifest.allowScripts).sort()).toEqual(names.sort());
});

test.each(['package-lock.json', 'test/bench/peers/package-lock.json'])(
  '%s names no registry, so that each user installs from their own',
  (file) => expect(read(file)).not.toContain('"resolved": "http'),
);

test('the image gets nothing that stands outside its context', () => {
  const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
    match[1]!.split(' '),
  );
  const context = read('.dockerignore').split('\n');
  expect(copied.filter((name) => !context.includes(`!${name}`))).toEqual([]);
});

test('the image is built with a start that ends as one without settings does', () => {
  const expected = /^RUN outlook-booking-sync serve .*\$\? -eq (\d+) \]$/m.exec(read('Dockerfile'))?.[1];
  const { status } = spawnSync(process.execPath, ['src/main.ts', 'serve'], {
    env: { PATH: process.env['PATH'] },
  });
  expect(String(status)).toBe(expected);
});

test('the version has its part of the changelog', () =>
  expect(read('docs/changelog.md')).toMatch(new RegExp(`^## ${RegExp.escape(manifest.version)}$`, 'm')));

describe('the world to try it out in', () => {
  const env = parseEnv(read('src/sandbox/try-out.env')) as Readonly<Record<string, string>>;
  const compose = read('docker-compose.yml');

  test('is a complete configuration', () => {
    expect(() => toConfig(env)).not.toThrow();
    expect(Object.keys(env).filter((name) => !(name in variables))).toEqual([]);
  });

  test('signs in to the tenant it starts', async () => {
    await using tenant = await startTenant();
    expect([env['GRAPH_TENANT_ID'], env['GRAPH_CLIENT_ID'], env['GRAPH_CLIENT_SECRET']]).toEqual([
      tenant.tenantId,
      tenant.clientId,
      tenant.clientSecret,
    ]);
    const origin = /--origin=(\S+)/.exec(compose)?.[1];
    expect([env['GRAPH_AUTHORITY'], env['GRAPH_BASE_URL']]).toEqual([origin, `${origin}/v1.0`]);
  });

  test('signs in to the database it starts', () => {
    const set = (name: string) => new RegExp(`${name}: (\\S+)`).exec(compose)?.[1];
    expect([env['DB_NAME'], env['DB_USER'], env['DB_PASS']]).toEqual([
      set('POSTGRES_DB'),
      set('POSTGRES_USER'),
      set('POSTGRES_PASSWORD'),
    ]);
  });

  test('has the rooms of the booking tables', () => {
    const named = [...compose.matchAll(/--room=([^=]+)=(.+)$/gm)].map(([, upn, name]) => ({ upn, name }));
    expect(named).toEqual(rooms.map(({ upn, name }) => ({ upn, name })));
  });
});
