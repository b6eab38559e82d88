/** What the commands print with: lines and tables for people, JSON for scripts, a bar where somebody watches. */
import { stripVTControlCharacters, styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Colours on a terminal only, and never with NO_COLOR. */
export const paint = (format: Format, text: string): string =>
  styleText(format, text, { stream: process.stdout });

export const say = (text = ''): void => void process.stdout.write(`${text}\n`);

export const sayJson = (value: unknown): void => say(JSON.stringify(value, null, 2));

/** Columns as wide as they must be, two spaces apart, under their names. Nulls are dashes. */
export function table(
  names: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const cells = rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))));
  const width = (text: string) => stripVTControlCharacters(text).length;
  const widths = names.map((name, at) => Math.max(width(name), ...cells.map((row) => width(row[at] ?? ''))));
  const lineOf = (row: readonly string[]) =>
    row
      .map((cell, at) => cell + ' '.repeat(at === row.length - 1 ? 0 : widths[at]! - width(cell)))
      .join('  ')
      .trimEnd();
  return [paint('bold', lineOf(names)), ...cells.map(lineOf)].join('\n');
}

export interface Bar extends Disposable {
  /** Redraws it; `text` says what is at hand. */
  at(done: number, total: number, text?: string): void;
}

const barWidth = 24;

/** A progress bar on the terminal's error stream; nothing at all where nobody watches. Gone when disposed of. */
export function openBar(what: string): Bar {
  const { stderr } = process;
  if (!stderr.isTTY) return { at: () => undefined, [Symbol.dispose]: () => undefined };
  return {
    at(done, total, text = '') {
      const full = total === 0 ? barWidth : Math.round((barWidth * Math.min(done, total)) / total);
      const bar = '█'.repeat(full) + '░'.repeat(barWidth - full);
      const line = `${what} ${bar} ${done}/${total} ${text}`;
      stderr.write(`\r\u001b[K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    [Symbol.dispose]: () => void stderr.write('\r\u001b[K'),
  };
}
