/**
 * The floor under every latency: LISTEN, and a POST for each notification, with nothing in between. The payload is the
 * subject. Argument by environment: DATABASE_URL, ORIGIN.
 */
import pg from 'pg';
import { Agent } from 'undici';
import { watchHops } from './hop-clock.ts';

watchHops();
const origin = process.env['ORIGIN']!;
const agent = new Agent({ connections: 64, pipelining: 1, allowH2: false });
const client = new pg.Client({ connectionString: process.env['DATABASE_URL']! });

/** As long as what the bridge sends for a create. */
const text = 'x'.repeat(480);

async function post(subject: string): Promise<void> {
  const { body } = await agent.request({
    origin,
    path: '/v1.0/users/floor/events',
    method: 'POST',
    headers: ['content-type', 'application/json', 'authorization', `Bearer ${'a'.repeat(200)}`],
    body: JSON.stringify({ subject, text }),
  });
  await body.dump();
}

client.on('notification', ({ payload = '' }) => {
  post(payload).catch((error: Error) => {
    throw error;
  });
});
await client.connect();
await client.query('LISTEN floor');
process.once('disconnect', () => process.exit(0));
process.send?.({ listening: true });
