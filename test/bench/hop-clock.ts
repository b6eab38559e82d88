/** The moments a change passes in one program under measurement, for the table of hops (latency.ts). Imported before the rest. */
import diagnostics from 'node:diagnostics_channel';
import pg from 'pg';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';

/** heard: NOTIFY; taking, taken: the read of what changed; sending: the request is given to undici; sent: it is on its way. */
export type Hop = 'heard' | 'taking' | 'taken' | 'sending' | 'sent';

/** Answers the message 'hops' with what was passed since the last one, where HOPS=1 asks for it. */
export function watchHops(): void {
  if (process.env['HOPS'] !== '1') return;
  let passed: [Hop, number][] = [];
  const pass = (hop: Hop) => void passed.push([hop, monotonicMs()]);
  process.on('message', (message) => {
    if (message !== 'hops') return;
    process.send?.({ hops: passed });
    passed = [];
  });
  diagnostics.subscribe('undici:request:create', () => pass('sending'));
  diagnostics.subscribe('undici:client:sendHeaders', () => pass('sent'));
  const { emit, query } = pg.Client.prototype;
  pg.Client.prototype.emit = function (this: pg.Client, ...event: Parameters<typeof emit>) {
    if (event[0] === 'notification' && (event[1] as pg.Notification).channel !== 'bridge_heartbeat')
      pass('heard');
    return emit.apply(this, event);
  };
  pg.Client.prototype.query = function (this: pg.Client, ...asked: unknown[]) {
    const isTake = (asked[0] as pg.QueryConfig).name === 'lease_rooms';
    if (isTake) pass('taking');
    const answer = (query as (...all: unknown[]) => unknown).apply(this, asked);
    if (isTake) (answer as pg.Query).once('row', () => pass('taken'));
    return answer;
  } as typeof query;
}
