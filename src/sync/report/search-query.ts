/** The query of a search: a reservation, an event, a date, and words. Pure. */
import { Invalid } from '../../errors.ts';
import { readId, type Id } from '../../id.ts';
import { isUuid, keyId } from '../../keys.ts';
import { readDate, type Days } from './search-dates.ts';
import { fold, folded } from './search-words.ts';

export interface Understood {
  /** Folded; each must match. */
  readonly words: readonly string[];
  /** Whole days in the booking system's zone; null: any. */
  readonly days: Days | null;
  /** `HH:MM` on that clock; null: any. */
  readonly time: string | null;
  /** `type` null: of any type. */
  readonly reservation: { readonly type: string | null; readonly id: Id } | null;
  /** A possible id of an event or a meeting in Outlook. */
  readonly outlookId: string | null;
}

const mostWords = 12;
const anyId = /^#?(\d{1,19})$/;

/**
 * `today`: YYYY-MM-DD in the booking system's zone; `types`: its types of reservations; `hasKeys`: whether they have keys. Throws
 * Invalid for a query without content, and for a date that does not exist.
 */
export function understand(
  query: string,
  today: string,
  types: readonly string[],
  hasKeys = false,
): Understood {
  const typed = query.trim();
  const tokens = typed.split(/[\s,;]+/).filter((token) => /[\p{L}\p{N}]/u.test(token));
  if (tokens.length === 0)
    throw new Invalid(
      'q',
      'q: there is nothing to search for',
      'Enter a title, a person, a room, a date or an id.',
    );
  const nothing: Understood = { words: [], days: null, time: null, reservation: null, outlookId: null };
  const reservation = reservationIn(tokens, types) ?? (hasKeys ? keyIn(typed, types) : null);
  if (reservation !== null) return { ...nothing, reservation };
  const outlookId = tokens.length === 1 ? outlookIdIn(tokens[0]!) : null;
  if (outlookId !== null && outlookId.length >= 40) return { ...nothing, outlookId };
  const number = tokens.length === 1 ? readId(anyId.exec(tokens[0]!)?.[1] ?? '') : null;
  const rest: string[] = [];
  let days: Understood['days'] = null;
  let time: Understood['time'] = null;
  for (let at = 0; at < tokens.length;) {
    const date: ReturnType<typeof readDate> =
      days === null && number === null ? readDate(tokens, at, today) : null;
    const clock: ReturnType<typeof readTime> = date === null && time === null ? readTime(tokens, at) : null;
    if (date !== null) days = date.days;
    else if (clock !== null) time = clock.time;
    else rest.push(tokens[at]!);
    at += (date ?? clock)?.length ?? 1;
  }
  const words = rest.flatMap((token) => folded(token).words);
  // prepositions count only without other words
  const telling = words.filter((word) => !fillers.has(word));
  return {
    words: (telling.length > 0 || days !== null ? telling : words).slice(0, mostWords),
    days,
    time,
    reservation: number === null ? null : { type: null, id: number },
    outlookId,
  };
}

const fillers = new Set(
  'on at in the of for with by and a an pa i kl den det av med og til hos fra from'.split(' '),
);

/** `event/123`, `event 123`, `event #123`; the type must be one of the booking system's. */
function reservationIn(tokens: readonly string[], types: readonly string[]): Understood['reservation'] {
  const [, first, digits] = /^(\p{L}[\w-]*)[/ ]#?(\d{1,19})$/u.exec(tokens.join(' ')) ?? [];
  if (first === undefined || digits === undefined) return null;
  const id = readId(digits);
  if (id === null) return null;
  const type = types.find((known) => fold(known) === fold(first));
  if (type !== undefined) return { type, id };
  return tokens.length === 1 && types.length === 0 ? { type: first, id } : null;
}

/** `booking/KEY`, or a uuid alone if there is only one type; a uuid in capitals is the same uuid. */
function keyIn(typed: string, types: readonly string[]): Understood['reservation'] {
  const [, type, key] = /^(\w+)\/(\S{1,200})$/.exec(typed) ?? [];
  if (type !== undefined && key !== undefined && types.includes(type))
    return { type, id: keyId(type, isUuid(key) ? key.toLowerCase() : key) };
  const [only] = types;
  if (types.length !== 1 || only === undefined || !isUuid(typed)) return null;
  return { type: only, id: keyId(only, typed.toLowerCase()) };
}

const shortestOutlookId = 3;

/** An id as Graph gives it, or the address of an event in Outlook on the web, which carries it. */
function outlookIdIn(token: string): string | null {
  const [, inside] = /(?:[?&]itemid=|\/item\/|\/events\/)([^&/?#]+)/i.exec(token) ?? [];
  const id = decoded(inside ?? token);
  // an encoded address may contain a NUL, which PostgreSQL refuses
  if (/^https?:|\0/i.test(id) || id.length < shortestOutlookId || /^\d+$/.test(id)) return null;
  return id;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `18:30`, `kl 18`, `at 18.30`. */
function readTime(tokens: readonly string[], from: number): { time: string; length: number } | null {
  const asked = /^(at|kl\.?)$/i.test(tokens[from]!);
  const token = tokens[asked ? from + 1 : from] ?? '';
  const [, hour, minute = '00'] =
    (asked ? /^(\d{1,2})(?:[:.](\d{2}))?$/ : /^(\d{1,2}):(\d{2})$/).exec(token) ?? [];
  if (hour === undefined || Number(hour) > 23 || Number(minute) > 59) return null;
  return { time: `${hour.padStart(2, '0')}:${minute}`, length: asked ? 2 : 1 };
}
