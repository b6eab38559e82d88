/** Keeps a daemon running: migrates the tables, builds the daemon and runs it; after a failure, reports it and begins again. */
import { backOffMs } from '../back-off.ts';
import type { Config } from '../config.ts';
import { databaseFailure } from '../database.ts';
import { Invalid, Permanent, Retryable, isExpected } from '../errors.ts';
import type { Tell } from '../facts.ts';
import type { Logger } from '../log.ts';
import type { Job } from '../ops/schedule.ts';
import { sleep } from '../sleep.ts';
import { createDaemon, type Daemon } from './core.ts';

/** The interval of attempts after a failure that only a person can repair. */
const repairMs = 15_000;

export interface KeepRunningOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly tell: Tell;
  /** Migrates the tables; returns how booking writes wake us. Throws Permanent without the right to. */
  readonly prepare: (signal: AbortSignal) => Promise<Config['wake']>;
  /** Further scheduled jobs. */
  readonly jobs: () => readonly Job[];
  /** Called for each daemon before it runs. */
  readonly onBuilt: (signal: AbortSignal) => void;
}

export function keepRunning({ config, log, tell, prepare, jobs, onBuilt }: KeepRunningOptions) {
  let daemon: Daemon | null = null;
  let refused: Permanent | null = null;

  /** Without the right to migrate, the daemon works with the installed tables; /ready reports what is missing. */
  async function prepared(signal: AbortSignal): Promise<Config['wake']> {
    try {
      const wake = await prepare(signal);
      refused = null;
      return wake;
    } catch (error) {
      if (!(error instanceof Permanent)) throw error;
      // attempts follow within seconds while the bridge is not installed, and the hint is long
      if (refused?.message !== error.message || refused.hint !== error.hint)
        log.error({ error: error.message, hint: error.hint }, 'migrate could not be run');
      refused = error;
      return config.wake;
    }
  }

  /** Runs until `signal` aborts. Throws only Invalid: the settings differ from those of the database. */
  async function run(signal: AbortSignal): Promise<void> {
    let downSince: number | null = null;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const wake = await prepared(signal);
        await using started = await createDaemon({ ...config, wake }, tell, jobs());
        if (downSince !== null)
          tell({ fact: 'outage-over', side: 'booking', ms: performance.now() - downSince });
        downSince = null;
        daemon = started;
        onBuilt(signal);
        await started.run(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Invalid) throw error;
        const failure = databaseFailure(error, 'start');
        if (!isExpected(failure)) tell({ fact: 'bug', error: failure, where: 'the start' });
        else if (downSince === null)
          tell({
            fact: 'outage',
            side: 'booking',
            error: failure.message,
            hint: failure.hint ?? null,
            refused: failure instanceof Permanent,
          });
        downSince ??= performance.now();
        const restMs = failure instanceof Retryable ? backOffMs(attempt, Math.random()) : repairMs;
        await sleep(restMs, signal);
      } finally {
        daemon = null;
      }
    }
  }

  return {
    run,
    /** The running daemon; null: there is none. */
    daemon: () => daemon,
    /** The reason why the tables could not be migrated; null: they were. */
    refused: () => refused,
  };
}
