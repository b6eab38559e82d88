/** Calls that are made one or a few at a time, together, or once for a while. */

/** Returns a function that runs work after the work that it was given before. */
export function oneAtATime() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined); // the caller gets the error
    return done;
  };
}

/** Returns a function that runs at most so many works at a time; the others wait for their turn. */
export function atMost(most: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running < most) running += 1;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

interface CombinedOptions {
  /** Maximum number of arguments of one call. */
  readonly most?: number;
  /** The pause between two calls. */
  readonly rest?: () => Promise<void>;
}

interface Waiting<T, R> {
  readonly argument: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The same call for one argument, for statements whose beginning costs more than their work: those that arrive while a call is under
 * way are the arguments of the next one. `call` returns the results in the order of its arguments; its error is the error of each.
 */
export function combined<T, R>(
  call: (together: readonly T[]) => Promise<readonly R[]>,
  { most = Number.POSITIVE_INFINITY, rest }: CombinedOptions = {},
): (argument: T) => Promise<R> {
  const waiting: Waiting<T, R>[] = [];
  let isUnderWay = false;

  async function callUntilNoneWaits(): Promise<void> {
    isUnderWay = true;
    while (waiting.length > 0) {
      const together = waiting.splice(0, most);
      try {
        const results = await call(together.map(({ argument }) => argument));
        for (const [at, { resolve }] of together.entries()) resolve(results[at]!);
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
      if (rest !== undefined) await rest();
    }
    isUnderWay = false;
  }

  return (argument) =>
    new Promise((resolve, reject) => {
      waiting.push({ argument, resolve, reject });
      if (!isUnderWay) void callUntilNoneWaits();
    });
}

/** The same read, whose result is kept for `ms`. Concurrent calls share one read, and a failure is not kept. */
export function cachedFor<T>(ms: number, read: () => Promise<T>): () => Promise<T> {
  let kept: { readonly result: Promise<T>; readonly until: number } | null = null;
  return () => {
    if (kept !== null && performance.now() < kept.until) return kept.result;
    const result = read();
    kept = { result, until: performance.now() + ms };
    result.catch(() => (kept = null));
    return result;
  };
}
