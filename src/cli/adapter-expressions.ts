/** SQL expressions for a guessed schema: names, times, states. */
import type { Column, Guess } from './adapter-guess.ts';

export const zone = `(SELECT value FROM public.bridge_settings WHERE name = 'timezone')`;

/** Reserved words of PostgreSQL that booking systems use as column names. */
const reserved =
  /^(from|to|end|user|order|group|when|desc|check|default|table|column|all|for|in|is|on|or|and|as|not|null)$/;

export const name = (text: string) =>
  /^[a-z_][a-z0-9_]*$/.test(text) && !reserved.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
export const tableName = (table: string) => table.split('.').map(name).join('.');
export const of = (alias: string, { column }: Column) => `${alias}.${name(column)}`;

/** The expression for an instant, from its column. `zone`: expression of the booking system's time zone. */
export function instant({ clock, starts, ends, utc }: Guess, which: 'starts' | 'ends', zone: string): string {
  const column = of('b', which === 'starts' ? starts : ends);
  const bound = `${which === 'starts' ? 'lower' : 'upper'}(${column})`;
  const own = utc === null ? zone : "'UTC'";
  switch (clock) {
    case 'instant':
      return column;
    case 'wall clock':
      return `${column} AT TIME ZONE ${own}`;
    case 'seconds':
      return `to_timestamp(${column})`;
    case 'date':
      return `(${column}${which === 'ends' ? ' + 1' : ''})::timestamp AT TIME ZONE ${zone}`;
    case 'range':
      return bound;
    case 'wall clock range':
      return `${bound} AT TIME ZONE ${own}`;
  }
}

/** The column value for an instant in the variable `value`; the time zone is in the variable `zone`. */
function stored({ clock, starts, utc }: Guess, value: string): string {
  switch (clock) {
    case 'seconds':
      return `extract(epoch FROM ${value})::${starts.type}`;
    case 'wall clock':
    case 'wall clock range':
      return `${value} AT TIME ZONE ${utc === null ? 'zone' : "'UTC'"}`;
    case 'date':
      return `(${value} AT TIME ZONE zone)::date`;
    case 'instant':
    case 'range':
      return value;
  }
}

/** Whether the functions need the zone of the booking system. */
export const needsZone = ({ clock, utc }: Guess) =>
  clock === 'date' || (/wall clock/.test(clock) && utc === null);

/** The assignments of both times, as pairs of column and expression. */
export function times(guess: Guess): readonly (readonly [string, string])[] {
  const [from, to] = [stored(guess, 'starts'), stored(guess, 'ends')];
  if (guess.clock === 'range') return [[name(guess.starts.column), `tstzrange(${from}, ${to})`]];
  if (guess.clock === 'wall clock range') return [[name(guess.starts.column), `tsrange(${from}, ${to})`]];
  return [
    [name(guess.starts.column), from],
    [name(guess.ends.column), guess.clock === 'date' ? `${to} - 1` : to],
  ];
}

const gone = /cancel|delet|reject|declin|denied|refus|void|avlys|avslått|storn|inactive/i;
const waiting =
  /pend|wait|request|requires|review|handling|tentativ|unconfirm|draft|hold|proposed|forespurt|foreløpig/i;
/** A flag for approval, without which a booking is awaiting. */
const approval = /approv|confirm|accept/i;

interface States {
  /** Condition on `b`: the booking is active. */
  readonly active: string;
  /** Condition on `b`: the booking is active or awaiting. Missing: the same as `active`. */
  readonly alive?: string;
  /** The column `state` of the view; null: `active` is sufficient. */
  readonly state: string | null;
  /** The assignment that cancels; null: the row is deleted. */
  readonly cancel: string | null;
  /** The value that an INSERT writes into the column; null: none. */
  readonly fresh: string | null;
}

/** The expressions for the state of a booking. */
export function states({ state }: Guess, values: readonly string[]): States {
  if (state === null) return { active: 'true', state: null, cancel: null, fresh: null };
  const [column, own] = [of('b', state), name(state.column)];
  const negative = gone.test(state.column);
  if (state.type === 'boolean' && approval.test(state.column)) {
    const active = state.isNotNull ? column : `coalesce(${column}, true)`;
    return {
      active,
      state: `CASE WHEN ${active} THEN 'active' ELSE 'awaiting' END`,
      cancel: null,
      fresh: 'true',
    };
  }
  if (state.type === 'boolean')
    return {
      active: state.isNotNull
        ? `${negative ? 'NOT ' : ''}${column}`
        : `coalesce(${negative ? 'NOT ' : ''}${column}, true)`,
      state: null,
      cancel: `${own} = ${String(negative)}`,
      fresh: String(!negative),
    };
  if (/^timestamp|^date/.test(state.type))
    return { active: `${column} IS NULL`, state: null, cancel: `${own} = now()`, fresh: null };
  // a moment as seconds, or a number that only some rows have
  if (isNumber(state) && negative && !state.isNotNull)
    return {
      active: `coalesce(${column}, 0) = 0`,
      state: null,
      cancel: `${own} = ${state.type === 'bigint' ? 'extract(epoch FROM now())' : '1'}`,
      fresh: null,
    };
  if (isNumber(state))
    return negative
      ? { active: `${column} = 0`, state: null, cancel: `${own} = 1`, fresh: '0' }
      : { active: `${column} = 1`, state: null, cancel: `${own} = 0`, fresh: '1' };
  return statesInWords(column, own, values);
}

function statesInWords(column: string, own: string, values: readonly string[]): States {
  const cancelled = values.filter((value) => gone.test(value));
  const awaiting = values.filter((value) => !gone.test(value) && waiting.test(value));
  const fresh = values.find((value) => !gone.test(value) && !waiting.test(value)) ?? null;
  const list = (words: readonly string[]) => words.map(literal).join(', ');
  const not = [...cancelled, ...awaiting];
  return {
    active: not.length === 0 ? 'true' : `coalesce(${column}::text, '') NOT IN (${list(not)})`,
    state:
      awaiting.length === 0
        ? null
        : `CASE ${cancelled.length === 0 ? '' : `WHEN ${column}::text IN (${list(cancelled)}) THEN 'cancelled' `}WHEN ${column}::text IN (${list(awaiting)}) THEN 'awaiting' ELSE 'active' END`,
    alive: cancelled.length === 0 ? 'true' : `coalesce(${column}::text, '') NOT IN (${list(cancelled)})`,
    cancel: cancelled.length === 0 ? null : `${own} = ${literal(cancelled[0]!)}`,
    fresh: fresh === null ? null : literal(fresh),
  };
}

export const isNumber = (column: Column) => /^(smallint|integer|bigint)$/.test(column.type);
