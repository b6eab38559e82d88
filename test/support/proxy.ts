/** A TCP proxy in front of a server, that can fail in the ways networks do. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createSignal } from './until.ts';

export interface Proxy extends AsyncDisposable {
  /** `url` with the proxy in place of its server. */
  through(url: string): string;
  /** Connections made from now on go there. */
  swingTo(url: string): void;
  /**
   * Open connections stay open, and nothing passes any more in either direction: half-open. New ones work. With `sent`,
   * only those on which the client has sent this text.
   */
  blackhole(sent?: string): void;
  /** Ends all open connections with a reset. */
  reset(): void;
  /** Holds back what is sent on all connections, new ones included, until `resume`. */
  pause(): void;
  resume(): void;
  /** New connections are accepted and never answered. */
  silentNew: boolean;
  /** New connections are reset at once. */
  refuseNew: boolean;
  /** Changes, or drops with null, what the client sends; the connection is reset if it throws. */
  fromClient: (chunk: Buffer) => Buffer | null;
  /** Changes what the server sends. */
  fromServer: (chunk: Buffer) => Buffer;
  /** Connections accepted since the start. */
  readonly accepted: number;
  /** Connections that the client has not closed. */
  readonly open: number;
  /** Resolves when `condition` holds; looked at whenever a connection begins or ends. */
  until(condition: (proxy: Proxy) => boolean): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket | null;
  swallows: boolean;
  sent: string;
}

/** Starts a proxy to the server of `url`. */
export async function openProxy(url: string): Promise<Proxy> {
  const pairs = new Set<Pair>();
  let target = new URL(url);
  let paused = false;
  let accepted = 0;
  const { changed, until } = createSignal(
    () => `${accepted} connections were accepted and ${pairs.size} are there`,
  );
  const sockets = () =>
    [...pairs].flatMap(({ client, server }) => (server === null ? [client] : [client, server]));

  const listening = createServer((client) => {
    accepted += 1;
    client.on('error', () => undefined); // what a reset looks like from here
    if (proxy.refuseNew) {
      client.resetAndDestroy();
      changed();
      return;
    }
    const server = proxy.silentNew ? null : connect(Number(target.port || 5432), target.hostname);
    const pair: Pair = { client, server, swallows: false, sent: '' };
    pairs.add(pair);
    if (server !== null) join(pair, server);
    const gone = () => {
      if (server?.destroyed !== false && client.destroyed) pairs.delete(pair);
      changed();
    };
    client.on('close', gone);
    server?.on('close', gone);
    changed();
  });

  function join(pair: Pair, server: Socket): void {
    const { client } = pair;
    server.on('error', () => undefined);
    const pass = (from: Socket, to: Socket, change: (chunk: Buffer) => Buffer | null) => {
      if (paused) from.pause();
      from.on('data', (chunk: Buffer) => {
        if (pair.swallows) return;
        try {
          const passed = change(chunk);
          if (passed !== null) to.write(passed);
        } catch {
          // asked for by who set `fromClient`
          client.resetAndDestroy();
          server.destroy();
        }
      });
      from.on('close', () => {
        if (!pair.swallows) to.destroy();
      });
    };
    pass(client, server, (chunk) => {
      pair.sent = (pair.sent + chunk.toString('latin1')).slice(-4_096);
      return proxy.fromClient(chunk);
    });
    pass(server, client, (chunk) => proxy.fromServer(chunk));
  }

  const proxy: Proxy = {
    through: (of) => {
      const through = new URL(of);
      through.hostname = '127.0.0.1';
      through.port = String((listening.address() as AddressInfo).port);
      return through.href;
    },
    swingTo: (to) => {
      target = new URL(to);
    },
    blackhole: (sent = '') => {
      for (const pair of pairs) pair.swallows ||= pair.sent.includes(sent);
    },
    reset: () => {
      for (const { client, server } of pairs) {
        client.resetAndDestroy();
        server?.resetAndDestroy();
      }
    },
    pause: () => {
      paused = true;
      for (const socket of sockets()) socket.pause();
    },
    resume: () => {
      paused = false;
      for (const socket of sockets()) socket.resume();
    },
    silentNew: false,
    refuseNew: false,
    fromClient: (chunk) => chunk,
    fromServer: (chunk) => chunk,
    get accepted() {
      return accepted;
    },
    get open() {
      return [...pairs].filter(({ client }) => !client.destroyed).length;
    },
    until: (condition) => until(() => condition(proxy)),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets()) socket.destroy();
      listening.close();
      await once(listening, 'close');
    },
  };
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return proxy;
}

/**
 * Gives the client another process id, as a pooler does: message BackendKeyData, 'K', length 12, process id, secret
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */
export function otherProcessId(chunk: Buffer): Buffer {
  const at = chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
  if (at < 0) return chunk;
  const changed = Buffer.from(chunk);
  changed.writeInt32BE(changed.readInt32BE(at + 5) + 1_000_000, at + 5);
  return changed;
}

/**
 * A pooler as PgBouncer comes: it refuses the settings of a session, which clients send as `options`. Returns its URL, in
 * place of `url`.
 */
export async function refusingPooler(url: string): Promise<{ readonly url: string } & AsyncDisposable> {
  const text = 'SFATAL\0C08P01\0Munsupported startup parameter: options\0\0';
  const answer = Buffer.concat([Buffer.from([0x45, 0, 0, 0, 4 + text.length]), Buffer.from(text)]);
  const pooler = createServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end(answer),
  ).listen(0, '127.0.0.1');
  await once(pooler, 'listening');
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((pooler.address() as AddressInfo).port);
  return {
    url: through.href,
    async [Symbol.asyncDispose]() {
      pooler.close();
      await once(pooler, 'close');
    },
  };
}
