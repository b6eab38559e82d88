/** The daemon of the demo as its operator has it: a process that is started again, on its port, whenever it ends. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { clockShim } from '../environment.ts';
import type { Environment } from '../settings.ts';
import { Permanent } from '../errors.ts';
import type { Fact } from '../facts.ts';
import type { DaemonSays } from './daemon-process.ts';

export interface RunningDaemon extends AsyncDisposable {
  /** Of the HTTP surface. */
  readonly url: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** Calls `watcher` for every fact, of every process, until the returned function is called. */
  watch(watcher: (fact: Fact) => void): () => void;
  /** Ends the process by SIGKILL. Resolves when its successor listens to the booking system; rejects when there is none. */
  kill(): Promise<void>;
  /** Aborts, with the reason, when it ended so often that it is not started again. */
  readonly lost: AbortSignal;
}

export interface DaemonOptions {
  readonly env: Environment;
  readonly port: number;
}

/** So many ends within so many ms are no accident any more. */
const mostEnds = 5;
const endsWithinMs = 30_000;

const program = fileURLToPath(new URL('./daemon-process.ts', import.meta.url));
const compiled = fileURLToPath(new URL('../../node_modules/.cache/outlook-booking-sync', import.meta.url));

/** Starts it; resolves when it listens to the booking system. Null: the port is another program's. */
export async function startDaemon({ env, port }: DaemonOptions): Promise<RunningDaemon | null> {
  const watchers = new Set<(fact: Fact) => void>();
  const lost = new AbortController();
  const ends: number[] = [];
  const started: ((one: One) => void)[] = [];
  let closing = false;
  /** The start of a successor that is under way, or the last one. */
  let succession: Promise<void> = Promise.resolve();
  let current = await startOne();
  if (current === null) return null;
  const { url } = current;
  keep(current);
  await current.heard;

  async function startOne(): Promise<One | null> {
    const child = fork(program, {
      env: {
        ...clockShim(),
        NODE_COMPILE_CACHE: compiled,
        ...env,
        PORT: String(port),
        WEBHOOK_BASE_URL: `http://127.0.0.1:${port}`,
      },
      execArgv: [],
      serialization: 'advanced', // facts may hold errors
      stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
      detached: true, // a Ctrl-C in the terminal is for the demo, which ends it in order
    });
    const serves = Promise.withResolvers<string | null>();
    const heard = Promise.withResolvers<void>();
    heard.promise.catch(() => undefined); // it is waited for where it matters
    child.on('message', (said: DaemonSays) => {
      if ('serves' in said) return serves.resolve(said.serves);
      if ('taken' in said) return serves.resolve(null);
      if (said.told.fact === 'listening' && said.told.heard) heard.resolve();
      for (const watcher of watchers) watcher(said.told);
    });
    const ended = once(child, 'exit').then(() => {
      const error = new Permanent('The daemon ended at its start.');
      heard.reject(error);
      serves.reject(error);
    });
    const url = await serves.promise;
    if (url === null) {
      await ended;
      return null;
    }
    return { child, url, heard: heard.promise, ended };
  }

  /** Starts the next one when this one is gone. */
  function keep(one: One): void {
    void one.ended.then(() => {
      if (!closing) succession = succeed().catch((error: unknown) => lost.abort(error));
    });
  }

  async function succeed(): Promise<void> {
    const now = performance.now();
    ends.push(now);
    if (ends.filter((at) => now - at < endsWithinMs).length > mostEnds)
      throw new Permanent('The daemon ended again and again, and is not started any more.');
    const next = await startOne();
    if (next === null) throw new Permanent(`Port ${port} is another program's now.`);
    current = next;
    keep(next);
    for (const tell of started.splice(0)) tell(next);
  }

  const running = () => current as One;

  return {
    url,
    get pid() {
      return running().child.pid!;
    },
    lost: lost.signal,
    watch(watcher) {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
    async kill() {
      const next = new Promise<One>((resolve, reject) => {
        started.push(resolve);
        lost.signal.addEventListener('abort', () => reject(lost.signal.reason as Error), { once: true });
      });
      running().child.kill('SIGKILL');
      await (
        await next
      ).heard;
    },
    async [Symbol.asyncDispose]() {
      closing = true;
      await succession;
      const { child, ended } = running();
      child.stdin?.end();
      await ended;
    },
  };
}

interface One {
  readonly child: ChildProcess;
  readonly url: string;
  /** Resolves when it listens to the booking system. */
  readonly heard: Promise<void>;
  readonly ended: Promise<void>;
}
