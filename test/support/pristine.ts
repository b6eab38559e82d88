/**
 * A database in which a test has ended, made equal to its template again: its rows and sequences are restored, in place of a new
 * copy whose sessions would plan every statement anew. Only where the catalogs are untouched: what a test did to a table, a
 * function or a right ends with its database.
 */

/**
 * SQL for the expression that names the state of all catalogs: a row that was added or changed has a later xmin, one that was removed is
 * missing. Those of the server are left out, because other tests change them, except what is ours in pg_database, and statistics,
 * because autovacuum writes them, in the template as well.
 */
const ofCatalogs = `
  SELECT 'SELECT concat_ws('', '', ' || string_agg(format('(SELECT concat_ws('' '', count(*), max(xmin::text::bigint)) FROM pg_catalog.%I)', relname), ', ')
    || ', (SELECT concat_ws('' '', datdba, datallowconn, datconnlimit, datacl) FROM pg_catalog.pg_database WHERE datname = current_database())) AS fingerprint'
  FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
    AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data')`;

/** SQL for a template that is complete: it keeps a copy of what its tables hold, and the function that restores it. */
export const keepPristine = `
  CREATE SCHEMA pristine;
  CREATE TABLE pristine.catalogs (fingerprint text);
  DO $keep$
  DECLARE
    restoring text := '';
    fingerprint text;
    each record;
    names text;
    filled boolean;
  BEGIN
    FOR each IN SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pristine')
    LOOP
      restoring := restoring || format('DELETE FROM ONLY %s;', each.name);
      EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', each.name) INTO filled;
      CONTINUE WHEN NOT filled;
      EXECUTE format('CREATE TABLE pristine.of_%s AS SELECT * FROM ONLY %s', each.oid, each.name);
      SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO names FROM pg_attribute
        WHERE attrelid = each.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
      restoring := restoring || format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM pristine.of_%s;',
        each.name, names, names, each.oid);
    END LOOP;
    FOR each IN SELECT format('%I.%I', schemaname, sequencename) AS name FROM pg_sequences LOOP
      EXECUTE format('SELECT format(''PERFORM setval(%%L, %%s, %%L);'', %L, last_value, is_called) FROM %s', each.name, each.name) INTO names;
      restoring := restoring || names;
    END LOOP;
    EXECUTE $of$${ofCatalogs}$of$ INTO fingerprint;
    EXECUTE format($function$
      CREATE FUNCTION pristine.restore(own integer[]) RETURNS boolean LANGUAGE plpgsql
      SET search_path = pg_catalog SET session_replication_role = replica SET lock_timeout = '1s' AS %L $function$, $body$
      BEGIN
        PERFORM pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> ALL (own);
        IF EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> ALL (own))
          OR EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
          OR EXISTS (SELECT FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE d.datname = current_database())
          OR (SELECT fingerprint FROM pristine.catalogs) <> ($body$ || fingerprint || $body$)
        THEN RETURN false; END IF;
        $body$ || restoring || ' RETURN true; END');
    EXECUTE 'INSERT INTO pristine.catalogs ' || fingerprint;
  END $keep$;`;

/** Restores it, if it can be. The sessions of `own` process ids stay, the others are ended. */
export const restorePristine = 'SELECT pristine.restore($1) AS restored';

/** Makes a session as it was when it began; its plans stay. The flush exists since PostgreSQL 15. */
export const freshSession = `
  ROLLBACK; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP;
  DISCARD SEQUENCES;
  DO 'BEGIN PERFORM pg_stat_force_next_flush(); EXCEPTION WHEN undefined_function THEN NULL; END'`;
