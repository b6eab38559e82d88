/**
 * A receiver under a flood. BARE=1: node:http that reads the body and answers 202, the floor; else the bridge as it is
 * operated, with its settings from the environment. Says where it listens, ends with its parent.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toConfig } from '../../src/config.ts';
import { openService } from '../../src/daemon.ts';
import { createLog } from '../../src/log.ts';

if (process.env['BARE'] === '1') {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(202).end());
  });
  server.listen(0, '127.0.0.1', () =>
    process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
  );
  process.once('disconnect', () => process.exit(0));
} else {
  const config = toConfig(process.env);
  const service = await openService({ config, log: createLog('silent'), prepare: async () => config.wake });
  const stop = new AbortController();
  service.watch((fact) => {
    if (fact.fact === 'listening' && fact.heard) process.send?.({ url: service.url });
    if (fact.fact === 'bug' || fact.fact === 'outage') console.error(fact.fact, fact.error);
  });
  process.once('disconnect', () => stop.abort(new Error('the measurement is over')));
  await service.run(stop.signal);
  await service[Symbol.asyncDispose]();
  process.exit(0);
}
