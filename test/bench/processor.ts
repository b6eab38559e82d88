/** Processor time and memory of a process on Linux, all of its threads (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs';
import type { Database } from '../../src/database.ts';

/** Milliseconds that the process has run so far; 0 when it is gone. */
export function processorMs(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const ns = threads.map((id) =>
      Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]),
    );
    return ns.reduce((sum, one) => sum + one, 0) / 1e6;
  } catch {
    return 0;
  }
}

/** The same of the daemon's backends. */
export async function backendsMs(pool: Database): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'bridge%'`,
  );
  return rows.reduce((sum, { pid }) => sum + processorMs(pid), 0);
}

export const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024;
