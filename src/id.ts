/**
 * Ids of the booking system are bigints, but a JavaScript number is exact only up to 2^53. An id is a number if it is a safe
 * integer, else its decimal text. With this one form `===`, Map keys and JSON distinguish ids, and PostgreSQL receives the same
 * value that it sent.
 */

/** An id in this form; made by `toId`, `readId` or the parsers of PostgreSQL's values and of JSON. */
export type Id = number | `${bigint}`;

const largest = 2n ** 63n - 1n;

/** Converts the decimal text of a bigint of PostgreSQL. */
export function toId(text: string): Id {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : (BigInt(text).toString() as Id);
}

/** Parses an id from a user, a script or an extended property; null: not a bigint in digits. */
export function readId(text: string): Id | null {
  return /^\d{1,19}$/.test(text) && BigInt(text) <= largest ? toId(text) : null;
}

/**
 * Only texts with such digits at the start of a number can contain one that a double rounds: those from 2^53, which has 16 digits and
 * begins with a 9. (The epochs of leases have 16 digits as well.) The iCalUIds of Exchange have long runs of zeros, and a parse with a
 * reviver takes five times as long.
 */
const long = /(?:^|[\s[:,-])(?:9\d{15}|\d{17})/;
const whole = /^-?\d+$/;

/** Parses JSON with each whole number in the form of an id. Throws SyntaxError. */
export function parseJson(text: string): unknown {
  return long.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_name: string, value: unknown, { source }: { source?: string } = {}): unknown {
  const isRounded = typeof value === 'number' && !Number.isSafeInteger(value) && whole.test(source ?? '');
  return isRounded ? BigInt(source!).toString() : value;
}

/** The same JSON with unsafe integers as strings, for readers that would round them. Throws SyntaxError. */
export function unrounded(json: string): string {
  return long.test(json) ? JSON.stringify(parseJson(json)) : json;
}
