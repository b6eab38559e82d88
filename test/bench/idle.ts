/**
 * What the program costs with nothing to do, as an operator starts it (`node src/main.ts serve`): memory and processor time
 * with 1,000 rooms polled each minute, and how soon /ready says so.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { Database } from '../../src/database.ts';
import { freePort } from '../../src/sandbox/postgres.ts';
import type { Figure } from './figures.ts';
import { processorMs, residentMb } from './processor.ts';
import { environmentOf, openBridge, pause, settled, startAcceptingServer } from './stage.ts';

const rooms = 1_000;
const rounds = 3;
const idleMs = 8_000;
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Takes about 60 s. */
export async function measureIdle(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer());
  const ready: number[] = [];
  const cpu: number[] = [];
  const megabytes: number[] = [];
  let calls = 0;
  for (let round = 0; round < rounds; round += 1) {
    const port = await freePort();
    const startedAt = performance.now();
    const child = spawn(process.execPath, [main, 'serve'], {
      env: {
        PATH: process.env['PATH'],
        ...environmentOf(bridge, graph.origin),
        PORT: String(port),
        LOG_LEVEL: 'error',
      },
      stdio: 'inherit',
    });
    while (!(await isReady(port))) await pause(5);
    ready.push(performance.now() - startedAt);
    await settled(bridge.pool);
    // a daemon that begins polls every room soon and reads its claim; here as in a later minute
    await bridge.pool.query(`UPDATE bridge_room_state SET next_poll_at = now(); SELECT bridge_wake()`);
    await polled(bridge.pool);
    await bridge.pool.query(
      `UPDATE bridge_room_state SET next_poll_at = now() + random() * interval '60 seconds'`,
    );
    await pause(2_000);
    await graph.reset();
    const before = processorMs(child.pid!);
    await pause(idleMs);
    cpu.push((100 * (processorMs(child.pid!) - before)) / idleMs);
    megabytes.push(residentMb(child.pid!));
    calls += Object.values((await graph.count()).requests).reduce((a, b) => a + b, 0);
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  return [
    {
      what: `start → /ready, ${rooms} rooms`,
      values: ready,
      target: '≤ 1500',
      unit: 'ms',
      note: 'the first start after an installation or update also strips the types',
    },
    { what: `processor time, idle, ${rooms} rooms`, values: cpu, target: '≤ 2', unit: '% of a core' },
    { what: `memory, idle, ${rooms} rooms`, values: megabytes, target: '< 150', unit: 'MB' },
    {
      what: 'Graph calls a minute while nothing changes',
      values: [(calls * 60_000) / (rounds * idleMs)],
      target: '–',
      note: `${rooms} rooms polled each minute`,
    },
  ];
}

/** Looks until no room is to be polled now. */
async function polled(pool: Database): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ due: boolean }>(
      `SELECT EXISTS (SELECT FROM bridge_room_state WHERE next_poll_at <= now() OR lease_owner IS NOT NULL) AS due`,
    );
    if (!rows[0]!.due) return;
    await pause(100);
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/ready`);
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  }
}
