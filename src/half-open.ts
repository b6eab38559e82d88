/**
 * Detection of half-open connections, which the other end or a firewall dropped without notice, so that neither data nor errors
 * arrive. All connections of a process to one server are watched together. If one has an unanswered query, a new connection is
 * made; if that succeeds and the server reports the backend as idle, the connection is dead, and so are all others that have
 * received nothing since.
 */
import type { Socket } from 'node:net';

export interface Watched {
  /** The TCP socket, below TLS. */
  readonly socket: Socket;
  /** The process id of its backend; null: unknown. */
  readonly pid: number | null;
  /** Whether a query has no answer yet. */
  isWaiting(): boolean;
  destroy(error: Error): void;
}

/** Returns those of the backends that are active, read on a new connection. Throws if that cannot be made. */
export type ReadActive = (pids: readonly number[]) => Promise<readonly number[]>;

interface Seen {
  /** Bytes received. */
  read: number;
  /** `performance.now()` when `read` last grew. */
  receivedAt: number;
  /** `performance.now()` since when a query has been waiting without data; null: none is waiting. */
  silentSince: number | null;
  /** `performance.now()` before which it is not checked again. */
  nextCheckAt: number;
}

const tickMs = 200;
/** Our queries normally take milliseconds; a check after this time costs one new connection. */
const silentMs = 800;
/** Time between two checks of a connection whose backend is active, or if no new connection can be made. */
const againMs = 5_000;

/** Watches the connections that are added to it. There is no timer while there are none. */
export function watchConnections(readActive: ReadActive) {
  const seen = new Map<Watched, Seen>();
  let ticking: NodeJS.Timeout | null = null;
  let tickedAt = 0;
  let checking = false;

  function tick(): void {
    const now = performance.now();
    // after this process was suspended, data that arrived meanwhile is read first
    const frozen = now - tickedAt > 3 * tickMs;
    tickedAt = now;
    for (const [connection, state] of seen) {
      const read = connection.socket.bytesRead;
      if (read !== state.read || frozen) Object.assign(state, { read, receivedAt: now, silentSince: null });
      else if (connection.isWaiting()) state.silentSince ??= now;
      else state.silentSince = null;
    }
    const isSuspect = ({ silentSince, nextCheckAt }: Seen) =>
      silentSince !== null && now - silentSince >= silentMs && now >= nextCheckAt;
    if (!checking && [...seen.values()].some(isSuspect)) void check();
  }

  /** Never rejects. */
  async function check(): Promise<void> {
    checking = true;
    const before = new Map([...seen].map(([connection, state]) => [connection, { ...state }]));
    const silent = [...before].filter(([, { silentSince }]) => silentSince !== null);
    try {
      const active = new Set(await readActive(silent.flatMap(([{ pid }]) => pid ?? [])));
      // time for answers that were under way
      await new Promise<void>((resolve) => void setTimeout(resolve, tickMs).unref());
      const isDead = ([{ socket, pid }, { read }]: [Watched, Seen]) =>
        socket.bytesRead === read && (pid === null || !active.has(pid));
      const dead = silent.filter((one) => isDead(one) && performance.now() - one[1].silentSince! >= silentMs);
      if (dead.length === 0) return;
      const since = Math.min(...dead.map(([, { silentSince }]) => silentSince!));
      for (const one of before)
        if (one[1].receivedAt <= since && isDead(one)) one[0].destroy(new Error(halfOpen));
    } catch {
      // no new connection: the server is unavailable or busy; the queries fail by their own time-outs
    } finally {
      for (const [connection] of silent) {
        const state = seen.get(connection);
        if (state !== undefined) state.nextCheckAt = performance.now() + againMs;
      }
      checking = false;
    }
  }

  return {
    /** Watches a connection until it is closed. */
    add(connection: Watched): void {
      const read = connection.socket.bytesRead;
      seen.set(connection, { read, receivedAt: performance.now(), silentSince: null, nextCheckAt: 0 });
      connection.socket.once('close', () => {
        seen.delete(connection);
        if (seen.size > 0 || ticking === null) return;
        clearInterval(ticking);
        ticking = null;
      });
      if (ticking !== null) return;
      tickedAt = performance.now();
      ticking = setInterval(tick, tickMs).unref();
    },
  };
}

const halfOpen = 'Connection is half-open: the server answers on a new connection, but not on this one';
