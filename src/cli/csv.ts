/** Lists of rooms as CSV: what Excel, Exchange's Export-Csv and `mappings match --csv` write. */
import { readFileSync, statSync } from 'node:fs';
import Papa from 'papaparse';
import { Invalid, messageOf } from '../errors.ts';

/** One line: its number in the file, and its cells by column. */
export interface Row {
  readonly line: number;
  cell(column: string): string;
}

const mostBytes = 5_000_000;

/**
 * The rows of a file. `columns`: what each is called, the first being its usual name; the first column is one that must
 * be there, as must all in `needed`. Commas, semicolons and tabs are told apart. Throws Invalid.
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
    for (const [column, cell] of Object.entries(cells)) refuseNoText(file, index + 2, column, cell);
  return data.map((cells, index) => ({
    line: index + 2,
    cell: (column) => cells[found.get(column) ?? ''] ?? '',
  }));
}

/** A byte that is no letter of the encoding reads as a control character, or as the sign for what could not be read. */
function refuseNoText(file: string, line: number, column: string, cell: unknown): void {
  if (typeof cell !== 'string' || !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffd]/.test(cell)) return;
  throw new Invalid(
    'file',
    `${file}, line ${line}, column ${column}: '${cell.slice(0, 60)}' holds characters that are no text.`,
    'Save the file as CSV in UTF-8 (Excel: "CSV UTF-8"), and look at that line.',
  );
}

export const writeCsv = (columns: readonly string[], rows: readonly (readonly (string | number)[])[]) =>
  Papa.unparse({ fields: [...columns], data: rows.map((row) => [...row]) }, { escapeFormulae: true });

/** UTF-8; else what Excel writes: UTF-16 with its mark, or Windows-1252, in which every byte is a letter. */
function decoded(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // the only way it says that the bytes are no UTF-8
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function textOf(file: string): string {
  try {
    if (statSync(file).size > mostBytes)
      throw new Error(`it is larger than ${mostBytes / 1_000_000} MB, which no list of rooms is`);
    return decoded(readFileSync(file));
  } catch (error) {
    throw new Invalid('file', `${file} cannot be read: ${messageOf(error)}`, 'Name a CSV file in UTF-8.');
  }
}
