/**
 * The daemon of the demo in a process of its own, so that it can be killed: settings from the environment, what it tells goes to
 * the parent. It ends when its stdin closes, which is also how a parent that was killed lets go of it.
 */
import { readEnv, toConfig } from '../config.ts';
import { openService, type Service } from '../daemon.ts';
import type { Fact } from '../facts.ts';
import { Permanent } from '../errors.ts';
import { createLog } from '../log.ts';

/** What the process says: where it serves, that its port is another's, or a fact. */
export type DaemonSays = { readonly serves: string } | { readonly taken: string } | { readonly told: Fact };

/** After the end was asked for, it comes by itself within this. */
const endsWithinMs = 10_000;

/** Resolves when it is sent; a parent that is gone hears nothing, and our stdin says so. */
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
// what may still hold a process that has nothing to do
process.stdin.destroy();
if (process.connected) process.disconnect?.();

/** Null when the port is taken. */
async function open(): Promise<Service | null> {
  // the settings of the demo, and no .env of this folder
  const config = toConfig(readEnv(''));
  try {
    // the parent's screen tells what matters, and the parent has migrated
    return await openService({ config, log: createLog('silent'), prepare: async () => config.wake });
  } catch (error) {
    if (!(error instanceof Permanent)) throw error;
    await say({ taken: error.message });
    return null;
  }
}
