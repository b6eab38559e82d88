/** Lists of rooms as CSV, as written by Excel, Exchange's Export-Csv and `mappings match --csv`. */
import { readFileSync, statSync } from 'node:fs';
import Papa from 'papaparse';
import { Invalid, messageOf } from '../errors.ts';

/** One data row: its line number in the file, and its cells by column. */
export interface Row {
  readonly line: number;
  cell(column: string): string;
}

const mostBytes = 5_000_000;

/**
 * The rows of a file. `columns`: each column with its alternative names. Commas, semicolons and tabs are detected as
 * delimiters. Throws Invalid if the file cannot be read or lacks a column of `needed`.
 */
export function readCsv(
  file: string,
  columns: Readonly<Record<string, readonly string[]>>,
  needed: readonly string[],
): Row[] {
  const { data, meta } = Papa.parse<Record<string, string>>(textOf(file), {
    header: true,
    skipEmptyLines: 'greedy',
    delimitersToGuess: [',', ';', '\t'],
    transformHeader: (name) => name.trim().toLowerCase(),
    transform: (cell) => cell.trim(),
  });
  const fields = meta.fields ?? [];
  const found = new Map(
    Object.entries(columns).map(([column, names]) => [
      column,
      [column, ...names].map((name) => name.toLowerCase()).find((name) => fields.includes(name)) ?? null,
    ]),
  );
  const missing = needed.filter((column) => found.get(column) === null);
  if (missing.length > 0)
    throw new Invalid(
      'file',
      `${file} has no column ${missing.join(' and no ')}; it has ${fields.filter(Boolean).join(', ') || 'none'}.`,
      `The first line names the columns: ${Object.keys(columns).join(',')}`,
    );
  for (const [index, cells] of data.entries())
    for (const [column, cell] of Object.entries(cells)) refuseControls(file, index + 2, column, cell);
  return data.map((cells, index) => ({
    line: index + 2,
    cell: (column) => cells[found.get(column) ?? ''] ?? '',
  }));
}

/** Throws Invalid for control characters and U+FFFD, which result from decoding with the wrong encoding. */
function refuseControls(file: string, line: number, column: string, cell: unknown): void {
  if (typeof cell !== 'string' || !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffd]/.test(cell)) return;
  throw new Invalid(
    'file',
    `${file}, line ${line}, column ${column}: '${cell.slice(0, 60)}' contains characters that are not text.`,
    'Save the file as CSV in UTF-8 (Excel: "CSV UTF-8"), and check that line.',
  );
}

export const writeCsv = (columns: readonly string[], rows: readonly (readonly (string | number)[])[]) =>
  Papa.unparse({ fields: [...columns], data: rows.map((row) => [...row]) }, { escapeFormulae: true });

/** Decodes UTF-16 with a byte order mark, UTF-8, or otherwise Windows-1252, as written by Excel. */
function decoded(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // TextDecoder reports bytes that are not UTF-8 only by throwing
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function textOf(file: string): string {
  try {
    if (statSync(file).size > mostBytes) throw new Error(`it is larger than ${mostBytes / 1_000_000} MB`);
    return decoded(readFileSync(file));
  } catch (error) {
    throw new Invalid(
      'file',
      `${file} cannot be read: ${messageOf(error)}`,
      'Give the path of a CSV file in UTF-8.',
    );
  }
}
