/**
 * Ids of the booking system are bigints of any size, and a JavaScript number holds whole numbers up to 2^53 only. Here an id has
 * one form: the number where it is a safe integer, else its decimal text. So `===`, the keys of a Map and JSON tell two ids apart,
 * and PostgreSQL gets back what it gave.
 */

/** An id in its one form. The type keeps other texts out: it comes from `toId`, PostgreSQL or JSON. */
export type Id = number | `${bigint}`;

const largest = 2n ** 63n - 1n;

/** The id that a decimal text names: the text of a bigint of PostgreSQL. */
export function toId(text: string): Id {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : (BigInt(text).toString() as Id);
}

/** The id that a person, a script or an extended property names by digits; null: it is none. */
export function readId(text: string): Id | null {
  return /^\d{1,19}$/.test(text) && BigInt(text) <= largest ? toId(text) : null;
}

/** Only such a text can hold a number that a double rounds. */
const long = /\d{16}/;
const whole = /^-?\d+$/;

/** What a JSON text says, with each whole number in the form of an id. Throws SyntaxError. */
export function parseJson(text: string): unknown {
  return long.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_name: string, value: unknown, { source }: { source?: string } = {}): unknown {
  const isRounded = typeof value === 'number' && !Number.isSafeInteger(value) && whole.test(source ?? '');
  return isRounded ? BigInt(source!).toString() : value;
}

/** The same JSON text for a reader that rounds: whole numbers that are no safe integers stand in quotes. Throws SyntaxError. */
export function unrounded(json: string): string {
  return long.test(json) ? JSON.stringify(parseJson(json)) : json;
}
