/**
 * The statements of an adapter's files, and the error report for its author: file, line and first line of the statement (inside
 * a function, the function and its line), the SQLSTATE, and the remedy.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { placeOf } from '../adapter-error.ts';
import { databaseFailure } from '../database.ts';
import { NotInstalled, Permanent, Retryable, messageOf } from '../errors.ts';

/** One statement of a file with its preceding comments, and the line of its start. */
interface Located {
  readonly statement: string;
  readonly line: number;
}

export interface AdapterStatement extends Located {
  /** The folder of the adapter. */
  readonly folder: string;
  readonly file: string;
}

/** The statements of one file. */
export const readStatements = (folder: string, file: string): AdapterStatement[] =>
  locateStatements(readFileSync(join(folder, file), 'utf8')).map((one) => ({ ...one, folder, file }));

/** A file with a single statement. */
export const readWhole = (folder: string, file: string): AdapterStatement => ({
  statement: readFileSync(join(folder, file), 'utf8'),
  line: 1,
  folder,
  file,
});

/** Sets psql's lock_timeout. The bridge's sessions have their own setting, which no file changes. */
export const isOfSession = ({ statement }: Located): boolean =>
  /^(SET|RESET)\s+lock_timeout\b/i.test(statement.slice(beginOf(statement)));

export interface Told {
  readonly message: string;
  readonly hint: string;
}

const hints: Readonly<Record<string, string>> = {
  '42501':
    'Our role lacks a right, or an object belongs to another role: run migrate as its owner, or let a DBA hand it over (ALTER ... OWNER TO).',
  '42809': 'The installed object has another shape: run 90_uninstall.sql of the adapter, then migrate again.',
  '42P16': 'The installed object has another shape: run 90_uninstall.sql of the adapter, then migrate again.',
};

const indexHint =
  "Only the owner of a table may create an index on it. For one column: SELECT public.bridge_index('schema.table', 'column'); for an expression: sql/indico/15_indexes.sql. Both print the statement for the owner.";

/** The error of a statement in words; null if it does not come from PostgreSQL. */
export function tellFailure(error: unknown, one: AdapterStatement): Told | null {
  if (!(error instanceof pg.DatabaseError)) return null;
  const { code = 'unknown', hint } = error;
  const place = placeOf(error.where ?? '').filter((name) => !name.startsWith(inline));
  return {
    message: `${one.file}:${lineOf(error, one)}: ${messageOf(error)} (${[...place, `SQLSTATE ${code}`].join(', ')}), in: ${firstLineOf(one.statement)}`,
    hint:
      code === '42P13'
        ? `${hint ?? 'Drop the function that stands in its place.'} Then run migrate again.`
        : code === '42501' &&
            /^CREATE\s+(UNIQUE\s+)?INDEX\b/i.test(one.statement.slice(beginOf(one.statement)))
          ? indexHint
          : (hint ?? hints[code] ?? `Mend the statement in ${join(one.folder, one.file)}.`),
  };
}

/** The error to throw: Permanent with its place, unless a retry may help. */
export function adapterFailure(error: unknown, one: AdapterStatement): Error {
  const behind = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const plain = error instanceof Retryable ? error : databaseFailure(behind, `${one.file}:${one.line}`);
  const told = tellFailure(behind, one);
  if (told === null || (plain instanceof Retryable && !(plain instanceof NotInstalled))) return plain;
  return new Permanent(told.message, { hint: told.hint, cause: behind });
}

/** `file:line` of a line inside a function of the adapter, by PostgreSQL's line count; null: the adapter has no such function. */
export function lineInFiles(
  statements: readonly AdapterStatement[],
  functionName: string,
  line: number,
): string | null {
  const makes = new RegExp(
    String.raw`\bCREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\s+(?:public\s*\.\s*)?"?${functionName}"?\s*\(`,
    'i',
  );
  const found = statements.findLast(({ statement }) => makes.test(statement));
  const body = found === undefined ? null : bodyOf(found.statement);
  return found === undefined || body === null
    ? null
    : `${found.file}:${found.line + linesBefore(found.statement, body) + line - 1}`;
}

const inline = 'inline_code_block';

/** PostgreSQL reports the character, or the line inside a DO block; otherwise the start of the statement is used. */
function lineOf(error: pg.DatabaseError, { statement, line }: Located): number {
  const { position, where = '' } = error;
  if (position !== undefined) {
    // code points, some of which are two UTF-16 units in JavaScript
    const before = [...statement].slice(0, Number(position) - 1).join('');
    return line + linesBefore(before, before.length);
  }
  const [, inBlock] = new RegExp(String.raw`\b${inline}\b\D*(\d+)`).exec(where) ?? [];
  const body = bodyOf(statement);
  if (inBlock !== undefined && body !== null)
    return line + linesBefore(statement, body) + Number(inBlock) - 1;
  return line + linesBefore(statement, beginOf(statement));
}

const linesBefore = (text: string, at: number) => text.slice(0, at).split('\n').length - 1;

/** The start of the dollar-quoted body; null: there is none. */
function bodyOf(statement: string): number | null {
  const match = /\$(\w*)\$/.exec(statement.replace(/--[^\n]*/g, (comment) => ' '.repeat(comment.length)));
  return match === null ? null : match.index + match[0].length;
}

/** The position after the comments before a statement. */
const beginOf = (statement: string): number =>
  /^(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)*/.exec(statement)![0].length;

const longestLine = 120;

const firstLineOf = (statement: string): string =>
  statement.slice(beginOf(statement)).split('\n')[0]!.trim().slice(0, longestLine);

export const summaryOf = (statement: string) =>
  statement
    .replace(/^\s*--.*$/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 80);

/**
 * The statements of a SQL file, without their semicolons. Knows quotes, dollar quotes and comments; knows neither
 * psql's backslash commands nor BEGIN ATOMIC nor escape strings with a backslash before a quote.
 */
function locateStatements(text: string): Located[] {
  const token = /'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\/|;/g;
  const ends = [...text.matchAll(token)].flatMap((match) => (match[0] === ';' ? [match.index] : []));
  return [...ends, text.length]
    .map((end, at) => {
      const from = at === 0 ? 0 : ends[at - 1]! + 1;
      const whole = text.slice(from, end);
      const begins = from + whole.length - whole.trimStart().length;
      return { statement: whole.trim(), line: text.slice(0, begins).split('\n').length };
    })
    .filter(({ statement }) => statement.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, '').trim() !== '');
}

export const splitStatements = (text: string): string[] =>
  locateStatements(text).map(({ statement }) => statement);
