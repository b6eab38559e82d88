/** One daemon under measurement: settings from the environment, says when it hears, ends with its parent. */
import { toConfig } from '../../src/config.ts';
import { createDaemon } from '../../src/daemon/core.ts';
import { watchHops } from './hop-clock.ts';

watchHops();
const stop = new AbortController();
const daemon = await createDaemon(toConfig(process.env), (fact) => {
  if (fact.fact === 'listening' && fact.heard) process.send?.({ replica: daemon.replica });
  if (fact.fact === 'bug' || fact.fact === 'outage' || fact.fact === 'item-parked')
    console.error(fact.fact, fact.error);
});
process.once('disconnect', () => stop.abort(new Error('the measurement is over')));
await daemon.run(stop.signal);
await daemon[Symbol.asyncDispose]();
process.exit(0);
