/** The whole service at work in this process, as `serve` runs it, and what it tells. */
import type { Config } from '../../src/config.ts';
import { openService } from '../../src/daemon.ts';
import type { Fact } from '../../src/facts.ts';
import { createLog } from '../../src/log.ts';
import { createFactLog } from './until.ts';

type Prepare = Parameters<typeof openService>[0]['prepare'];

export const isHeard = (fact: Fact) => fact.fact === 'listening' && fact.heard;

/** Starts it. `prepare`: what `serve` does before it works; nothing, unless told otherwise. */
export async function startService(config: Config, prepare: Prepare = async () => config.wake) {
  const service = await openService({ config, log: createLog('silent'), prepare });
  const told = createFactLog<Fact>();
  service.watch(told.tell);
  const stop = new AbortController();
  const working = service.run(stop.signal);
  let ended: Promise<void> | null = null;
  const end = () =>
    (ended ??= (async () => {
      stop.abort(new Error('the test is over'));
      await working;
      await service[Symbol.asyncDispose]();
    })());
  return {
    service,
    url: service.url,
    facts: told.facts,
    until: told.until,
    /** Resolves when it listens to the booking system. */
    heard: async () => void (await told.until(isHeard)),
    async call(method: string, path: string, body?: object) {
      const answer = await fetch(service.url + path, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    /** Stops it; what it does is done once however often it is called. */
    end,
    [Symbol.asyncDispose]: end,
  };
}

export type RunningService = Awaited<ReturnType<typeof startService>>;
