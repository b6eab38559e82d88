/** The real PgBouncer, where it is installed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/sandbox/postgres.ts';

const candidates = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer'];
/** Null: there is none on this machine. */
export const pgbouncerPath = candidates.find((path) => existsSync(path)) ?? null;
/** PgBouncer does not run as root. */
const nobody = 65_534;

export interface Pooling {
  readonly mode: 'transaction' | 'session';
  /** `ignore_startup_parameters = options`: without it PgBouncer refuses settings of sessions. */
  readonly ignores: boolean;
}

/** A pooler in front of the database of `url`. */
export async function openPgbouncer(url: string, { mode, ignores }: Pooling) {
  const { hostname, port, username, password, pathname } = new URL(url);
  const name = pathname.slice(1);
  const folder = await mkdtemp(join(tmpdir(), 'pgbouncer-'));
  await chmod(folder, 0o755);
  const own = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(
    file,
    `[databases]
${name} = host=${hostname} port=${port} dbname=${name} user=${username} password=${decodeURIComponent(password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = 3
${ignores ? 'ignore_startup_parameters = options,extra_float_digits' : ''}
`,
  );
  await chmod(file, 0o644);
  const child = spawn(pgbouncerPath!, [file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}),
  });
  const gone = once(child, 'exit');
  let told = '';
  const up = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      told += text;
      if (told.includes('process up')) up.resolve();
    });
  void gone.then(() => up.reject(new Error(`pgbouncer ended: ${told}`)));
  await up.promise;
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(own);
  return {
    url: through.href,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true });
    },
  };
}
