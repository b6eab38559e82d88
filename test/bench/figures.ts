/** Numbers of several rounds, and how they are printed: always a ratio, its median and its extremes. */

/** One line of the table. */
export interface Figure {
  readonly what: string;
  /** Of the rounds. */
  readonly values: readonly number[];
  /** What it should be: '≤ 1.5'. */
  readonly target: string;
  readonly unit?: string;
  /** What the ratio is made of, or under which conditions. */
  readonly note?: string;
}

/** The value below which that part of all values lies. Throws for none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.floor(part * sorted.length));
  if (at < 0) throw new Error('nothing was measured');
  return sorted[at]!;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

const round = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** `1.42 (1.31–1.60)`. */
export function printed({ values, unit = '' }: Figure): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const spread = values.length > 1 ? ` (${round(low)}–${round(high)})` : '';
  return `${round(median(values))}${spread}${unit === '' ? '' : ` ${unit}`}`;
}

/** Whether the median meets the target: 'met', 'missed', or nothing where there is none. */
export function verdict({ values, target }: Figure): string {
  const [, sign = '', bound = ''] = /^([≤≥<>]?) ?([\d.]+)$/.exec(target) ?? [];
  if (bound === '') return '';
  const [is, limit] = [median(values), Number(bound)];
  const meets = { '≤': is <= limit, '≥': is >= limit, '<': is < limit, '>': is > limit, '': is === limit };
  return meets[sign as keyof typeof meets] ? 'met' : 'MISSED';
}
