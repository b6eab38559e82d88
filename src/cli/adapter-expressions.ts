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

/** A column of the booking (alias b) or of its header (alias h). */
export const read = ({ header }: Guess, column: Column) =>
  of(
    header !== null && column.table === header.key.table && column.schema === header.key.schema ? 'h' : 'b',
    column,
  );

/** The expression for an instant, from its column. `zone`: expression of the booking system's time zone. */
export function instant(guess: Guess, which: 'starts' | 'ends', zone: string): string {
  const { clock, starts, ends, lasts, day, lastDay, utc } = guess;
  if (which === 'ends' && lasts !== null) {
    const duration = of('b', ends);
    const interval = lasts === 'interval' ? duration : `${duration} * interval '1 ${lasts.slice(0, -1)}'`;
    return `${instant({ ...guess, lasts: null }, 'starts', zone)} + ${interval}`;
  }
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
    case 'time': {
      const date = of('b', (which === 'ends' ? lastDay : null) ?? day!);
      // an end before the start is on the next day
      const next =
        which === 'ends' && lastDay === null
          ? ` + CASE WHEN ${column} < ${of('b', starts)} THEN interval '1 day' ELSE interval '0' END`
          : '';
      return `(${date} + ${column}${next}) AT TIME ZONE ${own}`;
    }
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
    case 'time':
      return `(${value} AT TIME ZONE ${utc === null ? 'zone' : "'UTC'"})::time`;
    case 'instant':
    case 'range':
      return value;
  }
}

/** Whether the functions need the zone of the booking system. */
export const needsZone = ({ clock, utc }: Guess) =>
  clock === 'date' || (/wall clock|time/.test(clock) && utc === null);

/** Whether a booking cannot last longer than a day, because only its start has a date. */
export const isWithinDay = ({ clock, lastDay }: Guess) => clock === 'time' && lastDay === null;

/** The assignments of both times, as pairs of column and expression. */
export function times(guess: Guess): readonly (readonly [string, string])[] {
  const [from, to] = [stored(guess, 'starts'), stored(guess, 'ends')];
  if (guess.clock === 'range') return [[name(guess.starts.column), `tstzrange(${from}, ${to})`]];
  if (guess.clock === 'wall clock range') return [[name(guess.starts.column), `tsrange(${from}, ${to})`]];
  const { lasts, day, lastDay } = guess;
  if (lasts !== null) {
    const seconds = 'extract(epoch FROM ends - starts)';
    const per = { hours: ' / 3600', minutes: ' / 60', seconds: '', interval: '' }[lasts];
    return [
      [name(guess.starts.column), from],
      [
        name(guess.ends.column),
        lasts === 'interval' ? 'ends - starts' : `(${seconds}${per})::${guess.ends.type}`,
      ],
    ];
  }
  const dateOf = (value: string) => from.replace('starts', value).replace(/time$/, 'date');
  return [
    ...(day === null ? [] : [[name(day.column), dateOf('starts')] as const]),
    ...(lastDay === null ? [] : [[name(lastDay.column), dateOf('ends')] as const]),
    [name(guess.starts.column), from],
    [name(guess.ends.column), guess.clock === 'date' ? `${to} - 1` : to],
  ];
}

/** A value of the state column, and its name where a table of states has one. */
export interface StateValue {
  readonly value: string;
  readonly word: string;
}

const gone =
  /cancel|delet|reject|declin|denied|refus|void|avlys|avslått|storn|inactive|no.?show|expired|withdraw|revok|remov|annul/i;
const confirmed = /confirm|approv|accept|active|book|reserv|creat|valid|bekreft|godkjent|best[äa]tigt/i;
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
export function states(guess: Guess, values: readonly StateValue[]): States {
  const { state } = guess;
  if (state === null) return { active: 'true', state: null, cancel: null, fresh: null };
  const [column, own] = [read(guess, state), name(state.column)];
  const negative = gone.test(state.column);
  if (guess.states !== null) return statesInWords(column, own, values);
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

function statesInWords(column: string, own: string, values: readonly StateValue[]): States {
  const cancelled = values.filter(({ word }) => gone.test(word));
  const awaiting = values.filter(({ word }) => !gone.test(word) && waiting.test(word));
  const others = values.filter((value) => !cancelled.includes(value) && !awaiting.includes(value));
  const fresh = others.find(({ word }) => confirmed.test(word)) ?? others[0] ?? null;
  const list = (of: readonly StateValue[]) =>
    of
      .map(({ value }) => literal(value))
      .toSorted()
      .join(', ');
  const not = [...cancelled, ...awaiting];
  return {
    active: not.length === 0 ? 'true' : `coalesce(${column}::text, '') NOT IN (${list(not)})`,
    state:
      awaiting.length === 0
        ? null
        : `CASE ${cancelled.length === 0 ? '' : `WHEN ${column}::text IN (${list(cancelled)}) THEN 'cancelled' `}WHEN ${column}::text IN (${list(awaiting)}) THEN 'awaiting' ELSE 'active' END`,
    alive: cancelled.length === 0 ? 'true' : `coalesce(${column}::text, '') NOT IN (${list(cancelled)})`,
    cancel:
      cancelled.length === 0
        ? null
        : `${own} = ${literal((cancelled.find(({ word }) => /cancel/i.test(word)) ?? cancelled[0]!).value)}`,
    fresh: fresh === null ? null : literal(fresh.value),
  };
}

export const isNumber = (column: Column) => /^(smallint|integer|bigint)$/.test(column.type);
