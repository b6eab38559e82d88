/**
 * Half-open connections: the other end, or a firewall in between, forgot them without a word, so nothing ever arrives and
 * nothing ever fails. All connections of one process to one server are watched together. One that was asked something and
 * stays silent is compared with a fresh connection: if that one gets through and the server says that it is not at work on
 * the silent one's question, the silent one is dead, and so are all others that heard nothing since.
 */
import type { Socket } from 'node:net';

export interface Watched {
  /** The TCP socket, below TLS. */
  readonly socket: Socket;
  /** The process id of its backend; null: not known, so it is only judged by the others. */
  readonly pid: number | null;
  /** Something was asked on it that is not answered yet. */
  isWaiting(): boolean;
  destroy(error: Error): void;
}

/** Asks the server on a fresh connection which of these backends are at work. Throws when it does not get through. */
export type AskActive = (pids: readonly number[]) => Promise<readonly number[]>;

interface Seen {
  read: number;
  /** When `read` last grew, and since when it has not while something was asked; `performance.now()`. */
  heardAt: number;
  silentSince: number | null;
  /** No fresh connection is made for it before. */
  nextCheckAt: number;
}

const tickMs = 200;
/** Everything of ours is answered in milliseconds; what is not is worth one fresh connection. */
const silentMs = 800;
/** Between two checks of a connection whose backend is at work, or when no fresh connection gets through. */
const againMs = 5_000;

/** Watches the connections that are added to it; it costs nothing while there are none. */
export function watchConnections(askActive: AskActive) {
  const seen = new Map<Watched, Seen>();
  let ticking: NodeJS.Timeout | null = null;
  let tickedAt = 0;
  let checking = false;

  function tick(): void {
    const now = performance.now();
    // this process stood still: what arrived meanwhile is read before anything is judged
    const frozen = now - tickedAt > 3 * tickMs;
    tickedAt = now;
    for (const [connection, state] of seen) {
      const read = connection.socket.bytesRead;
      if (read !== state.read || frozen) Object.assign(state, { read, heardAt: now, silentSince: null });
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
      const active = new Set(await askActive(silent.flatMap(([{ pid }]) => pid ?? [])));
      // an answer that was on its way has arrived by then
      await new Promise<void>((resolve) => void setTimeout(resolve, tickMs).unref());
      const isDead = ([{ socket, pid }, { read }]: [Watched, Seen]) =>
        socket.bytesRead === read && (pid === null || !active.has(pid));
      const dead = silent.filter((one) => isDead(one) && performance.now() - one[1].silentSince! >= silentMs);
      if (dead.length === 0) return;
      const since = Math.min(...dead.map(([, { silentSince }]) => silentSince!));
      for (const one of before)
        if (one[1].heardAt <= since && isDead(one)) one[0].destroy(new Error(halfOpen));
    } catch {
      // nobody gets through: the server is away or busy, which each connection finds out for itself
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
      seen.set(connection, { read, heardAt: performance.now(), silentSince: null, nextCheckAt: 0 });
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

const halfOpen = 'Connection is half-open: the server answers on a new one, and not on this';
