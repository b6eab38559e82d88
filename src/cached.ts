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
