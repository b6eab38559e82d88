/** Generates the functions of a new adapter from a guess about the schema. */
import type { Column, Guess } from './adapter-guess.ts';
import {
  instant,
  isNumber,
  isWithinDay,
  name,
  needsZone,
  of,
  states,
  tableName,
  times,
  zone,
  type StateValue,
} from './adapter-expressions.ts';

interface Field {
  /** The key of the jsonb. */
  readonly key: string;
  /** Column of the table, quoted. */
  readonly column: string;
  /** SQL expression for the column; `json`: name of the jsonb variable. */
  readonly from: (json: string) => string;
}

/** The columns that the functions write besides times and room. */
function fields({ title, description, organizer, email, private: secret }: Guess): readonly Field[] {
  const text = (key: string, column: Column | null): readonly Field[] =>
    column === null
      ? []
      : [
          {
            key,
            column: name(column.column),
            from: (json) => {
              const given = column.isNotNull ? `coalesce(${json} ->> '${key}', '')` : `${json} ->> '${key}'`;
              return column.length === null ? given : `left(${given}, ${column.length})`;
            },
          },
        ];
  const flag = (column: Column): Field => {
    const not = /public/i.test(column.column) ? 'NOT ' : '';
    return {
      key: 'is_private',
      column: name(column.column),
      from: (json) =>
        `(${not}coalesce((${json} ->> 'is_private')::boolean, false))::${column.type === 'boolean' ? 'boolean' : 'integer'}`,
    };
  };
  return [
    ...text('title', title),
    ...text('description', description),
    ...text('organizer_name', organizer),
    ...text('organizer_email', email),
    ...(secret === null ? [] : [flag(secret)]),
  ];
}

const head = (signature: string, returns = '') => `CREATE OR REPLACE FUNCTION public.${signature}${returns}
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $body$`;

/** The SQL that the functions share. */
function partsOf(guess: Guess, type: string, values: readonly StateValue[]) {
  const { id, room } = guess;
  const [byKey, roomByKey] = [!isNumber(id), room !== null && !isNumber(room)];
  const expressions = states(guess, values);
  const argument = byKey ? 'key text' : 'id bigint';
  const made = byKey ? 'reservation_key' : 'reservation_id';
  // the time of the row itself, which frameworks fill outside of the database
  const rowTimes = guess.rowTimes.map(
    (column) =>
      [
        name(column.column),
        column.type === 'timestamp without time zone' ? "now() AT TIME ZONE 'UTC'" : `now()::${column.type}`,
        /updat|modif|chang/i.test(column.column),
      ] as const,
  );
  return {
    guess,
    type,
    rowTimes,
    table: tableName(guess.table),
    states: expressions,
    own: fields(guess),
    byKey,
    roomByKey,
    made,
    rooms: roomByKey ? 'resource_keys' : 'resource_ids',
    /** Name of the argument with the id or key. */
    given: byKey ? 'key' : 'id',
    /** Condition for the row of that id or key. */
    isRow:
      id.type === 'uuid'
        ? `${of('b', id)} = bridge_uuid($2)`
        : byKey
          ? `${of('b', id)}::text = $2`
          : `${of('b', id)} = $2`,
    /** Condition for an active booking that overlaps the variables `starts` and `ends`. */
    overlap: `${instant(guess, 'starts', 'zone')} < ends AND ${instant(guess, 'ends', 'zone')} > starts AND ${expressions.active}`,
    declared: needsZone(guess) ? `\n  zone constant text := ${zone};` : '',
    heads: {
      import: head(
        `bridge_import_item(item jsonb, OUT reservation_type text, OUT ${made} ${byKey ? 'text' : 'bigint'})`,
      ),
      change: head(`bridge_change_item(type text, ${argument}, change jsonb)`, ' RETURNS text[]'),
      cancel: head(`bridge_cancel_item(type text, ${argument}, note text)`, ' RETURNS boolean'),
    },
  };
}
type Parts = ReturnType<typeof partsOf>;

/** The text of 20_functions.sql. `values`: the values found in the state column. */
export function functions(guess: Guess, type: string, values: readonly StateValue[]): string {
  const parts = partsOf(guess, type, values);
  const { room, link, header } = guess;
  if (room === null || header !== null) return unwritten(parts);
  const place = link === null ? ownPlace(parts, room) : linkedPlace(parts, room, link);
  return [
    importFunction(parts, place),
    changeFunction(parts, place),
    cancelFunction(parts),
    revoke(parts.byKey),
  ].join('');
}

function unwritten({ guess, heads, byKey }: Parts): string {
  const { header } = guess;
  return `${
    header === null
      ? `-- Not written yet, because the room of a booking is not known. sql/README.md specifies each function;
-- sql/portico/20_functions.sql is an example with rooms in a separate table.`
      : `-- Not written yet, because several rows share a row of ${header.key.schema}.${header.key.table}. sql/README.md specifies each function;
-- sql/indico/20_functions.sql is an example of a series, whose dates are changed one by one.`
  }
${heads.import}
BEGIN
  RAISE EXCEPTION 'bridge_import_item is not written yet' USING ERRCODE = '0A000';
END $body$;
${heads.change}
BEGIN
  RAISE EXCEPTION 'bridge_change_item is not written yet' USING ERRCODE = '0A000';
END $body$;
${heads.cancel}
BEGIN
  RAISE EXCEPTION 'bridge_cancel_item is not written yet' USING ERRCODE = '0A000';
END $body$;
${revoke(byKey)}`;
}

/** The parts of the functions that depend on whether the room is a column of the booking or in a table of links. */
interface Place {
  /** Declarations, checks and statements of the import; the writing statement is between the last two. */
  readonly declared: string;
  readonly checked: string;
  readonly columns: readonly (readonly [column: string, value: string])[];
  readonly linked: string;
  /** Of the change. */
  readonly changes: string;
  readonly chosen: string;
  readonly count: string;
  readonly assigned: readonly string[];
  readonly relinked: string;
  /** Condition on the bookings `b`: in the variable's room or rooms. */
  readonly isIn: (variable: 'import' | 'change') => string;
  /** Text and arguments of the error for a taken time. */
  readonly named: (variable: 'import' | 'change') => string;
}

function ownPlace({ guess, rooms, roomByKey, byKey }: Parts, room: Column): Place {
  const { type } = room;
  return {
    declared: `\n  room ${type};`,
    checked: `  IF jsonb_array_length(item -> '${rooms}') IS DISTINCT FROM 1 THEN
    RAISE EXCEPTION 'A booking has one room, not %.', item ->> '${rooms}' USING ERRCODE = '22023';
  END IF;
  room := (item -> '${rooms}' ->> 0)::${type};
${
  guess.rooms === null
    ? ''
    : `  IF NOT EXISTS (SELECT FROM ${tableName(guess.rooms.table)} r WHERE ${of('r', guess.rooms.key)} = room) THEN
    RAISE EXCEPTION 'There is no room %.', room USING ERRCODE = '23503';
  END IF;
`
}`,
    columns: [[name(room.column), 'room']],
    linked: '',
    changes: `\n  place ${type};`,
    chosen: `${roomByKey && !byKey ? '  change := bridge_with_keys(change);\n' : ''}  place := coalesce((change -> '${rooms}' ->> 0)::${type}, was.${roomByKey ? 'resource_key' : 'resource_id'}${roomByKey ? `::${type}` : ''});
`,
    count: `jsonb_array_length(change -> '${rooms}') <> 1`,
    assigned: [`${name(room.column)} = place`],
    relinked: '',
    isIn: (variable) => `${of('b', room)} = ${variable === 'import' ? 'room' : 'place'}`,
    named: (variable) => `room %.', ${variable === 'import' ? 'room' : 'place'}`,
  };
}

function linkedPlace(
  { guess, rooms, roomByKey, byKey, made, isRow, table }: Parts,
  room: Column,
  link: Column,
): Place {
  const { type } = room;
  const links = tableName(`${link.schema}.${link.table}`);
  const list = (json: string) =>
    `ARRAY(SELECT DISTINCT r::${type} FROM jsonb_array_elements_text(${json} -> '${rooms}') r ORDER BY 1)`;
  const others = guess.linkNeeded.map((column) => `, ${name(column)}`).join('');
  const todo = others === '' ? '' : ` -- required, too: ${guess.linkNeeded.join(', ')}`;
  const own = `(SELECT ${of('b', guess.id)} FROM ${table} b WHERE ${isRow})`;
  return {
    declared: `\n  rooms constant ${type}[] := ${list('item')};`,
    checked: `  IF cardinality(rooms) = 0 THEN
    RAISE EXCEPTION 'A booking needs a room.' USING ERRCODE = '22023';
  END IF;
${
  guess.rooms === null
    ? ''
    : `  IF EXISTS (SELECT FROM unnest(rooms) x (room) WHERE NOT EXISTS (SELECT FROM ${tableName(guess.rooms.table)} r WHERE ${of('r', guess.rooms.key)} = x.room)) THEN
    RAISE EXCEPTION 'There is no such room among %.', array_to_string(rooms, ', ') USING ERRCODE = '23503';
  END IF;
`
}`,
    columns: [],
    linked: `  INSERT INTO ${links} (${name(link.column)}, ${name(room.column)})${todo}
  SELECT ${made}::${link.type}, r FROM unnest(rooms) r;
`,
    changes: `\n  rooms ${type}[];`,
    chosen: `${roomByKey && !byKey ? '  change := bridge_with_keys(change);\n' : ''}  rooms := CASE WHEN change ? '${rooms}' THEN ${list('change')}
    ELSE ARRAY(SELECT ${of('l', room)} FROM ${links} l WHERE ${of('l', link)} = ${own}) END;
`,
    count: `(change ? '${rooms}' AND cardinality(rooms) = 0)`,
    assigned: [],
    relinked: `  IF change ? '${rooms}' THEN
    INSERT INTO ${links} (${name(link.column)}, ${name(room.column)})${todo}
    SELECT ${own}, r FROM unnest(rooms) r
    WHERE NOT EXISTS (SELECT FROM ${links} l WHERE ${of('l', link)} = ${own} AND ${of('l', room)} = r);
    DELETE FROM ${links} l WHERE ${of('l', link)} = ${own} AND ${of('l', room)} <> ALL (rooms);
  END IF;
`,
    isIn: () =>
      `EXISTS (SELECT FROM ${links} l WHERE ${of('l', link)} = ${of('b', guess.id)} AND ${of('l', room)} = ANY (rooms))`,
    named: () => "room %.', array_to_string(rooms, ' or ')",
  };
}

function importFunction(parts: Parts, place: Place): string {
  const { guess, type, table, states, own, made, declared, overlap, heads, rowTimes } = parts;
  const inserted = [
    ...place.columns,
    ...times(guess),
    ...own.map(({ column, from }) => [column, from('item')] as const),
    ...(guess.state === null || states.fresh === null
      ? []
      : [[name(guess.state.column), states.fresh] as const]),
    ...rowTimes,
  ];
  return `-- The functions that write bookings. This is a guess: compare it with the rows that the booking system itself writes.
${guess.otherTimes.length === 0 ? '' : `-- These columns also contain the times and are not written yet, by an INSERT or an UPDATE: ${guess.otherTimes.join(', ')}\n`}${guess.needed.length === 0 ? '' : `-- These columns are required and not filled yet: ${guess.needed.join(', ')}\n`}${guess.related.length === 0 ? '' : `-- Related tables: ${guess.related.slice(0, 8).join(', ')}. Check which of them need a row for each booking, or change with it.\n`}
-- Creates a booking from an Outlook meeting. \`overlap\`: 'refuse' (the default; error 23P01 if the room is taken) or 'allow'.
${heads.import}
DECLARE
  starts constant timestamptz := (item ->> 'starts_at')::timestamptz;
  ends constant timestamptz := (item ->> 'ends_at')::timestamptz;${place.declared}${declared}
BEGIN
  IF starts IS NULL OR ends IS NULL OR ends < starts THEN
    RAISE EXCEPTION 'A booking needs a start and an end that is not before it.' USING ERRCODE = '22023';
  END IF;
${place.checked}${limit(guess)}  INSERT INTO ${table} (${inserted.map(([column]) => column).join(', ')})
  SELECT ${inserted.map(([, value]) => value).join(', ')}
  -- checked in the same statement as the INSERT, against concurrent bookings
  WHERE item ->> 'overlap' = 'allow' OR NOT EXISTS (
    SELECT FROM ${table} b WHERE ${place.isIn('import')} AND ${overlap})
  RETURNING ${name(guess.id.column)} INTO ${made};
  IF ${made} IS NULL THEN
    RAISE EXCEPTION 'The time is taken in ${place.named('import')} USING ERRCODE = '23P01';
  END IF;
${place.linked}  reservation_type := ${type};
END $body$;
`;
}

/** Refuses what the columns cannot store; a shorter booking would be written back to Outlook. */
const limit = (guess: Guess) =>
  isWithinDay(guess)
    ? `  IF ends >= starts + interval '24 hours' THEN
    RAISE EXCEPTION 'A booking lasts less than a day.' USING ERRCODE = '22023';
  END IF;
`
    : '';

function changeFunction(parts: Parts, place: Place): string {
  const { guess, type, table, own, byKey, given, isRow, declared, overlap, heads, rowTimes } = parts;
  return `
-- Changes a booking and returns the keys that it now has as requested.
${heads.change}
DECLARE
  was record;
  starts timestamptz;
  ends timestamptz;${place.changes}${declared}
BEGIN
  PERFORM FROM ${table} b WHERE ${isRow} AND $1 = ${type} FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no % %.', type, ${given} USING ERRCODE = 'P0002';
  END IF;
  IF change = '{}' THEN
    RETURN '{}'; -- an empty change only locks the row
  END IF;
  SELECT * INTO was FROM bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = ${byKey ? 'bridge_key_id($1, $2)' : '$2'};
  starts := coalesce((change ->> 'starts_at')::timestamptz, was.starts_at);
  ends := coalesce((change ->> 'ends_at')::timestamptz, was.ends_at);
${place.chosen}  IF ends < starts OR ${place.count} THEN
    RAISE EXCEPTION '% % needs a room, and an end that is not before its start.', type, ${given} USING ERRCODE = '22023';
  END IF;
${limit(guess)}  IF change ->> 'overlap' = 'refuse' AND EXISTS (
    SELECT FROM ${table} b WHERE ${place.isIn('change')} AND NOT (${isRow}) AND ${overlap}) THEN
    RAISE EXCEPTION 'The time is taken in ${place.named('change')} USING ERRCODE = '23P01';
  END IF;
  UPDATE ${table} b SET ${[
    ...place.assigned,
    ...times(guess).map(([column, value]) => `${column} = ${value}`),
    ...own.map(
      ({ key, column, from }) =>
        `${column} = CASE WHEN change ? '${key}' THEN ${from('change')} ELSE b.${column} END`,
    ),
    ...rowTimes.filter(([, , isOfChange]) => isOfChange).map(([column, value]) => `${column} = ${value}`),
  ].join(',\n    ')}
  WHERE ${isRow};
${place.relinked}  RETURN bridge_stored_keys(type, ${given}, change);
END $body$;
`;
}

function cancelFunction({ type, table, states, given, isRow, heads }: Parts): string {
  const { active, alive = active, cancel } = states;
  return `
${
  cancel === null
    ? `-- Cancels a booking by deleting it, as the booking system is assumed to do.
${heads.cancel}
BEGIN
  DELETE FROM ${table} b WHERE ${isRow} AND $1 = ${type};
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no % %.', type, ${given} USING ERRCODE = 'P0002';
  END IF;
  RETURN true;
END $body$;`
    : `-- Cancels a booking. Returns false if it was already cancelled.
${heads.cancel}
BEGIN
  UPDATE ${table} b SET ${cancel} WHERE ${isRow} AND $1 = ${type} AND ${alive};
  IF FOUND THEN
    RETURN true;
  END IF;
  PERFORM FROM ${table} b WHERE ${isRow} AND $1 = ${type};
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no % %.', type, ${given} USING ERRCODE = 'P0002';
  END IF;
  RETURN false;
END $body$;`
}
`;
}

const revoke = (byKey: boolean) => {
  const takes = byKey ? 'text' : 'bigint';
  return `REVOKE EXECUTE ON FUNCTION public.bridge_import_item(jsonb), public.bridge_change_item(text, ${takes}, jsonb),
  public.bridge_cancel_item(text, ${takes}, text) FROM PUBLIC;
${byKey ? '\n-- Creates the functions that take a number, which the bridge calls, from those that take a key.\nSELECT public.bridge_by_key();\n' : ''}`;
};
