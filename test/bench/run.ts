/**
 * `npm run bench`: the headline figures, in less than three minutes, as ratios with their spread. `npm run bench -- all`, or
 * the names of figures: those. With `--write` they are written into docs/benchmarks.md as well.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import type { KeptWrites } from './booking-writes.ts';
import { printed, verdict, type Figure } from './figures.ts';

const figures: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  latency: async () => (await import('./latency.ts')).measureLatency(),
  'booking-writes': async () =>
    keptFigures(await (await import('./booking-writes.ts')).measureBookingWrites()),
  'writes-of-eight': async () => keptFigures(await keptOfEight()),
  'slow-disk': async () => keptOnSlowDisk(),
  'bulk-writes': async () => (await import('./bulk-writes.ts')).measureBulkWrites(),
  pull: async () => (await import('./pull.ts')).measurePull(),
  backlog: async () => (await import('./backlog.ts')).measureBacklog(),
  takeover: async () => (await import('./takeover.ts')).measureTakeover(),
  duplicates: async () => (await import('./duplicates.ts')).measureDuplicates(),
  coalescing: async () => (await import('./coalescing.ts')).measureCoalescing(),
  fairness: async () => (await import('./fairness.ts')).measureFairness(),
  peers: async () => (await import('./peers.ts')).measurePeers(),
  'webhook-flood': async () => (await import('./webhook-flood.ts')).measureWebhookFlood(),
  'half-open': async () => (await import('./half-open.ts')).measureHalfOpen(),
  serialization: async () => (await import('./serialization.ts')).measureSerialization(),
  search: async () => (await import('./search.ts')).measureSearch(),
  idle: async () => (await import('./idle.ts')).measureIdle(),
  growth: async () => (await import('./growth.ts')).measureGrowth(),
  'growth-million': async () => (await import('./growth.ts')).measureGrowth(true),
};
/** Not in `all`: long, or a part of another one. */
const left = ['growth-million', 'peers', 'writes-of-eight'];
const headline = ['latency', 'pull', 'takeover', 'coalescing', 'idle', 'writes-of-eight', 'bulk-writes'];

/** The middle of `booking-writes`, without the rest. */
async function keptOfEight(): Promise<KeptWrites[]> {
  const { measureBookingWrites } = await import('./booking-writes.ts');
  return await measureBookingWrites({ writers: [8], variants: ['bare', 'working'] });
}

/** Each flush sleeps for a millisecond: most disks are slower than the one that measures. */
async function keptOnSlowDisk(): Promise<Figure[]> {
  const { measureBookingWrites } = await import('./booking-writes.ts');
  const kept = await measureBookingWrites({ writers: [32], diskUs: 1_000 });
  return kept.map(({ writers, variant, min, median, max }) => ({
    what: `booking writes kept, ${writers} writers, disk of 1 ms, ${variant}`,
    values: [min, median, max],
    target: variant === 'working' ? '≥ 0.93' : '–',
  }));
}

function keptFigures(kept: readonly KeptWrites[]): Figure[] {
  const targets: Readonly<Record<number, string>> = { 1: '≥ 0.80', 8: '≥ 0.80', 32: '≥ 0.85' };
  return kept.flatMap(({ writers, variant, min, median, max, ofBare }) => [
    {
      what: `booking writes kept, ${writers} writer(s), ${variant}`,
      values: [min, median, max],
      target: variant === 'working' ? (targets[writers] ?? '–') : '–',
    },
    ...(ofBare === null || variant === 'notify'
      ? []
      : [
          {
            what: `… of what a bare outbox trigger keeps, ${writers} writer(s), ${variant}`,
            values: [ofBare],
            target: '≥ 0.90',
          },
        ]),
  ]);
}

const asked = process.argv.slice(2).filter((argument) => argument !== '--write');
const names =
  asked.length === 0
    ? headline
    : asked.flatMap((name) =>
        name === 'all' ? Object.keys(figures).filter((one) => !left.includes(one)) : [name],
      );
const unknown = names.filter((name) => figures[name] === undefined);
if (unknown.length > 0) {
  console.error(
    `There is no figure ${unknown.join(', ')}; there are ${Object.keys(figures).join(', ')}, all.`,
  );
  process.exit(64);
}
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const [cpu] = cpus();
const loadBefore = loadavg()[0]!;
console.log(
  `outlook-booking-sync ${version}, ${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, load ${loadBefore.toFixed(1)}`,
);
const rows: string[] = [];
const begun = performance.now();
for (const name of names) {
  const started = performance.now();
  const measured = await figures[name]!().catch((error: unknown) => {
    // the others are measured all the same
    console.error(`\n${name} failed:`, error);
    process.exitCode = 1;
    return [];
  });
  console.log(`\n${name} (${((performance.now() - started) / 1_000).toFixed(0)} s)`);
  for (const figure of measured) {
    console.log(
      `  ${figure.what.padEnd(62)} ${printed(figure).padEnd(24)} ${figure.target.padEnd(7)} ${verdict(figure).padEnd(7)} ${figure.note ?? ''}`,
    );
    rows.push(
      `| ${[figure.what.trim(), printed(figure), figure.target, verdict(figure), figure.note ?? ''].join(' | ')} |`,
    );
  }
}
console.log(`\n${((performance.now() - begun) / 1_000).toFixed(0)} s in all`);
if (process.argv.includes('--write')) await writePage();

/** Writes the page with the measurements, the machine, the date and the versions. */
async function writePage(): Promise<void> {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'src', 'database', 'sql', 'test/bench') !== '';
  const text = `# Benchmarks

Written by \`npm run bench -- ${[...asked, '--write'].join(' ')}\`; do not edit by hand. Every ratio compares two measurements that alternate in one run. Medians
are followed by the lowest and the highest round. All programs of a measurement run on one machine.

- version ${version}, commit ${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC
- ${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}
- load before and after: ${loadBefore.toFixed(1)}, ${loadavg()[0]!.toFixed(1)} (0 on an idle machine; other programs add to the milliseconds and, less, to the ratios)

| figure | measured | target | | details |
| ------ | -------- | ------ | --- | ------- |
${rows.join('\n')}
`;
  const { format } = await import('prettier');
  const file = new URL('../../docs/benchmarks.md', import.meta.url);
  writeFileSync(file, await format(text, { parser: 'markdown' }));
}
