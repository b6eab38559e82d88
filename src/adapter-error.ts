/**
 * Messages for errors of the adapter's functions: PostgreSQL's message, the function and its line, and the SQLSTATE. Such an
 * error, also one raised by a trigger of the booking system, concerns only the reservation that was written.
 */
import pg from 'pg';
import { messageOf } from './errors.ts';

/** The adapter's functions (sql/README.md) in the message or context of an error. */
const seam = /\bbridge_(import|change|cancel|reenable)_item\b/;
/** undefined_function: the missing function is in the message, and the context is that of its caller. */
const undefinedFunction = '42883';

/** The message of an error from one of the adapter's functions, which may be transient; null for other errors. */
export function adapterError(error: unknown): string | null {
  if (!(error instanceof pg.DatabaseError)) return null;
  const { message, code, where = '' } = error;
  if (!seam.test(where) && !(code === undefinedFunction && seam.test(message))) return null;
  return failureInWords(error);
}

/**
 * Whether SQL of the booking system failed: a function of the adapter, a trigger, or an expression of the view with the data of a row,
 * whose error names no place. Our own functions and tables begin with `bridge_`.
 */
export function isOfBookingSystem(error: unknown): boolean {
  if (adapterError(error) !== null) return true;
  if (!(error instanceof pg.DatabaseError)) return false;
  const { code = '', where = '' } = error;
  if (/^2[12]/.test(code)) return true;
  const [place] = placeOf(where);
  return /^(42|P0|38|39|2F)/.test(code) && place !== undefined && !/^(bridge_|inline_code_block)/.test(place);
}

/** PostgreSQL's message with the function and line, if the error came from one, and the SQLSTATE. */
export function failureInWords(error: unknown): string {
  if (!(error instanceof pg.DatabaseError)) return messageOf(error);
  const { message, code, where = '' } = error;
  return `${message.replace(/\.$/, '')} (${[...placeOf(where), `SQLSTATE ${code ?? 'unknown'}`].join(', ')})`;
}

/**
 * The innermost function and its line, for example ['bridge_import_item, line 12']; empty if there is none. `where`: the context
 * of an error, which has a line for each function, innermost first, in the server's language: `PL/pgSQL function
 * bridge_import_item(jsonb) line 12 at SQL statement`, `SQL function "bridge_cancel_item" statement 1`, and quoted statements.
 */
export function placeOf(where: string): readonly string[] {
  const frames = where.replace(/"[^"]*"/g, (text) => (/^"\w+"$/.test(text) ? text : ''));
  const [, name, quoted, block, line] =
    /(?:([\w.]+)\([^()]*\)|"(\w+)"|\b(inline_code_block)) \D*(\d+)/.exec(frames) ?? [];
  return line === undefined ? [] : [`${(name ?? quoted ?? block)!.replace(/^public\./, '')}, line ${line}`];
}
