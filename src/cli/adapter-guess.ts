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
  /** NOT NULL, without a default. */
  readonly isNeeded: boolean;
  readonly isNotNull: boolean;
  /** The table that this foreign key refers to, as `schema.table`; null: no foreign key. */
  readonly references: string | null;
}

/** The representation of an instant in the schema. */
type Clock = 'instant' | 'wall clock' | 'seconds' | 'date' | 'range' | 'wall clock range';

export interface Guess {
  /** `schema.table`, here and below. */
  readonly table: string;
  readonly others: readonly string[];
  readonly id: Column;
  readonly clock: Clock;
  readonly starts: Column;
  /** The same as `starts` where it is a range. */
  readonly ends: Column;
  /** In the table itself, or in a child table whose column `link` has the id of the booking. */
  readonly room: Column | null;
  readonly link: Column | null;
  /** Other columns that refer to the same table of rooms. */
  readonly otherRooms: readonly string[];
  readonly title: Column | null;
  readonly description: Column | null;
  readonly email: Column | null;
  readonly organizer: Column | null;
  readonly private: Column | null;
  /** The column that marks a booking as cancelled: a flag, a state, or a timestamp. */
  readonly state: Column | null;
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
const isRoom = has('room resource space location venue facility hall unit lokale raum');
const isTitle = has('title subject summary name purpose tittel titel');
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

interface Times {
  readonly clock: Clock;
  readonly starts: Column;
  readonly ends: Column;
  readonly isByName: boolean;
}

const isRange = (column: Column) => /range$/.test(clockOf(column) ?? '');

function timesOf(columns: readonly Column[]): Times | null {
  const [range] = columns.filter(isRange);
  const pair = pairOf(columns);
  // one that may be empty beside moments that may not is made of these
  if (range === undefined || (pair?.isByName === true && !range.isNotNull && pair.starts.isNotNull))
    return pair;
  return { clock: clockOf(range)!, starts: range, ends: range, isByName: true };
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
    const ofClock = columns.filter(
      (column) => clockOf(column) === clock && column.references === null && !column.isKey,
    );
    const starts = ofClock.filter((column) => isStart(column) && !isEnd(column));
    const ends = ofClock.filter((column) => isEnd(column) && !isStart(column));
    const [best] = starts
      .flatMap((from) => ends.map((to) => [from, to] as const))
      .toSorted((a, b) => likeness(...b) - likeness(...a));
    if (best !== undefined) return { clock, starts: best[0], ends: best[1], isByName: true };
  }
  // unknown names: exactly two required timestamps
  for (const clock of ['instant', 'wall clock'] as const) {
    const [starts, ends, more] = columns.filter(
      (column) => clockOf(column) === clock && column.isNeeded && !isOfRow(column),
    );
    if (starts !== undefined && ends !== undefined && more === undefined)
      return { clock, starts, ends, isByName: false };
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

/** Recognises frameworks that store UTC in columns without a zone by the columns that they add to each table. */
function whyUtc(columns: readonly Column[]): string | null {
  const names = new Set(columns.map(({ column }) => column));
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

/** The best candidate for the bookings table; null: no table has a key and recognisable start and end columns. */
export function guess(all: readonly Column[]): Guess | null {
  const tables = Map.groupBy(all, nameOf);
  const refersToRoom = ({ references }: Column) =>
    references !== null && roomWords.test(references.split('.')[1]!) && !roomKinds.test(references);
  const roomOf = (columns: readonly Column[]) =>
    columns.find(refersToRoom) ?? columns.find((column) => isRoom(column) && !column.isKey) ?? null;
  const candidates = [...tables].flatMap(([table, columns]) => {
    const times = timesOf(columns);
    const keys = columns.filter(({ isKey }) => isKey);
    if (times === null || keys.length !== 1) return [];
    const below = [...tables.values()].find(
      (other) =>
        other !== columns && other.some(({ references }) => references === table) && other.some(refersToRoom),
    );
    const own = roomOf(columns);
    const room = own ?? (below === undefined ? null : roomOf(below));
    const link = own === null ? (below?.find(({ references }) => references === table) ?? null) : null;
    const score =
      (bookingWords.test(table) ? 3 : 0) +
      (/book|reserv/i.test(table) ? 1 : 0) +
      (room === null ? 0 : own === null ? 2 : 3) +
      (columns.some(isTitle) ? 1 : 0) -
      (times.isByName ? 0 : 2) -
      (otherWords.test(table) ? 4 : 0) -
      (roomWords.test(table.split('.')[1]!) && !bookingWords.test(table) ? 2 : 0);
    return [{ table, columns, times, id: keys[0]!, room, link, score }];
  });
  const [best, ...others] = candidates.toSorted((a, b) => b.score - a.score);
  if (best === undefined) return null;
  const { columns, times, id, room, link } = best;
  const find = (is: (column: Column) => boolean, ...not: readonly (Column | null)[]) =>
    columns.find(
      (column) => is(column) && column.references === null && !column.isKey && !not.includes(column),
    ) ?? null;
  const title = find(
    (column) => isTitle(column) && isTextual(column) && !isPerson(column) && !isRoom(column),
  );
  const email = find((column) => isEmail(column) && isTextual(column));
  const used = {
    title,
    description:
      find((column) => isText(column) && isTextual(column), title) ??
      find((column) => isNote(column) && isTextual(column), title),
    email,
    organizer: find((column) => isPerson(column) && isTextual(column) && !isKeyed(column), title, email),
    private: find((column) => isPrivate(column) && /^(boolean|integer|smallint)$/.test(column.type)),
    // a text column distinguishes more states than a flag
    state: find((column) => isStateWord(column) && isTextual(column)) ?? find(isState),
  };
  const filled = new Set<Column | null>([id, times.starts, times.ends, room, ...Object.values(used)]);
  return {
    table: best.table,
    others: others.map(({ table }) => table),
    id,
    ...times,
    room,
    link,
    otherRooms: columns
      .filter((column) => column !== room && refersToRoom(column) && column.references === room?.references)
      .map(({ column }) => column),
    ...used,
    buffers: columns
      .filter((column) => isBuffer(column) && /^(interval|integer|smallint)$/.test(column.type))
      .map(({ column }) => column),
    otherTimes: columns
      .filter((column) => isRange(column) !== isRange(times.starts) && keepsTimes(column))
      .map(({ column }) => column),
    otherStates: columns
      .filter((column) => isState(column) && column !== used.state && column.references === null)
      .map(({ column }) => column),
    utc: whyUtc(columns),
    zones: all
      .filter((column) => isZone(column) && isTextual(column))
      .map((column) => `${nameOf(column)}.${column.column}`),
    rooms: roomsOf(room, tables),
    needed: columns
      .filter((column) => column.isNeeded && !filled.has(column))
      .map(({ column, references }) => (references === null ? column : `${column} (of ${references})`)),
    related: relatedTo(best.table, columns, all, filled),
  };
}
