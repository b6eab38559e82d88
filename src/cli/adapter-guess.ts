/**
 * Guesses the bookings table of a schema and the meaning of its columns from names and types. Pure. The guess is a starting
 * point for a person who knows the booking system, so it includes the alternatives.
 */

export interface Column {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** As `format_type` prints it, without length. */
  readonly type: string;
  /** The number of characters that it takes at most; null: not limited. */
  readonly length: number | null;
  readonly isKey: boolean;
  /** Part of an exclusion constraint. */
  readonly isExcluded: boolean;
  /** NOT NULL, without a default. */
  readonly isNeeded: boolean;
  readonly isNotNull: boolean;
  /** The table that this foreign key refers to, as `schema.table`; null: no foreign key. */
  readonly references: string | null;
}

/** The representation of an instant in the schema. `time`: a time of day, beside a column with the date. */
type Clock = 'instant' | 'wall clock' | 'seconds' | 'date' | 'time' | 'range' | 'wall clock range';

/** The unit of a duration; `interval`: PostgreSQL's type. */
type Unit = 'interval' | 'hours' | 'minutes' | 'seconds';

export interface Guess {
  /** `schema.table`, here and below. */
  readonly table: string;
  readonly others: readonly string[];
  readonly id: Column;
  readonly clock: Clock;
  readonly starts: Column;
  /** The same as `starts` where it is a range; the duration where `lasts` is not null. */
  readonly ends: Column;
  readonly lasts: Unit | null;
  /** The date of a `time`, and the date of its end; null: there is none. */
  readonly day: Column | null;
  readonly lastDay: Column | null;
  /** In the table itself, in its header, or in a child table of either whose column `link` has the id of the booking or header. */
  readonly room: Column | null;
  readonly link: Column | null;
  /** A table that several rows refer to, for example a series: the column that refers to it, and its key; null: none. */
  readonly header: { readonly from: Column; readonly key: Column } | null;
  /** Other columns that refer to the same table of rooms. */
  readonly otherRooms: readonly string[];
  readonly title: Column | null;
  readonly description: Column | null;
  readonly email: Column | null;
  readonly organizer: Column | null;
  readonly private: Column | null;
  /** The column that marks a booking as cancelled: a flag, a state, or a timestamp. */
  readonly state: Column | null;
  /** The table of states that `state` refers to: its key, and the column with their names; null: there is none. */
  readonly states: { readonly key: Column; readonly word: Column } | null;
  /** Columns that may describe repetitions. */
  readonly repeats: readonly string[];
  /** Columns that may be times before and after the booking. */
  readonly buffers: readonly string[];
  /** Other columns with the times, which the functions do not write. */
  readonly otherTimes: readonly string[];
  /** Other candidates for `state`. */
  readonly otherStates: readonly string[];
  /** The reason to read times without a zone as UTC; null: they are read as local times. */
  readonly utc: string | null;
  /** Candidates for the time zone of a place, a team or a user. */
  readonly zones: readonly string[];
  /** The rooms: table, key, and name column if there is one; null: no table fits. */
  readonly rooms: { readonly table: string; readonly key: Column; readonly name: Column | null } | null;
  /** Required columns with the time at which a row was created or changed. */
  readonly rowTimes: readonly Column[];
  /** Other columns that an INSERT into the table of links must fill. */
  readonly linkNeeded: readonly string[];
  /** Other columns that an INSERT must fill, with the tables that they refer to. */
  readonly needed: readonly string[];
  /** Other tables that refer to a row, or that a nullable column of it refers to. */
  readonly related: readonly string[];
}

const wordsOf = (name: string) =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-zæøåäöüß0-9]+/)
    .filter(Boolean);

/** Whether a word of a column's name is one of these. */
const has = (words: string) => {
  const known = new Set(words.split(' '));
  return ({ column }: Column) => wordsOf(column).some((word) => known.has(word));
};

const isStart = has(
  'start starts begin begins from since enter arrival arrive checkin dtstart fra von beginn',
);
const isEnd = has('end ends to until till finish stop stops leave departure checkout dtend til bis ende');
/** Timestamps that describe the row, not the booking. */
const isOfRow = has(
  'created create creation updated update modified write changed deleted cancelled canceled ' +
    'sent seen read login reminder reminded notified paid approved expires expiry id',
);
/** Filled by a framework, not by the database. */
const isWritten = ({ column, type }: Column) =>
  /^timestamp/.test(type) &&
  /^(date_?)?(created|updated|modified|last_?modified|changed)(_?(at|on|date))?$/i.test(column);
const isRoom = has('room resource space location venue facility hall unit lokale raum');
const isTitle = has('title subject summary name purpose label tittel titel');
const isRoomName = has('name label title navn');
const isText = has('description body beskrivelse');
/** Often words of the staff among themselves. */
const isNote = has('notes note comment comments remark');
const isEmail = has('email mail epost');
const isPerson = has('organizer organiser owner contact creator create booker reserver requester user');
const isKeyed = has('id');
const isZone = has('tz timezone zone');
/** Durations before or after a booking. */
const isBuffer = has('buffer setup teardown preparation cleanup cleaning');
const isDuration = has('duration length minutes hours lasts varighet dauer');
const isMoment = has('when date datetime scheduled');
const isPrivate = has('private confidential public');
const isStateWord = has('status state');
const isStateMark = has(
  'status state active cancelled canceled cancel cancellation deleted rejected enabled approved confirmed',
);
/** Columns beside the state: its reason, its author. */
const isAboutState = has('reason by note comment message');
const isState = (column: Column) => isStateMark(column) && !isAboutState(column);
const bookingWords = /book|reserv|event|entr(y|ies)|appointment|meeting|alloc|rental|hire/i;
const roomWords = /room|resource|space|location|venue|facilit|hall|lokale|raum|(^|_)units?$/i;
/** Tables that sort rooms. */
const roomKinds = /(type|kind|categor(y|ie)|group|attr|class|set)(s|ribute\w*)?$/i;
const otherWords = /hist|log|audit|archiv|templ|season|holiday|setting|occurrence_rule|blackout/i;

const clockOf = ({ type }: Column): Clock | null =>
  type === 'timestamp with time zone'
    ? 'instant'
    : type === 'timestamp without time zone'
      ? 'wall clock'
      : type === 'integer' || type === 'bigint'
        ? 'seconds'
        : type === 'date'
          ? 'date'
          : type === 'tstzrange'
            ? 'range'
            : type === 'tsrange'
              ? 'wall clock range'
              : null;

const isTextual = ({ type }: Column) => /^(text|character|citext|varchar)/.test(type);

type Times = Pick<Guess, 'clock' | 'starts' | 'ends' | 'lasts' | 'day' | 'lastDay'> & {
  readonly isByName: boolean;
};

const timesIn = (clock: Clock, starts: Column, ends: Column, isByName = true): Times => ({
  clock,
  starts,
  ends,
  lasts: null,
  day: null,
  lastDay: null,
  isByName,
});

const isRange = (column: Column) => /range$/.test(clockOf(column) ?? '');

function timesOf(columns: readonly Column[]): Times | null {
  const [range] = columns.filter(isRange);
  const pair = pairOf(columns);
  // one that may be empty beside moments that may not is made of these
  if (range === undefined || (pair?.isByName === true && !range.isNotNull && pair.starts.isNotNull))
    return pair;
  return timesIn(clockOf(range)!, range, range);
}

/** Times of day with a date, or two. */
function timesOfDay(columns: readonly Column[]): Times | null {
  const ofType = (type: RegExp) => columns.filter((column) => type.test(column.type) && !isOfRow(column));
  const times = ofType(/^time /);
  const starts = times.find((column) => isStart(column) && !isEnd(column));
  const ends = times.find((column) => isEnd(column) && !isStart(column));
  const dates = ofType(/^date$/);
  const lastDay = dates.find((column) => isEnd(column) && !isStart(column)) ?? null;
  const others = dates.filter((column) => column !== lastDay);
  const day = others.find(({ isNotNull }) => isNotNull) ?? others[0];
  if (starts === undefined || ends === undefined || day === undefined) return null;
  return { ...timesIn('time', starts, ends), day, lastDay };
}

/** A start with a duration. */
function timesWithDuration(columns: readonly Column[]): Times | null {
  const ends = columns.find(
    (column) =>
      isDuration(column) && /^(interval|smallint|integer|bigint|numeric|real|double)/.test(column.type),
  );
  if (ends === undefined) return null;
  const isFree = (column: Column) =>
    /^(instant|wall clock)$/.test(clockOf(column) ?? '') && !isOfRow(column) && column.references === null;
  const starts =
    columns.find((column) => isFree(column) && isStart(column)) ??
    columns.find((column) => isFree(column) && isMoment(column));
  if (starts === undefined) return null;
  const lasts: Unit =
    ends.type === 'interval'
      ? 'interval'
      : /hour/i.test(ends.column)
        ? 'hours'
        : /sec/i.test(ends.column)
          ? 'seconds'
          : 'minutes';
  return { ...timesIn(clockOf(starts)!, starts, ends), lasts };
}

/** What a name says beside start or end; a plain time or date says nothing. */
const restOf = (column: Column) =>
  wordsOf(column.column)
    .filter((word) => !isStart({ ...column, column: word }) && !isEnd({ ...column, column: word }))
    .filter((word) => !/^(time|date|datetime|at|on|ts|dt|utc)$/.test(word))
    .join(' ');

/** Columns that differ in nothing but start and end belong together, and best if the names say nothing else. */
function likeness(starts: Column, ends: Column): number {
  const [from, to] = [restOf(starts), restOf(ends)];
  return (from === to ? 2 : 0) + (from + to === '' ? 1 : 0);
}

function pairOf(columns: readonly Column[]): Times | null {
  for (const clock of ['instant', 'wall clock', 'seconds', 'date'] as const) {
    // two dates with times of day beside them are no whole days
    const more = clock === 'date' ? (timesOfDay(columns) ?? timesWithDuration(columns)) : null;
    if (more !== null) return more;
    const ofClock = columns.filter(
      (column) => clockOf(column) === clock && column.references === null && !column.isKey,
    );
    const starts = ofClock.filter((column) => isStart(column) && !isEnd(column));
    const ends = ofClock.filter((column) => isEnd(column) && !isStart(column));
    const [best] = starts
      .flatMap((from) => ends.map((to) => [from, to] as const))
      .toSorted((a, b) => likeness(...b) - likeness(...a));
    if (best !== undefined) return timesIn(clock, best[0], best[1]);
  }
  // unknown names: exactly two required timestamps
  for (const clock of ['instant', 'wall clock'] as const) {
    const [starts, ends, more] = columns.filter(
      (column) => clockOf(column) === clock && column.isNeeded && !isOfRow(column),
    );
    if (starts !== undefined && ends !== undefined && more === undefined)
      return timesIn(clock, starts, ends, false);
  }
  return null;
}

/** The first two columns with moments, of a table that a person has chosen. */
function firstTwo(columns: readonly Column[]): Times | null {
  for (const clock of ['instant', 'wall clock'] as const) {
    const [starts, ends] = columns.filter((column) => clockOf(column) === clock && !isOfRow(column));
    if (starts !== undefined && ends !== undefined) return timesIn(clock, starts, ends, false);
  }
  return null;
}

/** A range, or a column with the name of a start or an end. */
const keepsTimes = (column: Column) =>
  clockOf(column) !== null &&
  column.references === null &&
  !column.isKey &&
  (isRange(column) || isStart(column) || isEnd(column));

const nameOf = ({ schema, table }: Column) => `${schema}.${table}`;

/** Recognises frameworks that store UTC in columns without a zone by their tables and the columns that they add to each table. */
function whyUtc(columns: readonly Column[], tables: readonly string[]): string | null {
  const names = new Set(columns.map(({ column }) => column));
  const hasTable = (name: string) => tables.some((table) => table.endsWith(`.${name}`));
  if (hasTable('ar_internal_metadata')) return 'Rails stores UTC (ar_internal_metadata)';
  if (hasTable('_prisma_migrations')) return 'Prisma stores UTC (_prisma_migrations)';
  if (names.has('create_uid') && names.has('write_date')) return 'Odoo stores UTC (write_date)';
  if (names.has('createdAt') && names.has('updatedAt'))
    return 'Prisma and similar libraries store UTC (createdAt)';
  if (names.has('inserted_at') && names.has('updated_at')) return 'Ecto stores UTC (inserted_at)';
  return null;
}

/** The table that `room` refers to: by its foreign key, or by the name of the column without `_id`. */
function roomsOf(room: Column | null, tables: ReadonlyMap<string, readonly Column[]>): Guess['rooms'] {
  if (room === null) return null;
  const stem = wordsOf(room.column)
    .filter((word) => word !== 'id')
    .join('_');
  const table =
    room.references ??
    [stem, `${stem}s`, `${stem.replace(/y$/, 'ie')}s`]
      .map((one) => `${room.schema}.${one}`)
      .find((one) => tables.has(one));
  const columns = table === undefined ? [] : (tables.get(table) ?? []);
  const keys = columns.filter(({ isKey }) => isKey);
  return table === undefined || keys.length !== 1
    ? null
    : {
        table,
        key: keys[0]!,
        name: columns.find((column) => isRoomName(column) && isTextual(column)) ?? null,
      };
}

/** A column that refers to a table of states with names. */
function statesOf(columns: readonly Column[], tables: ReadonlyMap<string, readonly Column[]>) {
  for (const from of columns.filter((column) => isStateWord(column) && column.references !== null)) {
    const of = tables.get(from.references!) ?? [];
    const keys = of.filter(({ isKey }) => isKey);
    const word = of.find(
      (column) => isTextual(column) && !column.isKey && has('key code name label title status state')(column),
    );
    if (keys.length === 1 && word !== undefined) return { from, of: { key: keys[0]!, word } };
  }
  return null;
}

/** Tables that may need a row for each booking. */
function relatedTo(
  table: string,
  columns: readonly Column[],
  all: readonly Column[],
  known: ReadonlySet<Column | null>,
): string[] {
  const ofRow = /^(create|created|write|updated|modified)/i;
  const to = columns.filter(
    (column) =>
      column.references !== null && !column.isNeeded && !known.has(column) && !ofRow.test(column.column),
  );
  const from = all.filter(({ references }) => references === table);
  return [
    ...to.map(({ column, references }) => `${references} (by ${column})`),
    ...from.map((column) => `${nameOf(column)} (by its ${column.column})`),
  ];
}

/**
 * The best candidate for the bookings table; null: no table has a key and recognisable start and end columns. `chosen`: the only
 * candidate, as `schema.table`.
 */
export function guess(all: readonly Column[], chosen?: string): Guess | null {
  const tables = Map.groupBy(all, nameOf);
  const refersToRoom = ({ references }: Column) =>
    references !== null && roomWords.test(references.split('.')[1]!) && !roomKinds.test(references);
  const roomOf = (columns: readonly Column[]) =>
    columns.find(refersToRoom) ?? columns.find((column) => isRoom(column) && !column.isKey) ?? null;
  /** The room of a table's row: in the row, or in rows of a child table. */
  const placeOf = (table: string, columns: readonly Column[]) => {
    const own = roomOf(columns);
    if (own !== null) return { room: own, link: null };
    const below = [...tables.values()].find(
      (other) =>
        other !== columns && other.some(({ references }) => references === table) && other.some(refersToRoom),
    );
    return below === undefined
      ? null
      : { room: roomOf(below), link: below.find(({ references }) => references === table)! };
  };
  /** A table that a booking refers to and that has the room. */
  const headerOf = (columns: readonly Column[]) => {
    for (const from of columns.filter(({ references }) => references !== null)) {
      const above = tables.get(from.references!) ?? [];
      const keys = above.filter(({ isKey }) => isKey);
      const place = keys.length === 1 ? placeOf(from.references!, above) : null;
      if (place !== null) return { from, key: keys[0]!, columns: above, place };
    }
    return null;
  };
  const candidates = [...tables].flatMap(([table, columns]) => {
    const times = timesOf(columns) ?? (chosen === table ? firstTwo(columns) : null);
    const keys = columns.filter(({ isKey }) => isKey);
    if (times === null || keys.length !== 1 || (chosen ?? table) !== table) return [];
    const place = placeOf(table, columns);
    const up = place === null ? headerOf(columns) : null;
    const { room = null, link = null } = place ?? up?.place ?? {};
    const score =
      (bookingWords.test(table) ? 3 : 0) +
      (/book|reserv/i.test(table) ? 1 : 0) +
      (room === null ? 0 : link !== null || up !== null ? 2 : 3) +
      ([...columns, ...(up?.columns ?? [])].some(isTitle) ? 1 : 0) -
      (times.isByName ? 0 : 2) -
      (otherWords.test(table) ? 4 : 0) -
      (roomWords.test(table.split('.')[1]!) && !bookingWords.test(table) ? 2 : 0);
    return [{ table, columns, times, id: keys[0]!, room, link, up, score }];
  });
  const [best, ...others] = candidates.toSorted((a, b) => b.score - a.score);
  if (best === undefined) return null;
  const { columns, times, id, room, link, up } = best;
  const find = (is: (column: Column) => boolean, ...not: readonly (Column | null)[]) =>
    [...columns, ...(up?.columns ?? [])].find(
      (column) => is(column) && column.references === null && !column.isKey && !not.includes(column),
    ) ?? null;
  const named = find(
    (column) => isTitle(column) && isTextual(column) && !isPerson(column) && !isRoom(column),
  );
  // the only text is shown as the title
  const text = find((column) => isText(column) && isTextual(column), named);
  const title = named ?? text ?? find((column) => isNote(column) && isTextual(column));
  const email = find((column) => isEmail(column) && isTextual(column) && !isTitle(column));
  const ofTable = statesOf([...columns, ...(up?.columns ?? [])], tables);
  const used = {
    title,
    description:
      find((column) => isText(column) && isTextual(column), title) ??
      find((column) => isNote(column) && isTextual(column), title),
    email,
    organizer: find((column) => isPerson(column) && isTextual(column) && !isKeyed(column), title, email),
    private: find((column) => isPrivate(column) && /^(boolean|integer|smallint)$/.test(column.type)),
    // a text column distinguishes more states than a flag
    state: find((column) => isStateWord(column) && isTextual(column)) ?? ofTable?.from ?? find(isState),
  };
  const { isByName: _isByName, ...clock } = times;
  const rowTimes = columns.filter((column) => column.isNeeded && isWritten(column));
  const filled = new Set<Column | null>([
    id,
    times.starts,
    times.ends,
    times.day,
    times.lastDay,
    room,
    ...Object.values(used),
    ...rowTimes,
  ]);
  return {
    table: best.table,
    others: others.map(({ table }) => table),
    id,
    ...clock,
    room,
    link,
    header: up === null ? null : { from: up.from, key: up.key },
    otherRooms: columns
      .filter((column) => column !== room && refersToRoom(column) && column.references === room?.references)
      .map(({ column }) => column),
    ...used,
    states: used.state === ofTable?.from ? (ofTable?.of ?? null) : null,
    repeats: columns
      .filter(({ column }) => /repeat|recur|rrule|frequency/i.test(column))
      .map(({ column }) => column),
    buffers: columns
      .filter((column) => isBuffer(column) && /^(interval|integer|smallint)$/.test(column.type))
      .map(({ column }) => column),
    otherTimes: columns
      .filter((column) => isRange(column) !== isRange(times.starts) && keepsTimes(column))
      .map(({ column }) => column),
    otherStates: columns
      .filter((column) => isState(column) && column !== used.state && column.references === null)
      .map(({ column }) => column),
    utc: whyUtc(columns, [...tables.keys()]),
    zones: all
      .filter((column) => isZone(column) && isTextual(column))
      .map((column) => `${nameOf(column)}.${column.column}`),
    rooms: roomsOf(room, tables),
    rowTimes,
    linkNeeded:
      link === null
        ? []
        : tables
            .get(nameOf(link))!
            .filter((column) => column.isNeeded && !column.isKey && column !== link && column !== room)
            .map(({ column }) => column),
    needed: columns
      .filter((column) => column.isNeeded && !filled.has(column))
      .map(({ column, references }) => (references === null ? column : `${column} (of ${references})`)),
    related: relatedTo(best.table, columns, all, filled),
  };
}
