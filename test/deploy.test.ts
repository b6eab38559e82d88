/** What docs/deploy holds for other platforms says the same as the daemon, the image and the API do. */
import { accessSync, constants, globSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { parse, parseAllDocuments } from 'yaml';
import { beforeAll, describe, expect, test } from 'vitest';
import { variables } from '../src/settings.ts';
import { openApi } from './http/api.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const receiver = '/webhook/outlook-notifications';

/** The paths of the API. */
let paths: Readonly<Record<string, object>>;
beforeAll(async () => {
  await using api = await openApi();
  ({ paths } = (await api.call('GET', '/openapi.json')).body as { paths: typeof paths });
});

describe('the manifests for Kubernetes', () => {
  interface Manifest {
    readonly kind: string;
    readonly spec: Record<string, never>;
  }
  const manifests = parseAllDocuments(read('docs/deploy/kubernetes.yaml')).map(
    (document) => document.toJS({ maxAliasCount: 0 }) as Manifest,
  );
  const spec = (kind: string) => manifests.find((one) => one.kind === kind)!.spec as any; // eslint-disable-line @typescript-eslint/no-explicit-any
  const [container] = spec('Deployment').template.spec.containers;
  const labels = spec('Deployment').template.metadata.labels;

  test('are read without an error', () =>
    expect(parseAllDocuments(read('docs/deploy/kubernetes.yaml')).flatMap(({ errors }) => errors)).toEqual(
      [],
    ));

  test('run two daemons, of which a disruption leaves one', () => {
    expect(spec('Deployment').replicas).toBe(2);
    expect(spec('PodDisruptionBudget').minAvailable).toBe(1);
  });

  test('select the pods that they make', () => {
    const selectors = [
      spec('Deployment').selector.matchLabels,
      spec('PodDisruptionBudget').selector.matchLabels,
      spec('Service').selector,
    ];
    expect(selectors).toEqual([labels, labels, labels]);
  });

  test('give the daemon no right on the machine', () =>
    expect([container.securityContext, spec('Deployment').template.spec.securityContext]).toMatchObject([
      {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
      { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    ]));

  test('ask the endpoints for probes, and restart for none but /health', () => {
    const asked = (name: string) => container[name].httpGet.path as string;
    expect(asked('livenessProbe')).toBe('/health');
    expect(asked('startupProbe')).toBe('/health');
    expect(asked('readinessProbe')).toBe('/ready');
    expect(['/health', '/ready'].filter((path) => !(path in paths))).toEqual([]);
  });

  test('set variables that there are, and the port they open', () => {
    const set = container.env as readonly { readonly name: string; readonly value: string }[];
    expect(set.filter(({ name }) => !(name in variables))).toEqual([]);
    const port = set.find(({ name }) => name === 'PORT')!.value;
    expect(container.ports).toEqual([{ name: 'http', containerPort: Number(port) }]);
  });

  test('open the receiver to the internet, and nothing else', () => {
    const opened = spec('Ingress').rules.flatMap((rule: { http: { paths: { path: string }[] } }) =>
      rule.http.paths.map(({ path }) => path),
    );
    expect(opened).toEqual([receiver]);
  });
});

test.each(['nginx.conf', 'Caddyfile'])('%s opens the receiver, and the rest to one network', (file) => {
  expect(receiver in paths).toBe(true);
  const text = read(`docs/deploy/${file}`);
  expect(text).toMatch(new RegExp(`(location =|handle) ${receiver} \\{`));
  expect(text).toMatch(/deny all|respond 403/);
  expect([...text.matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => match[1])).toEqual(['8082', '8082']);
});

describe('the unit for systemd', () => {
  const unit = read('docs/deploy/outlook-booking-sync.service');

  test('is not started again with settings that are wrong', () => {
    const { status } = spawnSync(process.execPath, ['src/main.ts', 'serve'], {
      env: { PATH: process.env['PATH'], DB_PORT: 'wrong' },
    });
    expect(unit).toContain(`RestartPreventExitStatus=${status}\n`);
  });

  test('starts the program from its folder', () =>
    expect(/^ExecStart=\S+ (\S+) serve$/m.exec(unit)?.[1]).toBe('src/main.ts'));
});

test('the workflows call what is there', () => {
  const called = globSync('.github/workflows/*.yml').flatMap((file) => {
    const { jobs } = parse(read(file)) as { jobs: Record<string, { steps: { run?: string }[] }> };
    return Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
  });
  expect(called).toContain('.ci/run');
  expect(() => accessSync('.ci/run', constants.X_OK)).not.toThrow();
});
