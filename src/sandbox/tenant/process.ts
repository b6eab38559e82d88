import { parseArgs } from 'node:util';
import { startTenant } from './tenant.ts';

/**
 * A tenant in a process of its own: `node src/sandbox/tenant/process.ts --rooms 3`. Prints one JSON line
 * with its coordinates, then serves until it is killed, or, with `--until-stdin-closes`, until whoever
 * started it is gone. `connectTenant(authority)` controls it.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    'latency-ms': { type: 'string', default: '0' },
    /** How many rooms there are: room-1@sandbox.example, room-2@… */
    rooms: { type: 'string', default: '0' },
    'until-stdin-closes': { type: 'boolean', default: false },
  },
});

const tenant = await startTenant({
  port: Number(values.port),
  seed: Number(values.seed),
  latencyMs: Number(values['latency-ms']),
});
const rooms = Array.from({ length: Number(values.rooms) }, (_, index) => {
  const room = { upn: `room-${index + 1}@sandbox.example`, name: `Room ${index + 1}` };
  return { ...room, id: tenant.addRoom(room) };
});
const { graphBaseUrl, authority, tenantId, clientId, clientSecret } = tenant;
process.stdout.write(
  `${JSON.stringify({ graphBaseUrl, authority, tenantId, clientId, clientSecret, rooms })}\n`,
);

if (values['until-stdin-closes']) {
  // Also how a parent that was killed lets go: its end of the pipe closes with it.
  process.stdin.resume().once('close', () => void tenant[Symbol.asyncDispose]());
}
