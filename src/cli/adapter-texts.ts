/** Generates the files of a new adapter from a guess about the schema. */
import { functions } from './adapter-functions-text.ts';
import type { Column, Guess } from './adapter-guess.ts';
import {
  instant,
  isNumber,
  isWithinDay,
  literal,
  name,
  of,
  read,
  states,
  tableName,
  zone,
  type StateValue,
} from './adapter-expressions.ts';

/** The join to bridge_key, which has the number of a key. Its condition lets filters on either of both use an index. */
function numberOf(alias: string, kind: string, keyed: string, column: Column): string {
  const back =
    column.type === 'uuid'
      ? ` AND ${keyed} = public.bridge_uuid(${alias}.key)`
      : /^(text|character( varying)?)$/.test(column.type)
        ? ` AND ${keyed} = ${alias}.key`
        : '';
  return `LEFT JOIN public.bridge_key ${alias} ON ${alias}.kind = ${kind} AND ${alias}.key = ${keyed}::text${back}`;
}

/** The texts of the files by file name. `values`: the values found in the state column. */
export function adapterTexts(guess: Guess, values: readonly StateValue[]): Readonly<Record<string, string>> {
  const type = literal(
    guess.table.split('.')[1]!.replace(/ies$/, 'y').replace(/s$/, '').toLowerCase().replace(/\W/g, '_'),
  );
  return {
    '00_rights.sql': rights(guess, values),
    '10_view.sql': view(guess, type, values),
    ...(guess.rooms === null ? {} : { '11_resources.sql': resources(guess.rooms) }),
    ...(guess.room === null ? {} : { '15_indexes.sql': indexes(guess.room, guess.link) }),
    '20_functions.sql': functions(guess, type, values),
    '30_watch.sql': watch(guess, type),
    '40_defaults.sql': defaults(guess, type),
    '90_uninstall.sql': `${uninstall}${[guess.room, guess.link]
      .filter((column) => column !== null)
      .map((column) => `DROP INDEX IF EXISTS ${name(column.schema)}.${indexName(column)};\n`)
      .join('')}`,
  };
}

function view(guess: Guess, type: string, values: readonly StateValue[]): string {
  const { id, room, link, header, title, description, organizer, email, zones } = guess;
  const table = tableName(guess.table);
  const isNarrow = id.type === 'integer' || id.type === 'smallint';
  const isPublic = guess.private !== null && /public/i.test(guess.private.column);
  const flag = guess.private === null ? null : read(guess, guess.private);
  const isSet =
    guess.private?.type === 'boolean'
      ? `${isPublic ? 'NOT ' : ''}${flag}`
      : `${flag} = ${isPublic ? '0' : '1'}`;
  const isPrivate = flag === null ? 'false' : guess.private!.isNotNull ? isSet : `coalesce(${isSet}, false)`;
  const text = (column: Column | null) => (column === null ? 'NULL::text' : `${read(guess, column)}::text`);
  const roomAt = room === null ? 'NULL' : link === null ? read(guess, room) : of('l', room);
  const { active, state } = states(guess, values);
  // a row without times or room is not scheduled yet
  const scheduled = [
    ...new Set([
      ...(guess.day === null ? [] : [guess.day]),
      guess.starts,
      guess.ends,
      ...(room === null || link !== null ? [] : [room]),
    ]),
  ].filter(({ isNotNull }) => !isNotNull);
  const between = [
    ...new Set([guess.day, guess.lastDay, guess.starts, guess.ends].filter((column) => column !== null)),
  ]
    .map(({ column }) => column)
    .join(', ');
  const notes = [
    `-- Guessed by \`adapter new\`: ${guess.table} is the bookings table${guess.others.length === 0 ? '' : ` (or ${guess.others.slice(0, 5).join(', ')}?)`}. The contract is sql/README.md.`,
    /wall clock|date|time/.test(guess.clock)
      ? guess.utc === null
        ? `-- Its times (${between}) have no zone and are read as local times of BOOKING_TIMEZONE; check that they are not UTC.${zones.length === 0 ? '' : ` Possible time zone columns: ${zones.slice(0, 3).join(', ')}.`}`
        : `-- Its times (${between}) have no zone and are read as UTC: ${guess.utc}.`
      : guess.clock === 'seconds'
        ? `-- Its times (${between}) are read as seconds since 1970.`
        : `-- Its times (${between}) are instants.`,
    guess.lasts === null || guess.lasts === 'interval'
      ? null
      : `-- ${guess.ends.column} is read as ${guess.lasts}; check the unit.`,
    isWithinDay(guess)
      ? '-- An end before the start is read as one on the next day. Check times such as 23:59 for the end of the day.'
      : null,
    guess.header === null
      ? null
      : `-- ${guess.header.key.schema}.${guess.header.key.table} has what several rows share (by ${guess.header.from.column}). Each row is a reservation; the functions must not change or cancel the others.`,
    guess.state === null
      ? '-- No column marks cancelled bookings; check whether the booking system deletes them.'
      : `-- ${guess.state.column} marks bookings that ${state === null || states(guess, values).cancel !== null ? 'are cancelled' : 'await approval; cancelled bookings are assumed to be deleted'}${values.length === 0 ? '' : `; values found: ${values.map(({ value, word }) => (value === word ? value : `${value} (${word})`)).join(', ')}`}${guess.otherStates.length === 0 ? '' : ` (and ${guess.otherStates.join(', ')}?)`}. A booking that awaits approval is not active.`,
    room !== null && guess.rooms === null
      ? `-- No table was found for the rooms of ${room.column}, so the functions cannot check that a room exists.`
      : null,
    guess.repeats.length === 0
      ? null
      : `-- ${guess.repeats.join(', ')} may describe repetitions: if a row stands for several dates, the view needs a row for each (sql/indico/10_view.sql).`,
    guess.buffers.length === 0
      ? null
      : `-- Not shown yet: ${guess.buffers.join(', ')}. The optional columns setup_minutes and teardown_minutes show such times (sql/README.md).`,
    room === null
      ? '-- No column refers to a room: set resource_id.'
      : `-- ${room.column} is the room${guess.otherRooms.length === 0 ? '' : ` (or ${guess.otherRooms.join(', ')}?)`}.`,
    room !== null && !isNumber(room)
      ? `-- Room keys are ${room.type}: bridge_key has a number for each (sql/README.md, "Keys").`
      : null,
    isNumber(id)
      ? null
      : `-- Ids are ${id.type}: bridge_key has a number for each; the join condition lets filters on either use an index.`,
    isNarrow
      ? '-- The table is joined with itself so that a filter on reservation_id, a bigint, can use the index of the integer id.'
      : null,
  ].filter((line) => line !== null);
  return `${notes.join('\n')}
CREATE OR REPLACE VIEW public.bridge_items AS
SELECT ${type}::text AS reservation_type,
       ${isNumber(id) ? `${of(isNarrow ? 'k' : 'b', id)}::bigint` : 'k.id'} AS reservation_id,
       ${room === null ? 'NULL::integer' : isNumber(room) ? `${roomAt}::integer` : 'c.id::integer'} AS resource_id,
       1::smallint AS priority_level,
       ${active} AS active,
       t.starts_at,
       greatest(t.starts_at, t.ends_at) AS ends_at,
       (t.starts_at AT TIME ZONE z.value)::time = '00:00' AND (t.ends_at AT TIME ZONE z.value)::time = '00:00'
         AND t.ends_at - t.starts_at >= interval '23 hours' AS all_day, -- the day of the spring change has 23 hours
       coalesce(nullif(btrim(${text(title)}), ''), ${literal('Booking ')} || ${of('b', id)})::text AS title,
       ${text(description)} AS description,
       ${text(organizer)} AS organizer_name,
       ${text(email)} AS organizer_email,
       ${isPrivate} AS is_private${state === null ? '' : `,\n       ${state} AS state`}${isNumber(id) ? '' : `,\n       ${of('b', id)}::text AS reservation_key`}${room === null || isNumber(room) ? '' : `,\n       ${roomAt}::text AS resource_key`}
FROM ${isNarrow ? `${table} k\nJOIN ${table} b ON ${of('b', id)} = ${of('k', id)}::bigint AND ${of('k', id)} = ANY (ARRAY[${of('b', id)}])` : `${table} b`}${header === null ? '' : `\nJOIN ${tableName(`${header.key.schema}.${header.key.table}`)} h ON ${of('h', header.key)} = ${of('b', header.from)}`}${link === null ? '' : `\nJOIN ${tableName(`${link.schema}.${link.table}`)} l ON ${of('l', link)} = ${header === null ? of('b', id) : of('h', header.key)}`}${isNumber(id) ? '' : `\n${numberOf('k', type, of('b', id), id)}`}${room === null || isNumber(room) ? '' : `\n${numberOf('c', "''", roomAt, room)}`}
CROSS JOIN (SELECT ${zone} AS value OFFSET 0) z -- once per query
CROSS JOIN LATERAL (SELECT ${instant(guess, 'starts', 'z.value')} AS starts_at, ${instant(guess, 'ends', 'z.value')} AS ends_at) t${scheduled.length === 0 ? '' : `\nWHERE ${scheduled.map((column) => `${read(guess, column)} IS NOT NULL`).join(' AND ')}`};
`;
}

const indexName = ({ table, column }: Column) => name(`bridge_${table}_${column}`.slice(0, 63));

/** The indexes for the filter on rooms, and for the rooms of a reservation. */
function indexes(room: Column, link: Column | null): string {
  const onColumn = (column: Column) =>
    `SELECT public.bridge_index(${literal(tableName(`${column.schema}.${column.table}`))}, ${literal(column.column)});\n`;
  const ofRoom = room.type === 'bigint' ? indexOnNumber(room) : onColumn(room);
  return `-- Indexes for the filters on bridge_items. One that exists already is not created again; one that only the owner of the table may
-- create is shown as a statement for a DBA.
${link === null ? '' : onColumn(link)}${ofRoom}`;
}

/** An index on the expression of the view, which filters a bigint by an integer. */
function indexOnNumber(room: Column): string {
  const table = tableName(`${room.schema}.${room.table}`);
  const id = literal(table);
  const statement = `CREATE INDEX IF NOT EXISTS ${indexName(room)} ON ${table} ((${name(room.column)}::integer))`;
  return `-- The view shows ${room.column}, a bigint, as an integer, so a filter on resource_id needs an index on that expression.
DO $index$
DECLARE
  statement constant text := $create$${statement}$create$;
BEGIN
  IF to_regclass(${literal(`${name(room.schema)}.${indexName(room)}`)}) IS NOT NULL THEN
    RETURN;
  END IF;
  IF (SELECT pg_has_role(relowner, 'USAGE') AND reltuples < 200000 FROM pg_class WHERE oid = ${id}::regclass) THEN
    SET LOCAL lock_timeout = '500ms';
    EXECUTE statement;
  ELSE
    RAISE NOTICE 'Optional, faster for rooms with many bookings: %;', replace(statement, 'INDEX', 'INDEX CONCURRENTLY');
  END IF;
END $index$;
`;
}

/** The settings, with the abilities that the guessed columns lack. */
function defaults({ room, link, title, description, private: secret }: Guess, type: string): string {
  const lacks = [
    ...(room !== null && link === null ? ['one-room'] : []),
    // an exclusion constraint on the room
    ...(room?.isExcluded === true ? ['no-overlap'] : []),
    ...(secret === null ? ['no-private'] : []),
    ...(title === null && description === null ? ['no-text'] : []),
  ];
  const words = literal(lacks.join(' '));
  return `INSERT INTO public.bridge_settings (name, value) VALUES ('reservation_types', ${type})
ON CONFLICT (name) DO UPDATE SET value = excluded.value;
-- The abilities that the booking system lacks, according to its columns (sql/README.md, "Abilities").
INSERT INTO public.bridge_settings (name, value) VALUES ('abilities', ${words})
ON CONFLICT (name) DO UPDATE SET value = excluded.value;
`;
}

/** The view bridge_resources, for `mappings match`. */
function resources({ table, key, name: title }: NonNullable<Guess['rooms']>): string {
  const [id, key_] = isNumber(key)
    ? [`${of('r', key)}::integer`, '']
    : ['c.id::integer', `,\n       ${of('r', key)}::text AS resource_key`];
  return `-- The bookable resources, for \`mappings match\`. Add the building and whether a room is in use, if the system knows them.
CREATE OR REPLACE VIEW public.bridge_resources AS
SELECT ${id} AS resource_id,
       ${title === null ? `${of('r', key)}::text` : `${of('r', title)}::text`} AS name,
       NULL::text AS building,
       true AS active${key_}
FROM ${tableName(table)} r${isNumber(key) ? '' : `\nLEFT JOIN public.bridge_key c ON c.kind = '' AND c.key = ${of('r', key)}::text`};
`;
}

function watch(guess: Guess, type: string): string {
  const { table, id, room, link, header } = guess;
  const columns = [
    guess.day,
    guess.lastDay,
    guess.starts,
    guess.ends,
    guess.title,
    guess.description,
    guess.email,
    guess.organizer,
    guess.private,
    guess.state,
    room,
  ].filter((column) => column !== null);
  const columnsOf = (one: string) => columns.filter((column) => `${column.schema}.${column.table}` === one);
  const declare = (one: string, reservations: string, more: readonly Column[] = []) => {
    const names = [...new Set([...columnsOf(one), ...more].map(({ column }) => column))];
    const list = names.map((column) => (/^\w+$/.test(column) ? column : `"${column}"`)).join(',');
    return `SELECT public.bridge_watch_table(${literal(tableName(one))}, $$SELECT ${type}, ${reservations}$$, ${literal(`{${list}}`)});
`;
  };
  const shared = (key: string) =>
    header === null
      ? key
      : `${of('b', id)} FROM ${tableName(table)} b WHERE ${of('b', header.from)} = ${key}`;
  return [
    `-- The tables that bridge_items reads, and which reservations a row of each belongs to (sql/README.md, "30_watch.sql").
`,
    declare(table, of('changed', id), header === null ? [] : [header.from]),
    header === null
      ? ''
      : declare(`${header.key.schema}.${header.key.table}`, shared(of('changed', header.key))),
    link === null ? '' : declare(`${link.schema}.${link.table}`, shared(of('changed', link))),
  ].join('');
}

/** The query for missing privileges, with a row of VALUES for each table. */
function rights(guess: Guess, values: readonly StateValue[]): string {
  const { table, link, rooms, header } = guess;
  // without a column that marks it, a cancelled booking is deleted
  const own =
    states(guess, values).cancel === null
      ? 'SELECT INSERT UPDATE DELETE TRIGGER'
      : 'SELECT INSERT UPDATE TRIGGER';
  const wanted: readonly (readonly [table: string, rights: string])[] = [
    [table, own],
    ...(header === null
      ? []
      : [[`${header.key.schema}.${header.key.table}`, 'SELECT INSERT UPDATE TRIGGER'] as const]),
    ...(link === null
      ? []
      : [[`${link.schema}.${link.table}`, 'SELECT INSERT UPDATE DELETE TRIGGER'] as const]),
    ...(rooms === null ? [] : [[rooms.table, 'SELECT'] as const]),
  ];
  const rows = wanted.map(([one, needed]) => {
    const [home, ...rest] = one.split('.');
    return `  (${literal(home!)}, ${literal(rest.join('.'))}, '${needed}')`;
  });
  return `-- The missing privileges of our role, as statements for the DBA. One line for each table: add every other table that is read or
-- written, and restrict the privileges to columns where possible (sql/mrbs/00_rights.sql).
WITH wants (home, name, rights) AS (VALUES
${rows.join(',\n')}
), tables AS (
  -- not to_regclass, which fails for a schema without USAGE
  SELECT w.*, r AS privilege, n.oid AS schema_id, c.oid AS id, format('%I.%I', w.home, w.name) AS full_name
  FROM wants w CROSS JOIN unnest(string_to_array(w.rights, ' ')) r
  LEFT JOIN pg_namespace n ON n.nspname = w.home LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
), sequences AS MATERIALIZED (
  -- those of the defaults; a sequence may belong to another table, for example the parent
  SELECT DISTINCT s.oid, s.oid::regclass::text AS full_name FROM tables t
  JOIN pg_attrdef a ON a.adrelid = t.id
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' WHERE t.privilege = 'INSERT'
)
SELECT format('GRANT USAGE ON SCHEMA %I TO %I;', home, current_user) AS repair, true AS needed, NULL::text AS why
FROM tables WHERE NOT has_schema_privilege(schema_id, 'USAGE') GROUP BY home
UNION ALL
SELECT CASE WHEN id IS NOT NULL THEN format('GRANT %s ON %s TO %I;', string_agg(privilege, ', '), full_name, current_user) END, true,
  CASE WHEN id IS NULL THEN format('There is no table %s: is this the database of the booking system?', full_name) END
FROM tables WHERE id IS NULL OR NOT has_table_privilege(id, privilege) GROUP BY id, full_name
UNION ALL
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', full_name, current_user), true, NULL
FROM sequences WHERE NOT has_sequence_privilege(oid, 'USAGE');
`;
}

const uninstall = `-- Removes all objects of the bridge from the booking system and leaves its data unchanged; see sql/mrbs/90_uninstall.sql.
DO $triggers$
DECLARE
  t record;
BEGIN
  FOR t IN SELECT w.table_name FROM public.bridge_watched w LOOP
    PERFORM public.bridge_unwatch(t.table_name);
    COMMIT;
  END LOOP;
END $triggers$;
DROP FUNCTION IF EXISTS public.bridge_import_item(jsonb), public.bridge_change_item(text, bigint, jsonb), public.bridge_change_item(text, text, jsonb),
  public.bridge_cancel_item(text, bigint, text), public.bridge_cancel_item(text, text, text);
DROP VIEW IF EXISTS public.bridge_items, public.bridge_resources;
`;
