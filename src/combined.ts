/** Combines calls, for statements whose beginning costs more than their work. */

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
 * The same call for one argument: those that arrive while a call is under way are the arguments of the next one. `call` returns the
 * results in the order of its arguments; its error is the error of each.
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
