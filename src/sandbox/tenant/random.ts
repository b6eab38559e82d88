/** Seeded randomness: the same seed gives the same ids, shuffles and dice. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [0, limit). */
  below(limit: number): number;
  guid(): string;
  /** That many characters of the base64url alphabet. */
  letters(count: number): string;
  /** A copy in random order. */
  shuffled<T>(items: readonly T[]): T[];
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const HEX = '0123456789abcdef';

/** mulberry32: small, fast, and good enough for dice. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  const pick = (alphabet: string, count: number) => {
    let text = '';
    for (let index = 0; index < count; index++) text += alphabet[below(alphabet.length)];
    return text;
  };
  return {
    next,
    below,
    letters: (count) => pick(BASE64URL, count),
    guid: () =>
      `${pick(HEX, 8)}-${pick(HEX, 4)}-4${pick(HEX, 3)}-${'89ab'[below(4)]}${pick(HEX, 3)}-${pick(HEX, 12)}`,
    shuffled(items) {
      const copy = [...items];
      for (let index = copy.length - 1; index > 0; index--) {
        const other = below(index + 1);
        [copy[index], copy[other]] = [copy[other]!, copy[index]!];
      }
      return copy;
    },
  };
}
