/**
 * The floor under every latency: LISTEN, and a POST for each notification, with nothing in between. The payload is the
 * subject. Argument by environment: DATABASE_URL, ORIGIN.
 */
import pg from 'pg';
import { watchHops } from './hop-clock.ts';
import { post } from './post.ts';

watchHops();
const origin = process.env['ORIGIN']!;
const client = new pg.Client({ connectionString: process.env['DATABASE_URL']! });

client.on('notification', ({ payload = '' }) => {
  post(origin, payload).catch((error: Error) => {
    throw error;
  });
});
await client.connect();
await client.query('LISTEN floor');
process.once('disconnect', () => process.exit(0));
process.send?.({ listening: true });
