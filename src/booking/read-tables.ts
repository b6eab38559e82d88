/** The tables that the view bridge_items reads and the events that our triggers record, as common table expressions. */

/** The relations below the view bridge_items, also through other views, as `reads (id)`. Needs the view. A rule of a table is none of what it reads. */
export const readRelations = `reads (id) AS (
    SELECT 'public.bridge_items'::regclass::oid
    UNION
    SELECT d.refobjid FROM reads r JOIN pg_rewrite w ON w.ev_class = r.id AND w.ev_type = '1'
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    WHERE d.refobjid <> r.id
  )`;

/** The events of each table for which the bridge has an enabled trigger, as `fired (id, events)`. */
export const firedEvents = `fired AS (
    SELECT t.tgrelid AS id,
      ARRAY(SELECT e.name FROM (VALUES ('INSERT', 4, 1), ('UPDATE', 16, 2), ('DELETE', 8, 3), ('TRUNCATE', 32, 4)) AS e (name, bit, place)
            WHERE bit_or(t.tgtype::integer) & e.bit > 0 ORDER BY e.place) AS events
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
      AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
    GROUP BY t.tgrelid
  )`;
