/** A hot standby of a server of `startPostgres`, made of a copy of its data. */
import { execFile } from 'node:child_process';
import { appendFile, chmod, cp, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { clockShim } from '../../src/environment.ts';
import type { PostgresServer } from '../../src/sandbox/postgres.ts';
import { freePort } from '../../src/sandbox/postgres.ts';

const run = promisify(execFile);

export interface Standby extends AsyncDisposable {
  readonly url: string;
  /** Makes it a primary. Resolves when it accepts writes. */
  promote(): Promise<void>;
}

/** Starts one that streams from `primary`, which is restarted for it. */
export async function startStandby(primary: PostgresServer): Promise<Standby> {
  const from = join(primary.folder, 'data');
  const data = join(primary.folder, 'standby');
  const command = await readFile(join(from, 'postmaster.opts'), 'utf8');
  const bin = dirname(command.split(' ')[0]!);
  const { uid, gid } = await stat(from);
  await primary.halt();
  await cp(from, data, { recursive: true, filter: (file) => !file.endsWith('/postmaster.pid') });
  await primary.restart();

  const url = new URL(primary.url);
  url.port = String(await freePort());
  await writeFile(join(data, 'standby.signal'), '');
  await appendFile(
    join(data, 'postgresql.auto.conf'),
    `port = '${url.port}'\nhot_standby = 'on'\nprimary_conninfo = '${primary.url}'\n`,
  );
  await chmod(data, 0o700);
  const as = {
    cwd: primary.folder,
    env: { LC_ALL: 'C', ...clockShim() },
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  };
  if (process.getuid?.() === 0) await run('chown', ['-R', `${uid}:${gid}`, data]);
  const control = (...args: readonly string[]) => run(join(bin, 'pg_ctl'), ['-D', data, '-w', ...args], as);
  await control('start', '-l', join(primary.folder, 'standby.log'));
  return {
    url: url.href,
    promote: async () => {
      await control('promote');
    },
    async [Symbol.asyncDispose]() {
      await control('stop', '-m', 'immediate');
    },
  };
}
