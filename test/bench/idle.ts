/**
 * What a daemon with nothing to do costs: memory and processor time with 1,000 rooms, whole as `npm start` runs it, its
 * HTTP surface included. It is a first start: later ones find what Node made of the files and need 20 MB less.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Figure } from './figures.ts';
import {
  environmentOf,
  forkChild,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  startFlags,
} from './stage.ts';

const rooms = 1_000;
const rounds = 3;
const roundMs = 3_000;

/** Takes about 25 s. */
export async function measureIdle(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer());
  const env = environmentOf(bridge, graph.origin);
  const { child } = await forkChild('bench-service.child.ts', env, startFlags);
  opened.defer(async () => {
    child.disconnect();
    await once(child, 'exit');
  });
  const pid = child.pid!;
  await settled(bridge.pool);
  await pause(3_000);
  await graph.reset();
  const cpu: number[] = [];
  const megabytes: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = processorMs(pid);
    await pause(roundMs);
    cpu.push((100 * (processorMs(pid) - before)) / roundMs);
    megabytes.push(residentMb(pid));
  }
  const { requests } = await graph.count();
  const calls = Object.values(requests).reduce((a, b) => a + b, 0);
  return [
    { what: `processor time, idle, ${rooms} rooms`, values: cpu, target: '≤ 2', unit: '% of a core' },
    { what: `memory, idle, ${rooms} rooms`, values: megabytes, target: '< 150', unit: 'MB' },
    {
      what: 'Graph calls while nothing changes',
      values: [calls],
      target: '–',
      note: `in ${(rounds * roundMs) / 1_000} s`,
    },
  ];
}

/** Time of all threads in user and kernel mode, counted in ticks of 10 ms (proc_pid_stat, fields 14 and 15). */
function processorMs(pid: number): number {
  const { utime, stime } = /^.*\) (?:\S+ ){11}(?<utime>\d+) (?<stime>\d+)/s.exec(
    readFileSync(`/proc/${pid}/stat`, 'utf8'),
  )!.groups as { utime: string; stime: string };
  return (Number(utime) + Number(stime)) * ticksMs;
}

const ticksMs = 10;

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024;
}
