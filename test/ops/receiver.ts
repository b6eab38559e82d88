/** Who takes alerts: a chat's incoming webhook over real HTTP, that can refuse, hang or be gone. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSignal } from '../support/until.ts';

interface Received {
  readonly text: string;
  readonly event: 'opened' | 'closed';
  readonly alert: {
    readonly id: number | null;
    readonly type: string;
    readonly severity: string;
    readonly room: string | null;
    readonly resource_id: number | null;
    readonly message: string;
    readonly detail: Record<string, unknown>;
    readonly created_at: string;
    readonly closed_at: string | null;
  };
}

export async function openReceiver() {
  const taken: Received[] = [];
  /** Of each request: the Authorization header. */
  const logins: (string | undefined)[] = [];
  let requests = 0;
  /** What it answers, one after the other; then 200. 'hang': nothing. */
  const answers: (number | 'hang')[] = [];
  /** `opened brake 101`, in the order they came. */
  const lines = () =>
    taken.map(({ event, alert }) =>
      [event, alert.type, alert.resource_id].filter((part) => part !== null).join(' '),
    );
  const { changed, until } = createSignal(
    () => `of ${requests} requests these were taken: ${lines().join(', ')}`,
  );
  const server = createServer((request, response) => {
    void (async () => {
      const text = (await request.toArray()).map(String).join('');
      requests += 1;
      logins.push(request.headers.authorization);
      const answer = answers.shift() ?? 200;
      if (answer === 200) taken.push(JSON.parse(text) as Received);
      if (answer !== 'hang') response.writeHead(answer).end('ok');
      changed();
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/abc?room=1`,
    taken,
    logins,
    answers,
    requests: () => requests,
    lines,
    until,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
