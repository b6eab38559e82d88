/**
 * Runs `run` with one batch at a time: what is added during a run shares the next one, which begins after `rest`. Returns the
 * function that adds to a batch and resolves when that was run.
 */
export function createBatches<Batch>(
  newBatch: () => Batch,
  run: (batch: Batch) => Promise<void>,
  rest: () => Promise<void> = () => Promise.resolve(),
): (add: (batch: Batch) => void) => Promise<void> {
  let next: { readonly batch: Batch; readonly done: Promise<void> } | null = null;
  let last: Promise<void> = Promise.resolve();

  function open() {
    const batch = newBatch();
    const done = last.then(() => {
      next = null;
      return run(batch);
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
