/** The command line as people use it: a process of its own, its settings in the environment, its words on the pipes. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { clockShim, type Environment } from '../../src/config.ts';
import { startTenant, type Tenant } from '../../src/sandbox/tenant/tenant.ts';
import { openTestDatabase, type Schema, type TestDatabase } from '../support/database.ts';
import { environmentOf } from '../support/settings.ts';

export const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** What was printed, as JSON. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each command has its own shape; the tests say which
  json(): any;
}

/** Runs one command to its end. No `.env` is read: it runs in another folder. */
export function cli(env: Environment, ...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      {
        cwd: fileURLToPath(new URL('.', import.meta.url)),
        env: { PATH: process.env['PATH'], NO_COLOR: '1', LOG_LEVEL: 'silent', ...clockShim(), ...env },
        maxBuffer: 20_000_000,
      },
      (_error, out, err) =>
        resolve({ code: child.exitCode ?? -1, out, err, json: () => JSON.parse(out) as unknown }),
    );
  });
}

/** Resource of the seed → its room. */
export const rooms: Readonly<Record<number, { readonly upn: string; readonly name: string }>> = {
  101: { upn: 'formannskapssalen@bergen.example', name: 'Formannskapssalen' },
  102: { upn: 'bystyresalen@bergen.example', name: 'Bystyresalen' },
  103: { upn: 'floyen@bergen.example', name: 'Møterom Fløyen' },
};

/** A booking database, a tenant with rooms, and the environment that names both. */
export async function openOffice(schema: Schema = 'bridge') {
  await using opened = new AsyncDisposableStack();
  const db: TestDatabase = opened.use(await openTestDatabase({ schema }));
  const tenant: Tenant = opened.use(await startTenant({ rooms: Object.values(rooms) }));
  const { LOG_LEVEL: _level, ...env } = environmentOf(db, tenant);
  const owned = opened.move();
  return {
    db,
    tenant,
    env,
    run: (...args: readonly string[]) => cli(env, ...args),
    map: (resource: number) =>
      db.query(
        'INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name) VALUES ($1, $2, $3)',
        [resource, rooms[resource]!.upn, rooms[resource]!.name],
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
