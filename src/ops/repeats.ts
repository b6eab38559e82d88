/** Reports that repeat within a minute are suppressed. */

/** Maximum number of different reports; of more, the oldest is forgotten and reported again. */
const knownMost = 1_000;
const repeatMs = 60_000;

/** `now`: milliseconds on a monotonic clock. */
export function createRepeats(now: () => number) {
  const reportedAt = new Map<string, number>();
  return {
    /** Whether this was reported within the last minute; if not, it counts as reported now. */
    isRepeated(key: string): boolean {
      const before = reportedAt.get(key);
      if (before !== undefined && now() - before < repeatMs) return true;
      reportedAt.delete(key); // moves to the end of the order
      if (reportedAt.size >= knownMost) reportedAt.delete(reportedAt.keys().next().value!);
      reportedAt.set(key, now());
      return false;
    },
    forget: (key: string): void => void reportedAt.delete(key),
  };
}

/** Bugs of one kind: the same error at the same place; their messages may differ. */
export function bugKind({ where, error }: { readonly where: string; readonly error: Error }): string {
  const code = 'code' in error ? String(error.code) : '';
  return `bug ${where} ${error.name} ${code}`;
}
