-- Watched tables: what an adapter declares (sql/README.md), and the one template from which their triggers are made.
--
-- A booking write never fails, waits or slows noticeably because of a trigger:
--   * one call per statement, however many rows it wrote. Where a row's key is its reservation, an UPDATE notes each row that
--     it wrote: to compare old and new costs the booking more than to note a row that the fold then finds unchanged. Where a
--     row leads to other reservations, only what changed in a declared column is noted;
--   * rows are only added to bridge_changes, which has no index, so there is no row two bookings could wait for; a table
--     lock (a DBA rebuilds bridge_changes) is waited for 100 ms and no longer;
--   * any error becomes a WARNING, and a number drawn from bridge_missed_seq makes the bridge compare all rooms. A cancelled
--     statement (statement_timeout) cannot be saved this way, so the trigger does as little as possible.
-- The function runs with the rights of its owner, because the booking system's own role has none on our tables. Setting a
-- search_path in each call costs more than writing the row, so every name in the template has its schema, operators too, and no
-- session can make it use another object. docs/decisions/009-watched-tables.md.

-- The table of that name, also in a schema our role may not use. Throws 42P01 or 42501, with the statement that helps.
CREATE OR REPLACE FUNCTION bridge_watched_table(named text) RETURNS regclass LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $table$
DECLARE
  parts constant text[] := parse_ident(named);
  home constant text := CASE WHEN cardinality(parts) > 1 THEN parts[1] ELSE 'public' END;
  found oid;
BEGIN
  SELECT c.oid INTO found FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = home AND c.relname = parts[cardinality(parts)];
  IF found IS NULL THEN
    RAISE EXCEPTION 'There is no table %', named
      USING ERRCODE = '42P01', HINT = 'Write it as schema.table in the declaration; without a schema it is public.';
  END IF;
  IF NOT has_schema_privilege(home, 'USAGE') THEN
    RAISE EXCEPTION 'The role % may not use the schema of %', current_user, found::regclass USING ERRCODE = '42501',
      HINT = format('Let a DBA run: GRANT USAGE ON SCHEMA %I TO %I; GRANT TRIGGER ON %s TO %2$I;', home, current_user, found::regclass);
  END IF;
  RETURN found;
END $table$;

-- Makes the triggers bridge_insert, bridge_update and so on that call a function after each statement that writes to a table, and
-- to each of its partitions, because a statement that names a partition fires the triggers of that partition only. An existing
-- trigger is left as it is, enabled or not; one that calls another function or has other transition tables is replaced, and the former
-- function is dropped with its last trigger. With REKEY among the events, bridge_update gets the new rows only, and bridge_rekey is
-- called for each row in which one of the columns `named` changed. Returns how many triggers were made.
CREATE OR REPLACE FUNCTION bridge_make_triggers(watched regclass, calls text, events text[], named text[]) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $make$
DECLARE
  wanted record;
  setting text;
  made integer := 0;
BEGIN
  FOR wanted IN
    SELECT leaf.id, e.event, 'bridge_' || lower(e.event) AS name, t.tgfoid AS called, coalesce(t.tgenabled, u.tgenabled) AS enabled
    FROM (SELECT watched AS id UNION SELECT relid FROM pg_partition_tree(watched)) AS leaf
    CROSS JOIN unnest(events) AS e (event)
    LEFT JOIN pg_trigger t ON t.tgrelid = leaf.id AND t.tgname = 'bridge_' || lower(e.event)
    LEFT JOIN pg_trigger u ON e.event = 'REKEY' AND u.tgrelid = leaf.id AND u.tgname = 'bridge_update'
    CROSS JOIN LATERAL (SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = leaf.id AND a.attnum = ANY (t.tgattr)) AS columns) o
    WHERE t.tgfoid IS DISTINCT FROM calls::regproc OR e.event = 'UPDATE' AND (t.tgoldtable IS NULL) <> ('REKEY' = ANY (events))
      OR e.event = 'REKEY' AND NOT (o.columns @> named AND o.columns <@ named)
  LOOP
    IF NOT has_table_privilege(wanted.id, 'TRIGGER') THEN
      RAISE EXCEPTION 'The role % may not make a trigger on %', current_user, wanted.id::regclass USING ERRCODE = '42501',
        HINT = format('Let a DBA run: GRANT TRIGGER ON %s TO %I;', wanted.id::regclass, current_user);
    END IF;
    IF wanted.event = 'REKEY' THEN
      -- a statement that does not set these columns pays nothing for it
      EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER UPDATE OF %s ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s()',
        wanted.name, (SELECT string_agg(quote_ident(c), ', ') FROM unnest(named) c), wanted.id::regclass,
        (SELECT string_agg(format('pg_catalog.record_image_ne(ROW(OLD.%I), ROW(NEW.%1$I))', c), ' OR ') FROM unnest(named) c), calls);
    ELSE
      EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION %s()',
        wanted.name, wanted.event, wanted.id::regclass,
        CASE wanted.event WHEN 'INSERT' THEN 'REFERENCING NEW TABLE AS new_rows'
                          WHEN 'UPDATE' THEN concat('REFERENCING ', CASE WHEN NOT 'REKEY' = ANY (events) THEN 'OLD TABLE AS old_rows ' END, 'NEW TABLE AS new_rows')
                          WHEN 'DELETE' THEN 'REFERENCING OLD TABLE AS old_rows' END, calls);
    END IF;
    -- CREATE enables a replaced trigger; only the owner of the table may restore the former setting
    IF wanted.enabled <> 'O' THEN
      setting := format('ALTER TABLE ONLY %s %s TRIGGER %I', wanted.id::regclass,
        CASE wanted.enabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'DISABLE' END, wanted.name);
      IF pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = wanted.id), 'USAGE') THEN
        EXECUTE setting;
      ELSIF wanted.enabled <> 'D' THEN
        RAISE WARNING 'A trigger of % was made anew. To have it as it was let the owner of the table run: %', wanted.id::regclass, setting;
      END IF;
    END IF;
    made := made + 1;
    IF wanted.called IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = wanted.called) THEN
      EXECUTE format('DROP FUNCTION %s', wanted.called::regprocedure);
    END IF;
  END LOOP;
  IF NOT 'REKEY' = ANY (events) AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = watched AND t.tgname = 'bridge_rekey') THEN
    EXECUTE format('DROP TRIGGER bridge_rekey ON %s', watched);
  END IF;
  RETURN made;
END $make$;

-- The condition that one column is the same before and after, with the equality operator of its type's index and the schema of that
-- operator, because an operator without a schema is resolved by the session's search_path. NULL: the type has none.
CREATE OR REPLACE FUNCTION bridge_equality(watched regclass, named text) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $equality$
  WITH RECURSIVE below (id) AS (
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = watched AND a.attname = named
    UNION ALL SELECT t.typbasetype FROM below JOIN pg_type t ON t.oid = below.id WHERE t.typtype = 'd'
  )
  SELECT format('o.%I OPERATOR(%I.%s) n.%1$I', named, n.nspname, p.oprname)
  FROM below JOIN pg_type t ON t.oid = below.id AND t.typtype <> 'd', pg_opclass c
  JOIN pg_am a ON a.oid = c.opcmethod AND a.amname = 'btree'
  JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
  JOIN pg_operator p ON p.oid = m.amopopr JOIN pg_namespace n ON n.oid = p.oprnamespace
  WHERE c.opcdefault AND (c.opcintype = t.oid OR t.typtype = 'e' AND c.opcintype = 'anyenum'::regtype
    OR EXISTS (SELECT FROM pg_cast s
               WHERE s.castsource = t.oid AND s.casttarget = c.opcintype AND s.castmethod = 'b' AND s.castcontext = 'i'))
  ORDER BY c.opcintype = t.oid DESC LIMIT 1
$equality$;

-- Whether a declaration names reservations by keys that are not numbers. No table is read.
CREATE OR REPLACE FUNCTION bridge_names_keys(watched regclass, reservations text) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $names$
DECLARE
  row_ constant text := (SELECT string_agg(format('NULL::%s AS %I', format_type(a.atttypid, a.atttypmod), a.attname), ', ' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = watched AND a.attnum > 0 AND NOT a.attisdropped);
  type text;
BEGIN
  IF reservations ~* ',\s*NULL\s*$' THEN
    RETURN false;
  END IF;
  EXECUTE format('SELECT pg_typeof(r.id)::text FROM (SELECT %s) AS changed LEFT JOIN LATERAL (%s) AS r (type, id) ON true LIMIT 1',
    row_, reservations) INTO type;
  RETURN type NOT IN ('smallint', 'integer', 'bigint', 'numeric');
EXCEPTION WHEN OTHERS THEN
  RETURN false; -- its error is reported when its trigger is tried
END $names$;

-- How an UPDATE of a table is recorded. `new`: each written row, because its key is the reservation; bridge_rekey records changes of the
-- key itself. `both`: each row before and after, where a row trigger cannot detect such a change: the table has no key, rows of other
-- tables may be written (partitions, children), or a trigger may change a key that the statement does not set. `compared`: only rows
-- with a change in a declared column, because finding their reservations is expensive.
CREATE OR REPLACE FUNCTION bridge_way_of(watched regclass, reservations text, keys text[], named text[]) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $way$
  SELECT CASE
    WHEN cardinality(named) = 0 THEN 'compared'
    WHEN cardinality(keys) = 0 THEN 'both'
    WHEN NOT named <@ keys OR reservations ~* '\mFROM\M' THEN 'compared'
    WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = watched) OR EXISTS (SELECT FROM pg_class c WHERE c.oid = watched AND c.relkind = 'p')
      -- BEFORE UPDATE FOR EACH ROW
      OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = watched AND NOT t.tgisinternal AND t.tgtype & 19 = 19) THEN 'both'
    ELSE 'new' END
$way$;

-- The body of the trigger function of one table. `keys`: the columns of its primary key, none if it has none; `named`: the
-- columns that `reservations` names; `compared`: those whose change counts; `way`: see bridge_way_of.
--
-- Each transaction prepares each expression of the function anew, with all functions and operators in it. Therefore the most
-- frequent branch compares one name, the second lock has an IF of its own, and the result, which PostgreSQL ignores, is NEW and not
-- the expression NULL.
--
-- For `SELECT 'event', changed.id` and the key `id`, as in sql/portico, it is (a test compares them):
--   BEGIN
--     IF TG_NAME OPERATOR(pg_catalog.=) 'bridge_update' THEN
--       INSERT INTO public.bridge_changes (reservation_type, reservation_id)
--       SELECT 'event', changed.id::bigint
--       FROM new_rows AS changed;
--     ELSIF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
--       INSERT INTO public.bridge_changes (reservation_type, reservation_id)
--       SELECT 'event', changed.id::bigint
--       FROM new_rows AS changed;
--     ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
--       INSERT INTO public.bridge_changes (reservation_type, reservation_id)
--       SELECT 'event', changed.id::bigint
--       FROM old_rows AS changed;
--     ELSIF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN
--       INSERT INTO public.bridge_changes (reservation_type, reservation_id)
--       VALUES (NULL, NULL);
--     ELSIF TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' THEN
--       INSERT INTO public.bridge_changes (reservation_type, reservation_id)
--       SELECT 'event', changed.id::bigint
--       FROM (SELECT OLD.id AS id) AS changed;
--     ELSE -- an UPDATE, and the trigger was renamed
--       INSERT INTO public.bridge_changes (reservation_type, reservation_id)
--       SELECT 'event', changed.id::bigint
--       FROM new_rows AS changed;
--     END IF;
--     IF pg_catalog.pg_try_advisory_lock_shared(7230912, 1) THEN
--       IF pg_catalog.pg_advisory_unlock_shared(7230912, 1) AND FOUND
--         AND NOT (pg_catalog.pg_try_advisory_lock(7230912, 6) AND pg_catalog.pg_advisory_unlock(7230912, 6))
--       THEN
--         PERFORM public.bridge_wake();
--       END IF;
--     END IF;
--     RETURN NEW;
--   EXCEPTION WHEN OTHERS THEN
--     BEGIN
--       PERFORM pg_catalog.nextval('public.bridge_missed_seq');
--     EXCEPTION WHEN OTHERS THEN
--       NULL; -- even this may fail; the sweep finds the change
--     END;
--     RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
--     RETURN NEW;
--   END
CREATE OR REPLACE FUNCTION bridge_watch_body(watched regclass, reservations text, keys text[], named text[], compared text[], way text)
RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  same constant text := (SELECT string_agg(public.bridge_equality(watched, k), ' AND ') FROM unnest(keys) k);
  differs constant text := (
    SELECT string_agg(CASE
        -- compared as it is stored: json, a point
        WHEN e.same IS NULL THEN format('pg_catalog.record_image_ne(ROW(o.%I), ROW(n.%1$I))', c.name)
        WHEN a.attnotnull THEN format('(%s) IS NOT TRUE', e.same)
        ELSE format('(%s) IS NOT TRUE AND (o.%I IS NOT NULL OR n.%2$I IS NOT NULL)', e.same, c.name) END, ' OR ' ORDER BY c.place)
    FROM unnest(compared) WITH ORDINALITY AS c (name, place)
    JOIN pg_attribute a ON a.attrelid = watched AND a.attname = c.name,
    LATERAL (SELECT public.bridge_equality(watched, c.name) AS same) e);
  list constant text := (SELECT string_agg(quote_ident(c), ', ') FROM unnest(named) c);
  -- the key determines the reservations, so an UPDATE cannot move a row to others
  is_key constant boolean := named <@ keys AND cardinality(named) > 0;
  -- and no two rows have the same reservation
  is_unique constant boolean := is_key AND named @> keys AND reservations !~* '\mFROM\M';
  has_keys constant boolean := public.bridge_names_keys(watched, reservations);
  type constant text := CASE WHEN has_keys THEN 'text' ELSE 'bigint' END;
  -- type and column of a query that reads one column of the row and nothing else
  plain constant text[] := regexp_match(reservations, '^\s*SELECT\s+(''[^''\\]*'')\s*,\s*(changed\.("[^"]+"|\w+))\s*$', 'i');
  changed text;
BEGIN
  changed := CASE
    WHEN way = 'new' THEN 'new_rows'
    WHEN way = 'both' THEN format('(SELECT %s FROM old_rows UNION SELECT %1$s FROM new_rows)', list)
    WHEN cardinality(keys) = 0 THEN '(SELECT FROM new_rows)' -- and no column is named
    WHEN cardinality(named) = 0 THEN format('(SELECT FROM old_rows AS o FULL JOIN new_rows AS n ON %s WHERE %s)', same, differs)
    WHEN is_key THEN format('(SELECT %s FROM old_rows AS o FULL JOIN new_rows AS n ON %s WHERE %s)',
      (SELECT string_agg(format('coalesce(n.%I, o.%1$I) AS %1$I', c), ', ') FROM unnest(named) c), same, differs)
    -- before and after: a row may have moved from one reservation to another
    ELSE format('(SELECT b.* FROM old_rows AS o FULL JOIN new_rows AS n ON %s CROSS JOIN LATERAL (VALUES (%s), (%s)) AS b (%s) WHERE %s)',
      same, (SELECT string_agg(format('o.%I', c), ', ') FROM unnest(named) c),
      (SELECT string_agg(format('n.%I', c), ', ') FROM unnest(named) c), list, differs)
  END;
  RETURN concat('
BEGIN', (
    SELECT string_agg(format($branch$
  %s
    INSERT INTO public.bridge_changes (reservation_type, %s)
    %s;$branch$,
      CASE WHEN condition IS NULL THEN 'ELSE -- an UPDATE, and the trigger was renamed'
        ELSE concat(CASE place WHEN 1 THEN 'IF ' ELSE 'ELSIF ' END, condition, ' THEN') END,
      CASE WHEN has_keys THEN 'reservation_key' ELSE 'reservation_id' END,
      CASE WHEN rows IS NULL THEN 'VALUES (NULL, NULL)' ELSE concat(
        'SELECT ', CASE WHEN NOT is_unique THEN 'DISTINCT ' END, coalesce(plain[1] || ', ' || plain[2], 'r.type, r.id'), '::', type, '
    FROM ', rows, ' AS changed', CASE WHEN plain IS NULL THEN concat(' CROSS JOIN LATERAL (', reservations, ') AS r (type, id)') END,
        -- a row whose key is NULL belongs to no reservation; a declaration that names no column asks for a comparison
        CASE WHEN cardinality(named) > 0 AND (plain IS NULL OR NOT is_key) THEN format(' WHERE %s IS NOT NULL', coalesce(plain[2], 'r.id')) END) END), '' ORDER BY place)
    FROM unnest(
        ARRAY[CASE way WHEN 'new' THEN $$TG_NAME OPERATOR(pg_catalog.=) 'bridge_update'$$ ELSE $$TG_OP OPERATOR(pg_catalog.=) 'UPDATE'$$ END,
          $$TG_OP OPERATOR(pg_catalog.=) 'INSERT'$$, $$TG_OP OPERATOR(pg_catalog.=) 'DELETE'$$, $$TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE'$$,
          $$TG_LEVEL OPERATOR(pg_catalog.=) 'ROW'$$, NULL],
        ARRAY[changed, 'new_rows', 'old_rows', NULL,
          format('(SELECT %s)', (SELECT string_agg(format('OLD.%I AS %1$I', c), ', ') FROM unnest(named) c)), changed])
      WITH ORDINALITY AS u (condition, rows, place) WHERE place <= 4 OR way = 'new'), $end$
  END IF;$end$,
    -- the same condition as in bridge_wake(), which costs more to call than to check
    CASE WHEN (SELECT value FROM public.bridge_settings WHERE name = 'wake') = 'notify' THEN $always$
  IF FOUND THEN
    PERFORM public.bridge_wake();
  END IF;$always$ ELSE $asleep$
  IF pg_catalog.pg_try_advisory_lock_shared(7230912, 1) THEN
    IF pg_catalog.pg_advisory_unlock_shared(7230912, 1) AND FOUND
      AND NOT (pg_catalog.pg_try_advisory_lock(7230912, 6) AND pg_catalog.pg_advisory_unlock(7230912, 6))
    THEN
      PERFORM public.bridge_wake();
    END IF;
  END IF;$asleep$ END, $end$
  RETURN NEW;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM pg_catalog.nextval('public.bridge_missed_seq');
  EXCEPTION WHEN OTHERS THEN
    NULL; -- even this may fail; the sweep finds the change
  END;
  RAISE WARNING 'outlook-booking-sync did not note this change: %', SQLERRM;
  RETURN NEW;
END $end$);
END $body$;

-- For adapters: declares a watched table. `reservations` is a query over one row, named `changed`, that returns type and id of the
-- reservations of that row. `columns` are those whose changes are recorded (NULL: all), in addition to those in `reservations`.
-- Replaces the trigger function and makes the missing triggers. Returns how many triggers were made.
CREATE OR REPLACE FUNCTION bridge_watch_table(watched text, reservations text, columns text[] DEFAULT NULL,
  events text[] DEFAULT '{INSERT,UPDATE,DELETE,TRUNCATE}')
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $watch$
DECLARE
  target constant regclass := public.bridge_watched_table(watched);
  full_name text;
  keys text[];
  named text[];
  gone text;
  calls text;
  way text;
BEGIN
  SELECT format('%I.%I', n.nspname, c.relname), CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '_' END || c.relname
  INTO full_name, calls FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
  -- PostgreSQL truncates names to 63 bytes
  calls := format('public.%I', 'bridge_on_' || CASE WHEN octet_length(calls) <= 50 THEN calls ELSE left(calls, 10) || md5(full_name) END);
  SELECT array_agg(a.attname::text ORDER BY a.attnum) INTO keys
  FROM (SELECT i.indkey FROM pg_index i
        WHERE i.indrelid = target AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
        ORDER BY i.indisprimary DESC, i.indnkeyatts LIMIT 1) i
  JOIN pg_attribute a ON a.attrelid = target AND a.attnum = ANY (i.indkey)
  HAVING bool_and(public.bridge_equality(target, a.attname) IS NOT NULL);
  keys := coalesce(keys, '{}');
  SELECT coalesce(array_agg(DISTINCT c.name ORDER BY c.name), '{}') INTO named
  FROM (SELECT CASE WHEN m[1] LIKE '"%' THEN replace(btrim(m[1], '"'), '""', '"') ELSE lower(m[1]) END AS name
        FROM regexp_matches(reservations, '\mchanged\.("(?:[^"]|"")+"|\w+)', 'gi') m) c;
  SELECT string_agg(c.name, ', ') INTO gone FROM unnest(named || columns) AS c (name)
  WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped);
  IF gone IS NOT NULL THEN
    RAISE EXCEPTION 'The table % has no column %', full_name, gone USING ERRCODE = '42703',
      HINT = 'Mend its declaration in 30_watch.sql; did an upgrade of the booking system rename a column?';
  END IF;
  columns := ARRAY(SELECT c FROM unnest(keys || named || coalesce(columns, ARRAY(SELECT a.attname::text FROM pg_attribute a
      WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum))) WITH ORDINALITY AS u (c, place)
    GROUP BY c ORDER BY min(place));
  way := public.bridge_way_of(target, reservations, keys, named);
  IF way = 'new' AND 'UPDATE' = ANY (events) THEN
    events := events || 'REKEY'::text;
  END IF;
  EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = ''100ms'' %s AS %L',
    calls,
    -- a query of the adapter's own may name operators and functions without their schema
    CASE WHEN reservations !~* '^\s*SELECT\s+''[^''\\]*''\s*,\s*(NULL|changed\.("[^"]+"|\w+))\s*$' THEN 'SET search_path = pg_catalog, pg_temp' END,
    public.bridge_watch_body(target, reservations, keys, named, columns, way));
  EXECUTE format('REVOKE EXECUTE ON FUNCTION %s() FROM PUBLIC', calls);
  INSERT INTO public.bridge_watched AS w (table_name, calls, reservations, columns, events)
  VALUES (full_name, calls, bridge_watch_table.reservations, bridge_watch_table.columns, bridge_watch_table.events)
  ON CONFLICT (table_name) DO UPDATE SET calls = excluded.calls, reservations = excluded.reservations, columns = excluded.columns,
    events = excluded.events, declared_at = excluded.declared_at;
  RETURN public.bridge_make_triggers(target, calls, events, named);
END $watch$;

-- For adapters that write a trigger function themselves: calls it after each statement that writes to a table.
CREATE OR REPLACE FUNCTION bridge_watch(watched regclass, calls regproc, events text[] DEFAULT '{INSERT,UPDATE,DELETE,TRUNCATE}')
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $watch$
BEGIN
  INSERT INTO public.bridge_watched AS w (table_name, calls, events)
  SELECT format('%I.%I', n.nspname, c.relname), bridge_watch.calls, bridge_watch.events
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = watched
  ON CONFLICT (table_name) DO UPDATE SET calls = excluded.calls, reservations = NULL, columns = NULL, events = excluded.events,
    declared_at = excluded.declared_at;
  RETURN public.bridge_make_triggers(watched, calls::text, events, NULL);
END $watch$;

-- Removes the triggers of a table that the adapter no longer declares, and their function unless another table uses it.
CREATE OR REPLACE FUNCTION bridge_unwatch(named text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $unwatch$
DECLARE
  trigger record;
  called text;
BEGIN
  DELETE FROM public.bridge_watched w WHERE w.table_name = named RETURNING w.calls INTO called;
  FOR trigger IN
    SELECT t.tgname, t.tgrelid::regclass AS on_table FROM pg_trigger t WHERE t.tgfoid = to_regproc(called) AND t.tgparentid = 0
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', trigger.tgname, trigger.on_table);
  END LOOP;
  IF NOT EXISTS (SELECT FROM public.bridge_watched w WHERE w.calls = called) THEN
    EXECUTE format('DROP FUNCTION IF EXISTS %s()', called);
  END IF;
END $unwatch$;
