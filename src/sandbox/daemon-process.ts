/**
 * The daemon of the demo in a process of its own, so that it can be killed: settings from the environment, its facts go to
 * the parent. It ends when its stdin closes, which is also how a parent that was killed lets go of it.
 */
import { readEnv } from '../environment.ts';
import { toConfig } from '../config.ts';
import { openService, type Service } from '../daemon.ts';
import type { Fact } from '../facts.ts';
import { Permanent } from '../errors.ts';
import { createLog } from '../log.ts';

/** A message of the process: its address, that its port is in use, or a fact. */
export type DaemonSays = { readonly serves: string } | { readonly taken: string } | { readonly told: Fact };

/** After the end was asked for, it comes by itself within this. */
const endsWithinMs = 10_000;

/** Resolves when it is sent. If the parent is gone, nothing is sent, and stdin is closed. */
const say = (what: DaemonSays): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(what, undefined, undefined, () => resolve());
    else resolve();
  });

const stop = new AbortController();
process.stdin.resume().once('close', () => {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), endsWithinMs).unref();
  stop.abort(new Error('the demo is over'));
});

const service = await open();
if (service !== null) {
  service.watch((told) => void say({ told }));
  await say({ serves: service.url });
  await service.run(stop.signal);
  await service[Symbol.asyncDispose]();
}
// handles that may keep an idle process alive
process.stdin.destroy();
if (process.connected) process.disconnect?.();

/** Null when the port is taken. */
async function open(): Promise<Service | null> {
  // the settings of the demo, and no .env of this folder
  const config = toConfig(readEnv(''));
  try {
    // the parent reports on its screen, and has migrated
    return await openService({ config, log: createLog('silent'), prepare: async () => config.wake });
  } catch (error) {
    if (!(error instanceof Permanent)) throw error;
    await say({ taken: error.message });
    return null;
  }
}
