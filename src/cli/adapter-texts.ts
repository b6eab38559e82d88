/** The files of a new adapter, from what was guessed of a schema. */
import type { Column, Guess } from './adapter-guess.ts';

const zone = `(SELECT value FROM public.bridge_settings WHERE name = 'timezone')`;

/** Words that PostgreSQL reserves and systems use as names of columns. */
const reserved =
  /^(from|to|end|user|order|group|when|desc|check|default|table|column|all|for|in|is|on|or|and|as|not|null)$/;

const name = (text: string) =>
  /^[a-z_][a-z0-9_]*$/.test(text) && !reserved.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
const tableName = (table: string) => table.split('.').map(name).join('.');
const of = (alias: string, { column }: Column) => `${alias}.${name(column)}`;

/** An instant, from the column as the system keeps it; `zone`: what holds the zone of the booking system. */
function instant({ clock, starts, ends, utc }: Guess, which: 'starts' | 'ends', zone: string): string {
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

/** What the system keeps of an instant that is in the variable `value`; `zone` is a variable, too. */
function kept({ clock, starts, utc }: Guess, value: string): string {
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

/** Whether the functions have a use for the zone of the booking system. */
const needsZone = ({ clock, utc }: Guess) => clock === 'date' || (/wall clock/.test(clock) && utc === null);

/** The assignments of both times, as pairs of column and expression. */
function times(guess: Guess): readonly (readonly [string, string])[] {
  const [from, to] = [kept(guess, 'starts'), kept(guess, 'ends')];
  if (guess.clock === 'range') return [[name(guess.starts.column), `tstzrange(${from}, ${to})`]];
  if (guess.clock === 'wall clock range') return [[name(guess.starts.column), `tsrange(${from}, ${to})`]];
  return [
    [name(guess.starts.column), from],
    [name(guess.ends.column), guess.clock === 'date' ? `${to} - 1` : to],
  ];
}

const gone = /cancel|delet|reject|declin|void|avlys|storn|inactive/i;
const waiting = /pend|await|request|tentativ|unconfirm|draft|hold|proposed|forespurt|foreløpig/i;
/** A flag that says that somebody agreed: without it a booking waits. */
const agreed = /approv|confirm|accept/i;

interface States {
  /** A condition over `b`. */
  readonly active: string;
  /** Another one: active or awaiting. */
  readonly alive?: string;
  /** The column `state` of the view; null: `active` says all. */
  readonly state: string | null;
  /** The assignment that cancels; null: the row is deleted. */
  readonly cancel: string | null;
  /** What an INSERT writes into the column; null: nothing. */
  readonly fresh: string | null;
}

/** Whether a row is active, how one is cancelled, and what a new one has. */
function states({ state }: Guess, values: readonly string[]): States {
  if (state === null) return { active: 'true', state: null, cancel: null, fresh: null };
  const [column, own] = [of('b', state), name(state.column)];
  const negative = gone.test(state.column);
  if (state.type === 'boolean' && agreed.test(state.column)) {
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

const isNumber = (column: Column) => /^(smallint|integer|bigint)$/.test(column.type);

/** What a view adds for a key that is no number: its number, found from the key, and the key's index, found from the number. */
function numberOf(alias: string, kind: string, keyed: string, column: Column): string {
  const back =
    column.type === 'uuid'
      ? ` AND ${keyed} = public.bridge_uuid(${alias}.key)`
      : /^(text|character( varying)?)$/.test(column.type)
        ? ` AND ${keyed} = ${alias}.key`
        : '';
  return `LEFT JOIN public.bridge_key ${alias} ON ${alias}.kind = ${kind} AND ${alias}.key = ${keyed}::text${back}`;
}

/** The files by their names; `values`: those found in the column that says the state. */
export function adapterTexts(guess: Guess, values: readonly string[]): Readonly<Record<string, string>> {
  const type = literal(
    guess.table.split('.')[1]!.replace(/ies$/, 'y').replace(/s$/, '').toLowerCase().replace(/\W/g, '_'),
  );
  return {
    '00_rights.sql': rights(guess),
    '10_view.sql': view(guess, type, values),
    ...(guess.rooms === null ? {} : { '11_resources.sql': resources(guess.rooms) }),
    '20_functions.sql': functions(guess, type, values),
    '30_watch.sql': watch(guess, type),
    '40_defaults.sql': `INSERT INTO public.bridge_settings (name, value) VALUES ('reservation_types', ${type})
ON CONFLICT (name) DO UPDATE SET value = excluded.value;
`,
    '90_uninstall.sql': uninstall,
  };
}

function view(guess: Guess, type: string, values: readonly string[]): string {
  const { id, room, link, title, description, organizer, email, zones } = guess;
  const table = tableName(guess.table);
  const isNarrow = id.type === 'integer' || id.type === 'smallint';
  const isPublic = guess.private !== null && /public/i.test(guess.private.column);
  const flag = guess.private === null ? null : of('b', guess.private);
  const isPrivate =
    flag === null
      ? 'false'
      : guess.private!.type === 'boolean'
        ? isPublic
          ? `NOT ${flag}`
          : flag
        : `${flag} = ${isPublic ? '0' : '1'}`;
  const text = (column: Column | null) => (column === null ? 'NULL::text' : `${of('b', column)}::text`);
  const roomAt = room === null ? 'NULL' : of(link === null ? 'b' : 'l', room);
  const { active, state } = states(guess, values);
  // not scheduled yet
  const scheduled = [...new Set([guess.starts, guess.ends])].filter(({ isNotNull }) => !isNotNull);
  const notes = [
    `-- A guess by \`adapter new\`: ${guess.table} is the table of bookings${guess.others.length === 0 ? '' : ` (or ${guess.others.slice(0, 5).join(', ')}?)`}. The contract is sql/README.md.`,
    guess.clock === 'wall clock' || guess.clock === 'wall clock range' || guess.clock === 'date'
      ? guess.utc === null
        ? `-- Its times have no zone: are they local times of BOOKING_TIMEZONE, as is taken here, or UTC?${zones.length === 0 ? '' : ` ${zones.slice(0, 3).join(', ')} looks like a zone of its own.`}`
        : `-- Its times have no zone and are taken for UTC: ${guess.utc}.`
      : guess.clock === 'seconds'
        ? '-- Its times are taken as seconds since 1970.'
        : '-- Its times are instants.',
    guess.state === null
      ? '-- No column says that a booking is cancelled: does the system delete it?'
      : `-- ${guess.state.column} says whether it ${state === null || states(guess, values).cancel !== null ? 'is cancelled' : 'waits for approval; the system is taken to be one that deletes what is cancelled'}${values.length === 0 ? '' : `; values found: ${values.join(', ')}`}${guess.otherStates.length === 0 ? '' : ` (and ${guess.otherStates.join(', ')}?)`}. Awaiting approval is not active yet.`,
    room !== null && guess.rooms === null
      ? `-- No table was found for the rooms of ${room.column}: what are they, and who keeps bookings out of rooms that are none?`
      : null,
    room === null ? '-- No column leads to a room: say where it hangs.' : null,
    room !== null && !isNumber(room)
      ? `-- Rooms are ${room.type} here: bridge_key has a number for each (sql/README.md, "Keys").`
      : null,
    isNumber(id)
      ? null
      : `-- Ids are ${id.type} here: bridge_key has a number for each, and is joined so that both ways reach an index.`,
    isNarrow
      ? '-- The table is joined with itself so that a filter on reservation_id, a bigint, reaches the index of an integer.'
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
FROM ${isNarrow ? `${table} k\nJOIN ${table} b ON ${of('b', id)} = ${of('k', id)}::bigint AND ${of('k', id)} = ANY (ARRAY[${of('b', id)}])` : `${table} b`}${link === null ? '' : `\nJOIN ${tableName(`${link.schema}.${link.table}`)} l ON ${of('l', link)} = ${of('b', id)}`}${isNumber(id) ? '' : `\n${numberOf('k', type, of('b', id), id)}`}${room === null || isNumber(room) ? '' : `\n${numberOf('c', "''", roomAt, room)}`}
CROSS JOIN (SELECT ${zone} AS value OFFSET 0) z -- once per query
CROSS JOIN LATERAL (SELECT ${instant(guess, 'starts', 'z.value')} AS starts_at, ${instant(guess, 'ends', 'z.value')} AS ends_at) t${scheduled.length === 0 ? '' : `\nWHERE ${scheduled.map((column) => `${of('b', column)} IS NOT NULL`).join(' AND ')}`};
`;
}

/** What can be booked, for `mappings match`. */
function resources({ table, key, name: title }: NonNullable<Guess['rooms']>): string {
  const [id, key_] = isNumber(key)
    ? [`${of('r', key)}::integer`, '']
    : ['c.id::integer', `,\n       ${of('r', key)}::text AS resource_key`];
  return `-- What can be booked, by name, for people at the command line. Is a room in use, and in which building is it?
CREATE OR REPLACE VIEW public.bridge_resources AS
SELECT ${id} AS resource_id,
       ${title === null ? `${of('r', key)}::text` : `${of('r', title)}::text`} AS name,
       NULL::text AS building,
       true AS active${key_}
FROM ${tableName(table)} r${isNumber(key) ? '' : `\nLEFT JOIN public.bridge_key c ON c.kind = '' AND c.key = ${of('r', key)}::text`};
`;
}

function watch({ table, id, room, link, ...rest }: Guess, type: string): string {
  const read = [
    rest.starts,
    rest.ends,
    rest.title,
    rest.description,
    rest.email,
    rest.organizer,
    rest.private,
    rest.state,
  ];
  const own = [...read, link === null ? room : null].flatMap((column) =>
    column === null ? [] : [column.column],
  );
  const list = [...new Set(own)].map((column) => (/^\w+$/.test(column) ? column : `"${column}"`)).join(',');
  const first = `-- The tables that bridge_items reads, and which reservations a row of each belongs to (sql/README.md, "30_watch.sql").
SELECT public.bridge_watch_table(${literal(tableName(table))}, $$SELECT ${type}, ${of('changed', id)}$$, ${literal(`{${list}}`)});
`;
  if (link === null || room === null) return first;
  return `${first}SELECT public.bridge_watch_table(${literal(tableName(`${link.schema}.${link.table}`))}, $$SELECT ${type}, ${of('changed', link)}$$, ${literal(`{${room.column}}`)});
`;
}

interface Field {
  /** The key of the jsonb. */
  readonly key: string;
  /** Of the table, quoted. */
  readonly column: string;
  /** What the column gets, given the name of the jsonb. */
  readonly from: (json: string) => string;
}

/** What the functions write beside times and room. */
function fields({ title, description, organizer, email, private: secret }: Guess): readonly Field[] {
  const text = (key: string, column: Column | null): readonly Field[] =>
    column === null
      ? []
      : [
          {
            key,
            column: name(column.column),
            from: (json) =>
              column.isNotNull ? `coalesce(${json} ->> '${key}', '')` : `${json} ->> '${key}'`,
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

function functions(guess: Guess, type: string, values: readonly string[]): string {
  const { id, room, link } = guess;
  const table = tableName(guess.table);
  const { active, alive = active, cancel, fresh } = states(guess, values);
  const overlap = `${instant(guess, 'starts', 'zone')} < ends AND ${instant(guess, 'ends', 'zone')} > starts AND ${active}`;
  const declared = needsZone(guess) ? `\n  zone constant text := ${zone};` : '';
  const own = fields(guess);
  const isSimple = room !== null && link === null;
  const [byKey, roomByKey] = [!isNumber(id), room !== null && !isNumber(room)];
  // how the row of an id is found, and what is given and named by it
  const given = byKey ? 'key' : 'id';
  const isRow =
    id.type === 'uuid'
      ? `${of('b', id)} = bridge_uuid($2)`
      : byKey
        ? `${of('b', id)}::text = $2`
        : `${of('b', id)} = $2`;
  const argument = byKey ? 'key text' : 'id bigint';
  const made = byKey ? 'reservation_key' : 'reservation_id';
  const rooms = roomByKey ? 'resource_keys' : 'resource_ids';
  const head = (signature: string, returns: string) =>
    `CREATE OR REPLACE FUNCTION public.${signature}${returns}
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $body$`;
  if (!isSimple)
    return `-- Not written yet: the room of a booking stands in another table. sql/README.md says what each has to do, and
-- sql/portico/20_functions.sql does it for rooms in a table of their own.
${head(`bridge_import_item(item jsonb, OUT reservation_type text, OUT ${made} ${byKey ? 'text' : 'bigint'})`, '')}
BEGIN
  RAISE EXCEPTION 'bridge_import_item is not written yet' USING ERRCODE = '0A000';
END $body$;
${head(`bridge_change_item(type text, ${argument}, change jsonb)`, ' RETURNS text[]')}
BEGIN
  RAISE EXCEPTION 'bridge_change_item is not written yet' USING ERRCODE = '0A000';
END $body$;
${head(`bridge_cancel_item(type text, ${argument}, note text)`, ' RETURNS boolean')}
BEGIN
  RAISE EXCEPTION 'bridge_cancel_item is not written yet' USING ERRCODE = '0A000';
END $body$;
${revoke(byKey)}`;
  const inserted = [
    [name(room.column), 'room'] as const,
    ...times(guess),
    ...own.map(({ column, from }) => [column, from('item')] as const),
    ...(guess.state === null || fresh === null ? [] : [[name(guess.state.column), fresh] as const]),
  ];
  return `-- What the bridge may do to a booking. A guess: what else does the system write when its own people book?
${guess.needed.length === 0 ? '' : `-- An INSERT must fill these columns too, and does not yet: ${guess.needed.join(', ')}\n`}${guess.related.length === 0 ? '' : `-- Other tables hang on a booking: ${guess.related.slice(0, 8).join(', ')}. Which of them get a row, too, or change with it?\n`}
-- Makes a booking of an Outlook meeting. \`overlap\`: 'refuse' (the default; error 23P01 when the room is taken) or 'allow'.
${head(`bridge_import_item(item jsonb, OUT reservation_type text, OUT ${made} ${byKey ? 'text' : 'bigint'})`, '')}
DECLARE
  starts constant timestamptz := (item ->> 'starts_at')::timestamptz;
  ends constant timestamptz := (item ->> 'ends_at')::timestamptz;
  room ${room.type};${declared}
BEGIN
  IF jsonb_array_length(item -> '${rooms}') IS DISTINCT FROM 1 THEN
    RAISE EXCEPTION 'A booking has one room, not %.', item ->> '${rooms}' USING ERRCODE = '22023';
  END IF;
  IF starts IS NULL OR ends IS NULL OR ends < starts THEN
    RAISE EXCEPTION 'A booking needs a start and an end that is not before it.' USING ERRCODE = '22023';
  END IF;
  room := (item -> '${rooms}' ->> 0)::${room.type};
${
  guess.rooms === null
    ? ''
    : `  IF NOT EXISTS (SELECT FROM ${tableName(guess.rooms.table)} r WHERE ${of('r', guess.rooms.key)} = room) THEN
    RAISE EXCEPTION 'There is no room %.', room USING ERRCODE = '23503';
  END IF;
`
}  INSERT INTO ${table} (${inserted.map(([column]) => column).join(', ')})
  SELECT ${inserted.map(([, value]) => value).join(', ')}
  -- tested in the statement that writes, so that nothing comes between
  WHERE item ->> 'overlap' = 'allow' OR NOT EXISTS (
    SELECT FROM ${table} b WHERE ${of('b', room)} = room AND ${overlap})
  RETURNING ${name(id.column)} INTO ${made};
  IF ${made} IS NULL THEN
    RAISE EXCEPTION 'The time is taken in room %.', room USING ERRCODE = '23P01';
  END IF;
  reservation_type := ${type};
END $body$;

-- Changes a booking and returns the keys that it now shows as asked for.
${head(`bridge_change_item(type text, ${argument}, change jsonb)`, ' RETURNS text[]')}
DECLARE
  was record;
  starts timestamptz;
  ends timestamptz;
  place ${room.type};${declared}
BEGIN
  PERFORM FROM ${table} b WHERE ${isRow} AND $1 = ${type} FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no % %.', type, ${given} USING ERRCODE = 'P0002';
  END IF;
  SELECT * INTO was FROM bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = ${byKey ? 'bridge_key_id($1, $2)' : '$2'};
  starts := coalesce((change ->> 'starts_at')::timestamptz, was.starts_at);
  ends := coalesce((change ->> 'ends_at')::timestamptz, was.ends_at);
${roomByKey && !byKey ? '  change := bridge_with_keys(change);\n' : ''}  place := coalesce((change -> '${rooms}' ->> 0)::${room.type}, was.${roomByKey ? 'resource_key' : 'resource_id'}${roomByKey ? `::${room.type}` : ''});
  IF ends < starts OR jsonb_array_length(change -> '${rooms}') <> 1 THEN
    RAISE EXCEPTION '% % needs one room, and an end that is not before its start.', type, ${given} USING ERRCODE = '22023';
  END IF;
  IF change ->> 'overlap' = 'refuse' AND EXISTS (
    SELECT FROM ${table} b WHERE ${of('b', room)} = place AND NOT (${isRow}) AND ${overlap}) THEN
    RAISE EXCEPTION 'The time is taken in room %.', place USING ERRCODE = '23P01';
  END IF;
  UPDATE ${table} b SET ${[
    `${name(room.column)} = place`,
    ...times(guess).map(([column, value]) => `${column} = ${value}`),
    ...own.map(
      ({ key, column, from }) =>
        `${column} = CASE WHEN change ? '${key}' THEN ${from('change')} ELSE b.${column} END`,
    ),
  ].join(',\n    ')}
  WHERE ${isRow};
  RETURN bridge_stored_keys(type, ${given}, change);
END $body$;

${
  cancel === null
    ? `-- Cancels a booking as the system is taken to do, by deleting it.
${head(`bridge_cancel_item(type text, ${argument}, note text)`, ' RETURNS boolean')}
BEGIN
  DELETE FROM ${table} b WHERE ${isRow} AND $1 = ${type};
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no % %.', type, ${given} USING ERRCODE = 'P0002';
  END IF;
  RETURN true;
END $body$;`
    : `-- Cancels a booking. False: it was cancelled already.
${head(`bridge_cancel_item(type text, ${argument}, note text)`, ' RETURNS boolean')}
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
${revoke(byKey)}`;
}

const revoke = (byKey: boolean) => {
  const takes = byKey ? 'text' : 'bigint';
  return `REVOKE EXECUTE ON FUNCTION public.bridge_import_item(jsonb), public.bridge_change_item(text, ${takes}, jsonb),
  public.bridge_cancel_item(text, ${takes}, text) FROM PUBLIC;
${byKey ? '\n-- What takes a number, as the bridge calls it, from what takes a key.\nSELECT public.bridge_by_key();\n' : ''}`;
};

/** A row of VALUES for each right on each table. */
function rights({ table, link, rooms }: Guess): string {
  const all = 'SELECT INSERT UPDATE DELETE TRIGGER';
  const wanted: readonly (readonly [table: string, rights: string])[] = [
    [table, all],
    ...(link === null ? [] : [[`${link.schema}.${link.table}`, all] as const]),
    ...(rooms === null ? [] : [[rooms.table, 'SELECT'] as const]),
  ];
  const rows = wanted.map(([one, needed]) => {
    const [home, ...rest] = one.split('.');
    return `  (${literal(home!)}, ${literal(rest.join('.'))}, '${needed}')`;
  });
  return `-- What our role still lacks, as statements for the DBA. A line for each table: put in those that you read or write besides, and
-- ask for less once you know which columns are read (sql/mrbs/00_rights.sql).
WITH wants (home, name, rights) AS (VALUES
${rows.join(',\n')}
), tables AS (
  -- not to_regclass: it fails in a schema that our role may not use
  SELECT w.*, r AS privilege, n.oid AS schema_id, c.oid AS id, format('%I.%I', w.home, w.name) AS full_name
  FROM wants w CROSS JOIN unnest(string_to_array(w.rights, ' ')) r
  LEFT JOIN pg_namespace n ON n.nspname = w.home LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
), sequences AS MATERIALIZED (
  SELECT s.oid, s.oid::regclass::text AS full_name FROM tables t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.id AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' WHERE t.privilege = 'INSERT'
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

const uninstall = `-- Takes everything of ours out of the booking system and leaves its data alone; see sql/mrbs/90_uninstall.sql.
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
