/** How well typed words match a text: without case and accents, by beginnings and parts of words, and with typing errors. Pure. */

/** Letters that Unicode does not decompose, as they are typed on other keyboards. */
const plainLetters: Readonly<Record<string, string>> = {
  ø: 'o',
  æ: 'ae',
  œ: 'oe',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ß: 'ss',
  þ: 'th',
  ı: 'i',
  ŋ: 'n',
  ŧ: 't',
};

/** Lower case, without accents: `Kørprøve` and `korprove` are the same. */
export const fold = (text: string): string =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[øæœđðłßþıŋŧ]/g, (letter) => plainLetters[letter]!);

/** A text as it is searched: its folded words, and all of them written together. */
export interface Folded {
  readonly words: readonly string[];
  readonly joined: string;
}

const mostWords = 60;

export function folded(text: string): Folded {
  const words = (fold(text).match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, mostWords);
  return { words, joined: words.join('') };
}

/** How well a folded word matches a text: 1: it is one of its words, 0: it is not in it. */
export function matchWord(word: string, text: Folded): number {
  let best = 0;
  for (const candidate of text.words) {
    if (candidate === word) return 1;
    best = Math.max(best, matchOne(word, candidate));
  }
  return best;
}

function matchOne(word: string, candidate: string): number {
  if (candidate.startsWith(word)) return 0.9;
  if (/^\p{N}+$/u.test(word)) return 0;
  // two Latin letters are in almost every text; two of a script without spaces may be a word
  if (candidate.includes(word) && (word.length >= 3 || /[^\u0000-\u024f]/.test(word))) return 0.75;
  const allowed = word.length < 4 ? 0 : word.length < 7 ? 1 : 2;
  if (allowed === 0) return 0;
  const { whole, beginning } = editDistance(word, candidate.slice(0, word.length + allowed + 1), allowed);
  if (candidate.length <= word.length + allowed && whole <= allowed) return 0.65 - 0.05 * whole;
  return word.length >= 5 && beginning <= allowed ? 0.5 - 0.05 * beginning : 0;
}

/**
 * The number of letters to delete, insert, replace or swap to turn one word into the other (`whole`) or into its beginning
 * (`beginning`). Infinity if either is more than `most`.
 */
export function editDistance(
  word: string,
  other: string,
  most: number,
): { readonly whole: number; readonly beginning: number } {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= word.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const same = word[i - 1] === other[j - 1];
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && word[i - 1] === other[j - 2] && word[i - 2] === other[j - 1])
        least = Math.min(least, before[j - 2]! + 1);
      next.push(least);
    }
    if (Math.min(...next) > most)
      return { whole: Number.POSITIVE_INFINITY, beginning: Number.POSITIVE_INFINITY };
    [before, row] = [row, next];
  }
  return { whole: row.at(-1)!, beginning: Math.min(...row) };
}
