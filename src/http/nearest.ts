/** Of some words the one that is most like another: what somebody meant who mistyped it. Null where none is like it. */
export function nearest(wanted: string, words: readonly string[]): string | null {
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const word of words) {
    const distance = editDistance(wanted.slice(0, 200), word);
    // a word of which a third is something else was not meant
    if (distance * 3 >= Math.max(wanted.length, word.length)) continue;
    if (best === null || distance < best.distance) best = { word, distance };
  }
  return best?.word ?? null;
}

/** How many letters must be inserted, left out or replaced to make one of the other (Levenshtein). */
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
