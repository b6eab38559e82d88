/**
 * Listens for NOTIFY and reports whether notifications arrive. pg-listen is used for a single connection: one subscriber per
 * connection, discarded with it, because its own handling of lost connections fails (it gives up after 3 s, hangs on a silent
 * server, swallows a refused LISTEN, reconnects after `close`).
 *
 *     connect ─► LISTEN ─► wake ─► heartbeat received: heard ─► … ─► silence, an error, the end of the connection
 *        ▲                                                                             │
 *        └───────────── back-off with jitter, below 1 s first ◄── not heard, wake ◄────┘
 *
 * The heartbeat is a NOTIFY sent to ourselves through a second session. It takes the same path as a booking's: another backend
 * commits, and the server sends the notification to an idle connection. A NOTIFY by the listening connection itself would prove
 * less: behind a transaction pooler it would be answered while the connection is assigned to us, although later notifications
 * would be lost. A received heartbeat proves the sockets, the backend, both LISTENs, and that the server is not a standby (which
 * refuses both).
 */
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import pgListen from 'pg-listen';
import { backOffMs } from '../back-off.ts';
import type { DatabaseConfig } from '../config.ts';
import { connectionSettings, DirectClient, watchOf } from '../connection.ts';
import { databaseFailure } from '../database.ts';
import { messageOf } from '../errors.ts';

/** The channel that the booking system's triggers notify. */
const changes = 'bridge_changes';
const heartbeats = 'bridge_heartbeat';

export interface ListenerState {
  /** A NOTIFY from another session arrived during the last two heartbeats. */
  readonly heard: boolean;
  /** The time of the last change of this state. */
  readonly since: Date;
  /** Why no notifications arrive. */
  readonly reason?: string;
}

export interface ListenerOptions {
  readonly config: DatabaseConfig;
  /** Name in pg_stat_activity. */
  readonly name: string;
  /** A listener that receives no heartbeat for twice this time is reopened. */
  readonly heartbeatMs?: number;
  /** Called for each notification, and whenever some may have been missed: after each LISTEN and each lost connection. */
  readonly onWake: () => void;
  /** Called when the state changes, and once if the first attempt fails. */
  readonly onState: (state: ListenerState) => void;
}

export interface Listener extends AsyncDisposable {
  readonly state: ListenerState;
  /** Notifications of changes received since the start. */
  readonly notifications: number;
}

/**
 * Listens until it is disposed. Never throws and never rejects: while the database is unavailable it retries, first after half a
 * second, then every two heartbeats but at most 5 s apart.
 */
export function openListener(options: ListenerOptions): Listener {
  const { heartbeatMs = 1_000, onWake, onState } = options;
  const closing = new AbortController();
  let state: ListenerState = { heard: false, since: new Date(), reason: 'not connected yet' };
  let told: boolean | null = null;
  let notifications = 0;

  function become(heard: boolean, reason?: string): void {
    const since = heard === state.heard ? state.since : new Date();
    state = { heard, since, ...(reason === undefined ? {} : { reason }) };
    if (told === heard || closing.signal.aborted) return;
    told = heard;
    onState(state);
  }

  async function listen(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      const reason = await listenOnce({
        ...options,
        heartbeatMs,
        connectMs: Math.min(5_000, 2 * heartbeatMs * (attempt + 1)),
        closing: closing.signal,
        onChange: () => {
          notifications += 1;
          onWake();
        },
        onHeard: () => {
          attempt = 0;
          become(true);
        },
      }).catch(messageOf);
      become(false, reason);
      if (closing.signal.aborted) return;
      onWake();
      const ms = restMs(attempt, heartbeatMs, Math.random());
      await pause(ms, undefined, { signal: closing.signal }).catch(() => undefined); // interrupted by closing
    }
  }

  const listening = listen();
  return {
    get state() {
      return state;
    },
    get notifications() {
      return notifications;
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await listening;
    },
  };
}

/**
 * Milliseconds until the next attempt: below one second at first, at most two heartbeats and never more than 5 s. The jitter
 * (`random`, 0 to 1) keeps daemons from reconnecting simultaneously.
 */
export function restMs(attempt: number, heartbeatMs: number, random: number): number {
  const most = Math.min(2 * heartbeatMs, 5_000) * (0.75 + random / 4);
  return Math.min(backOffMs(attempt, random), most);
}

interface Life extends ListenerOptions {
  readonly heartbeatMs: number;
  readonly connectMs: number;
  readonly closing: AbortSignal;
  readonly onChange: () => void;
  readonly onHeard: () => void;
}

/** One connection: connects, listens, sends heartbeats. Resolves with the reason of its end, after closing everything. */
async function listenOnce(life: Life): Promise<string> {
  const over = Promise.withResolvers<string>();
  const ended = new AbortController();
  const end = (reason: string) => {
    ended.abort();
    over.resolve(reason);
  };
  const close = () => end('closed');
  await using opened = new AsyncDisposableStack();
  opened.defer(() => life.closing.removeEventListener('abort', close));
  life.closing.addEventListener('abort', close);
  const { receiver, sender } = openSessions(life, opened, end);
  const begun = begin(receiver, sender, life, ended.signal, end);
  begun.catch((error: unknown) => end(messageOf(databaseFailure(error, 'listen'))));
  return await over.promise;
}

async function begin(
  receiver: ListenConnection,
  sender: pg.Client,
  life: Life,
  ended: AbortSignal,
  end: (reason: string) => void,
): Promise<void> {
  const token = randomUUID();
  let silentFor = 0;
  receiver.events.on('notification', ({ channel, payload }) => {
    if (ended.aborted) return;
    if (channel === changes) life.onChange();
    else if (payload === token) {
      silentFor = 0;
      life.onHeard();
    }
  });
  await Promise.all([receiver.connect(), sender.connect()]);
  await receiver.listenTo(changes);
  await receiver.listenTo(heartbeats);
  if (ended.aborted) return;
  life.onWake();
  let asking = false;
  const beat = async () => {
    if (asking) return;
    asking = true;
    await sender.query('SELECT pg_notify($1, $2)', [heartbeats, token]);
    asking = false;
  };
  // Silence is counted in ticks instead of time, so that a process that was frozen first reads pending notifications.
  const ticking = setInterval(() => {
    silentFor += 1;
    if (silentFor >= 4) end('no notification arrives, not even our own');
    else beat().catch((error: unknown) => end(messageOf(error)));
  }, life.heartbeatMs / 2);
  ended.addEventListener('abort', () => clearInterval(ticking));
  await beat();
}

type ListenConnection = ReturnType<typeof pgListen.default>;

/** The two sessions of one connection. We own their sockets, so that both are closed when `opened` is disposed. */
function openSessions(life: Life, opened: AsyncDisposableStack, end: (reason: string) => void) {
  const settings = (role: string) => ({
    ...connectionSettings(life.config, `${life.name} ${role}`),
    // Neither is on by default in pg. Both cases occur in practice: a server that accepts and does not answer, and a
    // half-open connection.
    connectionTimeoutMillis: life.connectMs,
    query_timeout: 2 * life.heartbeatMs,
  });
  const socket = opened.adopt(new Socket(), (own) => void own.destroy());
  const receiver = pgListen.default(
    { ...settings('listener'), stream: onlyOnce(socket) },
    {
      // It must not reconnect, because that loop cannot be stopped. Its limit is off by one, so 1 means never; if that is
      // fixed one day, its single attempt finds no second socket.
      retryLimit: 1,
      // Its check has no time limit and does not detect a lost LISTEN; ours does.
      paranoidChecking: false,
      // The default is JSON.parse, but any program may use the channel.
      parse: (payload) => payload,
    },
  );
  // pg-listen also emits 'error' after its end, and an unhandled 'error' would end the process
  receiver.events.on('error', (error) => end(error.message));
  socket.once('connect', () =>
    // it sends nothing, so only other connections can detect that it is dead
    watchOf(life.config).add({
      socket: socket,
      pid: null,
      isWaiting: () => false,
      destroy: (error) => void socket.destroy(error),
    }),
  );
  const sender = new DirectClient(life.config, settings('heartbeat'));
  opened.defer(() => void sender.socket.destroy());
  sender.on('error', (error) => end(error.message));
  sender.on('end', () => end('the connection ended'));
  opened.defer(async () => {
    if (!life.closing.aborted) return;
    const goodbyes = Promise.allSettled([receiver.close(), sender.end()]);
    await Promise.race([goodbyes, pause(goodbyeMs, undefined, { ref: false })]);
  });
  return { receiver, sender };
}

const goodbyeMs = 250;

function onlyOnce(socket: Socket): () => Socket {
  let given = false;
  return () => {
    if (given) throw new Error('one connection, one life');
    given = true;
    return socket;
  };
}
