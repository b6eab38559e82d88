/** The daemon with its HTTP surface under measurement: tells its parent of each reservation that Outlook changed. */
import { toConfig } from '../../src/config.ts';
import { openService } from '../../src/daemon.ts';
import { createLog } from '../../src/log.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';

const stop = new AbortController();
const config = toConfig(process.env);
const service = await openService({ config, log: createLog('silent'), prepare: async () => config.wake });
service.watch((fact) => {
  if (fact.fact === 'listening' && fact.heard) process.send?.({ ready: true });
  if (fact.fact === 'pulled')
    process.send?.({ at: monotonicMs(), action: fact.action, latencyMs: fact.latencyMs });
  if (fact.fact === 'bug' || fact.fact === 'outage' || fact.fact === 'item-parked')
    console.error(fact.fact, fact.error);
});
process.once('disconnect', () => stop.abort(new Error('the measurement is over')));
await service.run(stop.signal);
await service[Symbol.asyncDispose]();
process.exit(0);
