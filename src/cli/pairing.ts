/**
 * Which room of Outlook is which resource of the booking system, by name: pure. Names are compared word by word, a word
 * that few rooms share ("Fløyen") counting more than one that many do ("Møterom"), spelling aside ("Floyen"). A number
 * must be the same, or "Hall 1" would be "Hall 2".
 */
export interface Named {
  readonly name: string;
  /** Words that may help and need not be matched. */
  readonly building: string | null;
}

export interface Proposal {
  /** Positions in the two lists. */
  readonly resource: number;
  readonly room: number;
  /** 0 to 1. */
  readonly score: number;
  /** So good, and so much better than the next best, that a program may write it down. */
  readonly sure: boolean;
}

type Same = (a: string, b: string) => number;

const least = 0.5;
const surely = 0.75;
const ahead = 0.15;

/** At most one room for each resource and the other way round, the best first. */
export function pairUp(resources: readonly Named[], rooms: readonly Named[]): Proposal[] {
  const left = resources.map(wordsOf);
  const right = rooms.map(wordsOf);
  const weigh = weights([...left, ...right]);
  const same = remembered(sameness);
  const scored = left.flatMap((a, resource) =>
    right
      .map((b, room) => ({ resource, room, score: likeness(a, b, weigh, same) }))
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
    chosen.push({ ...pair, sure: pair.score >= surely && pair.score - next >= ahead });
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

/** Lower-case words without accents; the letters of the north as they are typed elsewhere. */
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

/** A word in all names says next to nothing, one in a single name much (inverse document frequency). */
function weights(all: readonly Words[]): Weigh {
  const counts = new Map<string, number>();
  for (const { own, place } of all)
    for (const word of [...own, ...place]) counts.set(word, (counts.get(word) ?? 0) + 1);
  // a pair has each of its words twice
  return (word) => Math.log(1 + (2 * all.length) / Math.max(2, counts.get(word) ?? 2)) ** 2;
}

const isNumber = (word: string) => /^\d+$/.test(word);

/** Weight of the words that both have, of all the words they have; what is a building's counts only when it is met. */
function likeness(a: Words, b: Words, weigh: Weigh, same: Same): number {
  const [numbers, others] = [a.own.filter(isNumber), b.own.filter(isNumber)];
  if (numbers.some((n) => !others.includes(n)) || others.some((n) => !numbers.includes(n))) return 0;
  let [met, all] = [0, 0];
  const count = (from: Words, to: Words) => {
    const there = [...to.own, ...to.place];
    for (const word of from.own) {
      const best = Math.max(0, ...there.map((other) => same(word, other)));
      met += weigh(word) * best;
      all += weigh(word);
    }
  };
  count(a, b);
  count(b, a);
  const places = a.place.filter((word) => b.place.includes(word));
  for (const word of places) {
    met += weigh(word);
    all += weigh(word);
  }
  const apart = places.length === 0 && a.place.length > 0 && b.place.length > 0 ? 0.8 : 1;
  return all === 0 ? 0 : (met / all) * apart;
}

/** A town has few words for its rooms: each two are compared once. */
function remembered(compare: Same): Same {
  const known = new Map<string, Map<string, number>>();
  return (a, b) => {
    let row = known.get(a);
    if (row === undefined) known.set(a, (row = new Map()));
    let score = row.get(b);
    if (score === undefined) row.set(b, (score = compare(a, b)));
    return score;
  };
}

/** 1 for the same word, the share of common letter pairs for one that is nearly the same (Sørensen-Dice), else 0. */
function sameness(a: string, b: string): number {
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
