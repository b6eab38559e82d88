/** What docs/ say of metrics, the Grafana dashboard and alerts, against what there is. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { alertTypes } from '../../src/ops/alert-types.ts';
import type { Queue } from '../../src/ops/gauges.ts';
import { createHealth } from '../../src/ops/health.ts';
import { createMetrics } from '../../src/ops/metrics.ts';

const docs = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** Name → type, and every name a sample has, with its labels. */
async function exposed() {
  const queue: Queue = {
    outbox_rows: 0,
    due: 0,
    oldest_ms: null,
    rooms: { ok: 1 },
    alerts: { critical: 0 },
    conflicts: 0,
    replicas: 1,
  };
  const metrics = createMetrics({ health: createHealth().state, queue: async () => queue });
  const item = { room: 'A', resourceId: 1, mappingId: 1, reservationType: 'event', reservationId: 1 };
  metrics.observe({ ...item, fact: 'pushed', action: 'created', latencyMs: 1, callMs: 1 });
  metrics.observe({ ...item, fact: 'pulled', action: 'imported', latencyMs: 1 });
  metrics.observe({ fact: 'schedule-ran', schedule: 'sweep', ms: 1, failed: null });
  const text = await metrics.text();
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? /gm)];
  const labels = new Map<string, Set<string>>();
  for (const [, name, given = ''] of samples) {
    const known = labels.get(name!) ?? new Set();
    for (const [, label] of given.matchAll(/(\w+)="/g)) known.add(label!);
    labels.set(name!, known);
  }
  return {
    types: new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name!, type!])),
    labels,
  };
}

interface Panel {
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(docs('grafana-dashboard.json')) as { readonly panels: readonly Panel[] };
const expressions = dashboard.panels.flatMap((panel) => panel.targets.map(({ expr }) => expr));

test('every metric and label that the Grafana dashboard asks for exists', async () => {
  const { labels } = await exposed();
  const ours = new Set([...labels.keys()]);
  for (const expr of expressions) {
    const names = [...expr.matchAll(/\b((?:bridge|process)_\w+)/g)].map(([, name]) => name!);
    expect(names.length, expr).toBeGreaterThan(0);
    for (const name of names) expect(ours, expr).toContain(name);
    const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, by]) => by!.split(/,\s*/));
    const chosen = [...expr.matchAll(/(\w+)=~?"/g)].map(([, label]) => label!);
    const known = names.flatMap((name) => [...(labels.get(name) ?? [])]);
    // Prometheus adds the job and the instance
    for (const label of [...grouped, ...chosen]) expect([...known, 'job', 'instance'], expr).toContain(label);
  }
});

test('the Grafana dashboard shows every metric there is, and no two panels in one place', async () => {
  const { types } = await exposed();
  for (const name of types.keys())
    expect(
      expressions.some((expr) => expr.includes(name)),
      name,
    ).toBe(true);
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, n) => `${x + (n % w)} ${y + Math.floor(n / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});

test('docs/metrics.md names every metric with its type and labels, and no other', async () => {
  const { types, labels } = await exposed();
  const rows = docs('metrics.md').matchAll(/^\| `(\w+)` *\| (\w+) *\| ([^|]*)\|/gm);
  const written = new Map([...rows].map(([, name, type, given]) => [name!, { type: type!, given: given! }]));
  expect([...written.keys()].toSorted()).toEqual([...types.keys()].toSorted());
  for (const [name, { type, given }] of written) {
    expect(type, name).toBe(types.get(name));
    const named = [...given.matchAll(/`(\w+)`:/g)].map(([, label]) => label!);
    const real = labels.get(type === 'histogram' ? `${name}_count` : name) ?? new Set();
    expect(named.toSorted(), name).toEqual([...real].toSorted());
  }
});

test('docs/operations.md says of every alert what it means and what to do', () => {
  const text = docs('operations.md');
  const rows = [...text.matchAll(/^\| `([a-z-]+)` *\| (?:warning|critical)[^|]*\|([^|]*)\|([^|]*)\|/gm)];
  expect(rows.map(([, type]) => type!).toSorted()).toEqual([...alertTypes].toSorted());
  for (const [, type, meaning, what] of rows) expect(meaning!.trim() && what!.trim(), type).toBeTruthy();
});
