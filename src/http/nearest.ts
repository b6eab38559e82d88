/** The most similar of some words, for suggestions after typing errors. Null if none is similar. */
export function nearest(wanted: string, words: readonly string[]): string | null {
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const word of words) {
    const distance = editDistance(wanted.slice(0, 200), word);
    // a third of different letters is too much
    if (distance * 3 >= Math.max(wanted.length, word.length)) continue;
    if (best === null || distance < best.distance) best = { word, distance };
  }
  return best?.word ?? null;
}

/** Levenshtein distance: the number of letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row += 1) {
    const now = [row];
    for (let at = 1; at <= b.length; at += 1)
      now.push(
        Math.min(before[at]! + 1, now[at - 1]! + 1, before[at - 1]! + (a[row - 1] === b[at - 1] ? 0 : 1)),
      );
    before = now;
  }
  return before[b.length]!;
}
