/** Job queues on PostgreSQL that do the same work, from capture to call, for comparison. Their packages are in `peers/`. */
import { execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Environment } from '../../src/settings.ts';
import { forkChild } from './stage.ts';

const run = promisify(execFile);

export const peers = ['graphile-worker', 'pg-boss'] as const;
export type Peer = (typeof peers)[number];

export const isPeer = (name: string): name is Peer => (peers as readonly string[]).includes(name);

const folder = fileURLToPath(new URL('peers/', import.meta.url));

/** Puts the tables of the queue into a database. Installs the packages first, once. */
export async function installPeer(peer: Peer, url: string): Promise<void> {
  if (!existsSync(`${folder}node_modules`))
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder });
  await run(process.execPath, [`${folder}install.mjs`, peer, url]);
}

/** A statement trigger on bb_event that adds a job for each row, as the documentation of each queue says for SQL. */
export const jobTrigger = (peer: Peer): string => `
  CREATE FUNCTION add_job() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${addJobs[peer]} RETURN NULL; END $$;
  CREATE TRIGGER add_job AFTER UPDATE ON bb_event REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION add_job()`;

const addJobs: Readonly<Record<Peer, string>> = {
  'graphile-worker': `PERFORM graphile_worker.add_job('change', json_build_object('subject', name)) FROM new_rows;`,
  // its channel: notifyChannelSql in pg-boss/dist/plans.js
  'pg-boss':
    `INSERT INTO pgboss.job (name, data) SELECT 'change', jsonb_build_object('subject', name) FROM new_rows; ` +
    `PERFORM pg_notify('pgboss_' || left(encode(sha224('pgboss'::bytea), 'hex'), 24), 'change');`,
};

/** Starts a worker; without ORIGIN its jobs call nobody. */
export async function startPeer(
  peer: Peer,
  env: Environment,
): Promise<AsyncDisposable & { readonly child: ChildProcess }> {
  const { child } = await forkChild(`peers/${peer}.child.mjs`, env);
  return {
    child,
    [Symbol.asyncDispose]: async () => {
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
