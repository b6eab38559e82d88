/**
 * Keeps a daemon at work: the tables are brought up to date, the daemon is built and runs, and what keeps it from that is
 * told and tried again.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { backOffMs } from '../back-off.ts';
import type { Config } from '../config.ts';
import { databaseFailure } from '../database.ts';
import { Invalid, Permanent, Retryable } from '../errors.ts';
import type { Tell } from '../facts.ts';
import type { Logger } from '../log.ts';
import type { Job } from '../ops/schedule.ts';
import { createDaemon, type Daemon } from './core.ts';

/** What only a person can mend is looked at again this often. */
const mendedByHandMs = 15_000;

export interface KeeperOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly tell: Tell;
  /** Brings the tables up to date before the work begins; returns how booking writes wake us. Permanent: it may not. */
  readonly prepare: (signal: AbortSignal) => Promise<Config['wake']>;
  /** What runs by the clock beside the daemon's own chores. */
  readonly jobs: () => readonly Job[];
  /** Told of each daemon before it begins. */
  readonly onBuilt: (signal: AbortSignal) => void;
}

export function keepRunning({ config, log, tell, prepare, jobs, onBuilt }: KeeperOptions) {
  let daemon: Daemon | null = null;
  let refused: Permanent | null = null;

  /** Without the right to install anything we work with what is there; /ready says what is missing. */
  async function prepared(signal: AbortSignal): Promise<Config['wake']> {
    try {
      const wake = await prepare(signal);
      refused = null;
      return wake;
    } catch (error) {
      if (!(error instanceof Permanent)) throw error;
      refused = error;
      log.error({ error: error.message, hint: error.hint }, 'migrate could not be run');
      return config.wake;
    }
  }

  /** Works until `signal` aborts. Rejects, as Invalid, only for settings that the database was not set up with. */
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
        if (!(failure instanceof Retryable || failure instanceof Permanent))
          tell({ fact: 'bug', error: failure, where: 'the start' });
        else if (downSince === null)
          tell({
            fact: 'outage',
            side: 'booking',
            error: failure.message,
            hint: failure.hint ?? null,
            refused: failure instanceof Permanent,
          });
        downSince ??= performance.now();
        const restMs = failure instanceof Retryable ? backOffMs(attempt, Math.random()) : mendedByHandMs;
        await pause(restMs, undefined, { signal }).catch(() => undefined); // stopping cuts the wait short
      } finally {
        daemon = null;
      }
    }
  }

  return {
    run,
    /** The daemon that works now; null: there is none. */
    daemon: () => daemon,
    /** Why the tables could not be brought up to date; null: they are. */
    refused: () => refused,
  };
}
