import { parseArgs } from 'node:util';
import { startTenant } from './tenant.ts';

/**
 * A tenant in a process of its own: `node src/sandbox/tenant/process.ts --rooms 3`. Prints one JSON line
 * with its coordinates, then serves until it is killed, or, with `--until-stdin-closes`, until the process that
 * started it is gone. `connectTenant(authority)` controls it.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    host: { type: 'string', default: '127.0.0.1' },
    /** The address clients know it by, when that is another: http://tenant:8090 */
    origin: { type: 'string' },
    seed: { type: 'string', default: '1' },
    'latency-ms': { type: 'string', default: '0' },
    /** How many rooms there are: room-1@sandbox.example, room-2@… */
    rooms: { type: 'string', default: '0' },
    /** A room of a name of its own: hall-a@bergen.example=Hall A. Any number of times. */
    room: { type: 'string', multiple: true, default: [] },
    'until-stdin-closes': { type: 'boolean', default: false },
  },
});

const tenant = await startTenant({
  port: Number(values.port),
  host: values.host,
  ...(values.origin === undefined ? {} : { origin: values.origin }),
  seed: Number(values.seed),
  latencyMs: Number(values['latency-ms']),
});
const numbered = Array.from({ length: Number(values.rooms) }, (_, index) => ({
  upn: `room-${index + 1}@sandbox.example`,
  name: `Room ${index + 1}`,
}));
const named = values.room.map((text) => {
  const [upn = '', name = upn] = text.split('=', 2);
  return { upn, name };
});
const rooms = [...numbered, ...named].map((room) => ({ ...room, id: tenant.addRoom(room) }));
const { graphBaseUrl, authority, tenantId, clientId, clientSecret } = tenant;
process.stdout.write(
  `${JSON.stringify({ graphBaseUrl, authority, tenantId, clientId, clientSecret, rooms })}\n`,
);

if (values['until-stdin-closes']) {
  // Also how a parent that was killed lets go: its end of the pipe closes with it.
  process.stdin.resume().once('close', () => void tenant[Symbol.asyncDispose]());
}
