/** `npm run bench [-- name …]`: every figure, or those named, as ratios with their spread. */
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { KeptWrites } from './booking-writes.ts';
import { printed, verdict, type Figure } from './figures.ts';

const figures: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  latency: async () => (await import('./latency.ts')).measureLatency(),
  'booking-writes': async () =>
    keptFigures(await (await import('./booking-writes.ts')).measureBookingWrites()),
  'slow-disk': async () => keptOnSlowDisk(),
  'bulk-writes': async () => (await import('./bulk-writes.ts')).measureBulkWrites(),
  pull: async () => (await import('./pull.ts')).measurePull(),
  backlog: async () => (await import('./backlog.ts')).measureBacklog(),
  takeover: async () => (await import('./takeover.ts')).measureTakeover(),
  duplicates: async () => (await import('./duplicates.ts')).measureDuplicates(),
  coalescing: async () => (await import('./coalescing.ts')).measureCoalescing(),
  fairness: async () => (await import('./fairness.ts')).measureFairness(),
  'webhook-flood': async () => (await import('./webhook-flood.ts')).measureWebhookFlood(),
  idle: async () => (await import('./idle.ts')).measureIdle(),
  growth: async () => (await import('./growth.ts')).measureGrowth(),
  'growth-million': async () => (await import('./growth.ts')).measureGrowth(true),
};
/** Only when it is named. */
const long = ['growth-million'];

/** Each flush sleeps for a millisecond: most disks are slower than the one of whoever measures. */
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

const names = process.argv.slice(2);
const unknown = names.filter((name) => figures[name] === undefined);
if (unknown.length > 0) {
  console.error(`There is no figure ${unknown.join(', ')}; there are ${Object.keys(figures).join(', ')}.`);
  process.exit(64);
}
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const [cpu] = cpus();
console.log(
  `outlook-booking-sync ${version}, ${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`,
);
for (const name of names.length > 0 ? names : Object.keys(figures).filter((one) => !long.includes(one))) {
  const started = performance.now();
  const measured = await figures[name]!().catch((error: unknown) => {
    // the others are measured all the same
    console.error(`\n${name} failed:`, error);
    process.exitCode = 1;
    return [];
  });
  console.log(`\n${name} (${((performance.now() - started) / 1_000).toFixed(0)} s)`);
  for (const figure of measured)
    console.log(
      `  ${figure.what.padEnd(62)} ${printed(figure).padEnd(24)} ${figure.target.padEnd(7)} ${verdict(figure).padEnd(7)} ${figure.note ?? ''}`,
    );
}
