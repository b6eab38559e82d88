/**
 * Output of the commands: lines, tables and progress bars for people, JSON for scripts. Titles and names come from any user who
 * can book a room, so control characters in them are replaced by visible signs.
 */
import { randomUUID } from 'node:crypto';
import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Placeholder for the escape character of our own colours until printing; external text cannot contain it. */
const ours = `\ufdd0${randomUUID()}`;

/** Colours a text, on a terminal and without NO_COLOR only. The result must be printed by `say`. */
export const paint = (format: Format, text: string): string =>
  styleText(format, visible(text), { stream: process.stdout }).replaceAll('\u001b', ours);

// control characters of ASCII and Latin-1, and those that change the direction of the surrounding text
const controls =
  /[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\r(?!\n)/g;

/** Replaces control characters except line ends by visible signs, for example ␛ for the escape character. */
const visible = (text: string): string =>
  text.replace(controls, (one) =>
    one <= '\u001f' ? String.fromCodePoint(0x2400 + one.codePointAt(0)!) : '\ufffd',
  );

/** An external text on one line. */
export const oneLine = (text: string): string => visible(text.replace(/\s*[\r\n\u2028\u2029]\s*/g, ' ⏎ '));

const printed = (text: string): string => visible(text).replaceAll(ours, '\u001b');

export const say = (text = ''): void => void process.stdout.write(`${printed(text)}\n`);

/** A number with its noun. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Prints a line to the error stream, without colours. */
export const sayError = (text: string): void => void process.stderr.write(`${visible(text)}\n`);

/** Prints indented JSON. Control characters beyond those that JSON escapes are escaped too, for terminals. */
export const sayJson = (value: unknown): void =>
  void process.stdout.write(
    `${JSON.stringify(value, null, 2).replace(controls, (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`)}\n`,
  );

const colours = new RegExp(`${ours}\\[[0-9;]*m`, 'g');

/** A table with the column names in the first line; columns are two spaces apart, nulls are printed as dashes. */
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
  /** Redraws it; `text`: the current item. */
  at(done: number, total: number, text?: string): void;
}

const barWidth = 24;

/** A progress bar on the error stream, or no output if that is not a terminal. Erased when disposed. */
export function openBar(label: string): Bar {
  const { stderr } = process;
  if (!stderr.isTTY) return { at: () => undefined, [Symbol.dispose]: () => undefined };
  return {
    at(done, total, text = '') {
      const full = total === 0 ? barWidth : Math.round((barWidth * Math.min(done, total)) / total);
      const bar = '█'.repeat(full) + '░'.repeat(barWidth - full);
      const line = `${label} ${bar} ${done}/${total} ${oneLine(text)}`;
      stderr.write(`\r\u001b[K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    [Symbol.dispose]: () => void stderr.write('\r\u001b[K'),
  };
}
