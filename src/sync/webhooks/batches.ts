import { databaseFailure } from '../../database.ts';
import { Retryable } from '../../errors.ts';

export interface BatchOptions<Batch> {
  readonly newBatch: () => Batch;
  readonly run: (batch: Batch) => Promise<void>;
  /** The purpose of a run, for its errors. */
  readonly what: string;
  /** The time limit of a run. */
  readonly waitMs: number;
  /** The pause between two runs. */
  readonly rest?: () => Promise<void>;
}

/**
 * Runs one batch at a time: what is added during a run shares the next one. Returns the function that adds to a batch and resolves
 * when that was run. It throws Retryable after `waitMs`, and errors of the database as ours.
 */
export function createBatches<Batch>({
  newBatch,
  run,
  what,
  waitMs,
  rest = () => Promise.resolve(),
}: BatchOptions<Batch>): (add: (batch: Batch) => void) => Promise<void> {
  let next: { readonly batch: Batch; readonly done: Promise<void> } | null = null;
  let last: Promise<void> = Promise.resolve();

  function open() {
    const batch = newBatch();
    const done = last.then(() => {
      next = null;
      return within(waitMs, run(batch), what);
    });
    last = done.then(rest, rest); // an error is thrown to the waiting callers
    return { batch, done };
  }

  return (add) => {
    const { batch, done } = (next ??= open());
    add(batch);
    return done;
  };
}

async function within(ms: number, work: Promise<void>, what: string): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Retryable(`${what}: the database does not answer`, { reach: 'side' })),
    ms,
  );
  work.catch(() => undefined); // a later failure has no listener
  try {
    await Promise.race([work, late.promise]);
  } catch (error) {
    throw databaseFailure(error, what);
  } finally {
    clearTimeout(timer);
  }
}
