/**
 * Pairs resources of the booking system with Outlook rooms by name. Pure. Names are compared word by word, ignoring accents
 * and small spelling differences ("Floyen"); a rare word ("Fløyen") weighs more than a common one ("Møterom"). Numbers must be
 * equal, so "Hall 1" is never paired with "Hall 2".
 */
export interface Named {
  readonly name: string;
  /** Its words add to the score if they match, and are otherwise ignored. */
  readonly building: string | null;
}

export interface Proposal {
  /** Indexes in the two lists. */
  readonly resource: number;
  readonly room: number;
  /** 0 to 1. */
  readonly score: number;
  /** The score is high enough, and far enough above the next best, to store the pair without a review. */
  readonly sure: boolean;
}

type Same = (a: string, b: string) => number;

const least = 0.5;
const sureScore = 0.75;
const sureLead = 0.15;

/** The proposals, best first; each resource and each room occurs at most once. */
export function pairUp(resources: readonly Named[], rooms: readonly Named[]): Proposal[] {
  const left = resources.map(wordsOf);
  const right = rooms.map(wordsOf);
  const weigh = weights([...left, ...right]);
  const same = cached(wordSimilarity);
  const scored = left.flatMap((a, resource) =>
    right
      .map((b, room) => ({ resource, room, score: similarity(a, b, weigh, same) }))
      .filter(({ score }) => score >= least),
  );
  scored.sort((a, b) => b.score - a.score || a.resource - b.resource || a.room - b.room);
  const ofResource = Map.groupBy(scored, ({ resource }) => resource);
  const ofRoom = Map.groupBy(scored, ({ room }) => room);
  const [takenLeft, takenRight] = [new Set<number>(), new Set<number>()];
  const chosen: Proposal[] = [];
  for (const pair of scored) {
    if (takenLeft.has(pair.resource) || takenRight.has(pair.room)) continue;
    takenLeft.add(pair.resource);
    takenRight.add(pair.room);
    const rivals = [...ofResource.get(pair.resource)!, ...ofRoom.get(pair.room)!].filter((o) => o !== pair);
    const next = Math.max(0, ...rivals.map(({ score }) => score));
    chosen.push({ ...pair, sure: pair.score >= sureScore && pair.score - next >= sureLead });
  }
  return chosen;
}

interface Words {
  readonly own: readonly string[];
  readonly place: readonly string[];
}

const wordsOf = ({ name, building }: Named): Words => {
  const own = split(name);
  return { own, place: split(building ?? '').filter((word) => !own.includes(word)) };
};

/** Lower-case words without accents; Nordic and German letters as their usual ASCII transcription. */
export function split(text: string): string[] {
  const plain = text
    .toLowerCase()
    .replaceAll('æ', 'ae')
    .replaceAll('ø', 'o')
    .replaceAll('œ', 'oe')
    .replaceAll('ß', 'ss')
    .replaceAll('ð', 'd')
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/(\p{L})(?=\p{N})|(\p{N})(?=\p{L})/gu, '$1$2 ');
  return [...new Set(plain.match(/[\p{L}]+|\p{N}+/gu) ?? [])].map((word) => word.replace(/^0+(?=\d)/, ''));
}

type Weigh = (word: string) => number;

/** The weight of each word: the rarer, the higher (inverse document frequency). */
function weights(all: readonly Words[]): Weigh {
  const counts = new Map<string, number>();
  for (const { own, place } of all)
    for (const word of [...own, ...place]) counts.set(word, (counts.get(word) ?? 0) + 1);
  // a matching pair contains each of its words twice
  return (word) => Math.log(1 + (2 * all.length) / Math.max(2, counts.get(word) ?? 2)) ** 2;
}

const isNumber = (word: string) => /^\d+$/.test(word);

/** The share of the common words in all words, by weight, from 0 to 1. Words of buildings count only if both have them. */
function similarity(a: Words, b: Words, weigh: Weigh, same: Same): number {
  const [numbers, others] = [a.own.filter(isNumber), b.own.filter(isNumber)];
  if (numbers.some((n) => !others.includes(n)) || others.some((n) => !numbers.includes(n))) return 0;
  let [common, all] = [0, 0];
  const count = (from: Words, to: Words) => {
    const there = [...to.own, ...to.place];
    for (const word of from.own) {
      const best = Math.max(0, ...there.map((other) => same(word, other)));
      common += weigh(word) * best;
      all += weigh(word);
    }
  };
  count(a, b);
  count(b, a);
  const places = a.place.filter((word) => b.place.includes(word));
  for (const word of places) {
    common += weigh(word);
    all += weigh(word);
  }
  const otherBuilding = places.length === 0 && a.place.length > 0 && b.place.length > 0 ? 0.8 : 1;
  return all === 0 ? 0 : (common / all) * otherBuilding;
}

/** Caches `compare`, because room names consist of few different words. */
function cached(compare: Same): Same {
  const known = new Map<string, Map<string, number>>();
  return (a, b) => {
    let row = known.get(a);
    if (row === undefined) known.set(a, (row = new Map()));
    let score = row.get(b);
    if (score === undefined) row.set(b, (score = compare(a, b)));
    return score;
  };
}

/** 1 for equal words, the share of common letter pairs (Sørensen-Dice) for words that differ little, else 0. */
function wordSimilarity(a: string, b: string): number {
  if (a === b) return 1;
  if (isNumber(a) || isNumber(b) || a.length < 3 || b.length < 3) return 0;
  const pairs = (word: string) => Array.from({ length: word.length - 1 }, (_, at) => word.slice(at, at + 2));
  const rest = pairs(b);
  let common = 0;
  for (const pair of pairs(a)) {
    const at = rest.indexOf(pair);
    if (at < 0) continue;
    rest.splice(at, 1);
    common += 1;
  }
  const share = (2 * common) / (a.length + b.length - 2);
  return share >= 0.7 ? share : 0;
}
