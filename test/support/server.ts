/**
 * PostgreSQL servers for the tests, with their data in memory where there is room for it: every test has a database of its
 * own, and each of them is six hundred files that live for a second.
 */
import { readFileSync, statfsSync } from 'node:fs';
import { startPostgres, type PostgresOptions, type PostgresServer } from '../../src/sandbox/postgres.ts';

const memory = '/dev/shm';
const enough = 2 * 1024 ** 3;

/** Starts one. It ends when it is disposed of or this process ends, whichever comes first. */
export const startTestServer = (options: PostgresOptions = {}): Promise<PostgresServer> =>
  startPostgres({
    ...options,
    // the log of changes stays small, as it is in memory too
    settings: { max_wal_size: '256MB', ...options.settings },
    ...(hasRoom() ? { below: memory } : {}),
  });

/** Whether there is such a folder in memory, with room, from which programs may be run (root lends the server's there). */
function hasRoom(): boolean {
  try {
    const mounted = readFileSync('/proc/mounts', 'utf8').split('\n');
    const [, , type, options = ''] = mounted.find((line) => line.split(' ')[1] === memory)?.split(' ') ?? [];
    const { bavail, bsize } = statfsSync(memory);
    return type === 'tmpfs' && !options.split(',').includes('noexec') && bavail * bsize > enough;
  } catch {
    // another kind of system
    return false;
  }
}
