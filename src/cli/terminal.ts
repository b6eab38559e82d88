/**
 * What the commands print with: lines and tables for people, JSON for scripts, a bar where somebody watches. Titles and
 * names come from anybody who may book a room: a control character in them is shown and never reaches the terminal.
 */
import { randomUUID } from 'node:crypto';
import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Stands for the escape character of our own colours until it is printed; no text from outside can contain it. */
const ours = `\ufdd0${randomUUID()}`;

/** Colours on a terminal only, and never with NO_COLOR. To be printed by `say`. */
export const paint = (format: Format, text: string): string =>
  styleText(format, visible(text), { stream: process.stdout }).replaceAll('\u001b', ours);

// controls of ASCII and of Latin-1, and the characters that turn the direction of what stands beside them
const controls =
  /[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\r(?!\n)/g;

/** Each control character but the ends of lines as a sign of its own: ␛ for the escape character. */
const visible = (text: string): string =>
  text.replace(controls, (one) =>
    one <= '\u001f' ? String.fromCodePoint(0x2400 + one.codePointAt(0)!) : '\ufffd',
  );

/** A text of somebody else's, on one line. */
export const oneLine = (text: string): string => visible(text.replace(/\s*[\r\n\u2028\u2029]\s*/g, ' ⏎ '));

const printed = (text: string): string => visible(text).replaceAll(ours, '\u001b');

export const say = (text = ''): void => void process.stdout.write(`${printed(text)}\n`);

/** The same on the error stream. */
export const sayError = (text: string): void => void process.stderr.write(`${visible(text)}\n`);

/** JSON escapes the controls of ASCII itself; as it is also read by people, the others are escaped too. */
export const sayJson = (value: unknown): void =>
  void process.stdout.write(
    `${JSON.stringify(value, null, 2).replace(controls, (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`)}\n`,
  );

const colours = new RegExp(`${ours}\\[[0-9;]*m`, 'g');

/** Columns as wide as they must be, two spaces apart, under their names. Nulls are dashes. */
export function table(
  names: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const cells = rows.map((row) => row.map((cell) => (cell === null ? '-' : oneLine(String(cell)))));
  const width = (text: string) => text.replaceAll(colours, '').length;
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
      const line = `${what} ${bar} ${done}/${total} ${oneLine(text)}`;
      stderr.write(`\r\u001b[K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    [Symbol.dispose]: () => void stderr.write('\r\u001b[K'),
  };
}
