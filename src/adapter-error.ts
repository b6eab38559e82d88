/**
 * What one of the adapter's functions failed with, for who repairs it: PostgreSQL's words, the function and its line, and
 * the SQLSTATE. An adapter is SQL of its own making, and below it work the booking system's triggers: what they raise
 * concerns the one reservation that was written.
 */
import pg from 'pg';
import { messageOf } from './errors.ts';

/** The functions of the seam (sql/README.md), as a message or the context of an error quotes them. */
const seam = /\bbridge_(import|change|cancel|reenable)_item\b/;
/** The function itself is not there: it is named in the message, and the context is that of who called it. */
const undefinedFunction = '42883';

/** The failure in words; null when it is none of the adapter's functions'. Says nothing of whether it is transient. */
export function adapterError(error: unknown): string | null {
  if (!(error instanceof pg.DatabaseError)) return null;
  const { message, code, where = '' } = error;
  if (!seam.test(where) && !(code === undefinedFunction && seam.test(message))) return null;
  return failureInWords(error);
}

/** What PostgreSQL says, with the function in which it happened and its line, if it was in one, and the SQLSTATE. */
export function failureInWords(error: unknown): string {
  if (!(error instanceof pg.DatabaseError)) return messageOf(error);
  const { message, code, where = '' } = error;
  return `${message} (${[...placeOf(where), `SQLSTATE ${code ?? 'unknown'}`].join(', ')})`;
}

/**
 * Innermost first, the context has a line for each function: `PL/pgSQL function bridge_import_item(jsonb) line 12 at SQL
 * statement`, `SQL function "bridge_cancel_item" statement 1`, with the text of a statement in quotes between them. The
 * words are those of the server's language.
 */
export function placeOf(where: string): readonly string[] {
  const frames = where.replace(/"[^"]*"/g, (text) => (/^"\w+"$/.test(text) ? text : ''));
  const [, name, quoted, block, line] =
    /(?:([\w.]+)\([^()]*\)|"(\w+)"|\b(inline_code_block)) \D*(\d+)/.exec(frames) ?? [];
  return line === undefined ? [] : [`${(name ?? quoted ?? block)!.replace(/^public\./, '')}, line ${line}`];
}
