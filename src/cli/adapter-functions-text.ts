/** The functions of a new adapter, from what was guessed of a schema. */
import type { Column, Guess } from './adapter-guess.ts';
import { instant, isNumber, name, needsZone, of, states, tableName, times, zone } from './adapter-words.ts';

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

/** The file 20_functions.sql; `values`: those found in the column that says the state. */
export function functions(guess: Guess, type: string, values: readonly string[]): string {
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
${guess.otherTimes.length === 0 ? '' : `-- These columns keep the times, too, and are not written yet, by an INSERT or an UPDATE: ${guess.otherTimes.join(', ')}\n`}${guess.needed.length === 0 ? '' : `-- An INSERT must fill these columns too, and does not yet: ${guess.needed.join(', ')}\n`}${guess.related.length === 0 ? '' : `-- Other tables hang on a booking: ${guess.related.slice(0, 8).join(', ')}. Which of them get a row, too, or change with it?\n`}
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
  IF change = '{}' THEN
    RETURN '{}'; -- it is only to be locked
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
