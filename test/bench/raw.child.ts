/** The limit of a backlog: so many POSTs with so many in flight, and nothing else. ORIGIN, COUNT, AT_ONCE. */
import { Agent } from 'undici';

const origin = process.env['ORIGIN']!;
const count = Number(process.env['COUNT']);
const atOnce = Number(process.env['AT_ONCE']);
const agent = new Agent({ connections: atOnce, pipelining: 1, allowH2: false });
const text = 'x'.repeat(480);

async function post(n: number): Promise<void> {
  const { body } = await agent.request({
    origin,
    path: '/v1.0/users/raw/events',
    method: 'POST',
    headers: ['content-type', 'application/json', 'authorization', `Bearer ${'a'.repeat(200)}`],
    body: JSON.stringify({ subject: `Møte ${n}`, text }),
  });
  await body.json();
}

async function postAll(most: number): Promise<number> {
  const started = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < most) await post((next += 1));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return (most * 1_000) / (performance.now() - started);
}

await postAll(Math.min(count, 4 * atOnce)); // warms up
process.send?.({ perSecond: await postAll(count) });
process.once('disconnect', () => process.exit(0));
