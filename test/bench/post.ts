/** The call that each program under measurement makes for a change, as long as what the bridge sends for one. */
import { Agent } from 'undici';

const agent = new Agent({ connections: 64, pipelining: 1, allowH2: false });
const text = 'x'.repeat(480);

/** Sends an event of that subject to the accepting server at `origin`; resolves when it is answered. */
export async function post(origin: string, subject: string): Promise<void> {
  const { body } = await agent.request({
    origin,
    path: '/v1.0/users/floor/events',
    method: 'POST',
    headers: ['content-type', 'application/json', 'authorization', `Bearer ${'a'.repeat(200)}`],
    body: JSON.stringify({ subject, text }),
  });
  await body.dump();
}
