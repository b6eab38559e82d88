/** What was said less than a minute ago need not be said again. */

/** Of different things at once; of more the one said longest ago is forgotten, and said again. */
const knownMost = 1_000;
const repeatMs = 60_000;

/** `now`: milliseconds on a monotonic clock. */
export function createRepeats(now: () => number) {
  const saidAt = new Map<string, number>();
  return {
    /** Whether this was said within the last minute; if not, it counts as said now. */
    isRepeated(key: string): boolean {
      const before = saidAt.get(key);
      if (before !== undefined && now() - before < repeatMs) return true;
      saidAt.delete(key); // last said, last in order
      if (saidAt.size >= knownMost) saidAt.delete(saidAt.keys().next().value!);
      saidAt.set(key, now());
      return false;
    },
    forget: (key: string): void => void saidAt.delete(key),
  };
}

/** Bugs of one kind: the same failure at the same place, whatever its message quotes. */
export function bugKind({ where, error }: { readonly where: string; readonly error: Error }): string {
  const code = 'code' in error ? String(error.code) : '';
  return `bug ${where} ${error.name} ${code}`;
}
