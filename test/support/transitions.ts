/**
 * The transitions of mappings, rooms and subscriptions that the program makes in the tests, held against those that
 * docs/states.md draws. Triggers of the tests' own record them in each database that has the bridge installed.
 */
import { readFileSync } from 'node:fs';

/** The tables, by the heading of their diagram, and what their state is. */
const watched = {
  mapping: { table: 'bridge_mappings', stateOf: (row: string) => `${row}.sync_status` },
  room: { table: 'bridge_room_state', stateOf: (row: string) => `${row}.health` },
  subscription: {
    table: 'bridge_subscriptions',
    stateOf: (row: string) =>
      `CASE WHEN ${row}.off_at IS NOT NULL THEN 'off' WHEN ${row}.ended_at IS NOT NULL THEN 'ended'
         WHEN ${row}.subscription_id IS NULL THEN 'pending' ELSE 'active' END`,
  },
} as const;

/** A transition in words, `mapping: pending -> synced`; `[*]` is before the row and after it. */
const inWords = (of: string, from: string, to: string) => `${of}: ${from} -> ${to}`;

/** What docs/states.md draws. */
export function drawnTransitions(): ReadonlySet<string> {
  const page = readFileSync(new URL('../../docs/states.md', import.meta.url), 'utf8');
  const diagrams = page.matchAll(/^## A (\w+)\n.*?```mermaid\n(.*?)```/gms);
  return new Set(
    [...diagrams].flatMap(([, of, diagram]) =>
      [...diagram!.matchAll(/^ {2}(\S+) --> (\S+?):/gm)].map(([, from, to]) => inWords(of!, from!, to!)),
    ),
  );
}

/** The `application_name` of what a test writes by itself, which is not the program's doing. */
export const testsOwn = 'test by hand';

/** SQL that makes a database record them. */
export const recordTransitions = `
  CREATE SCHEMA transitions;
  CREATE TABLE transitions.seen (transition text PRIMARY KEY);
  ${Object.entries(watched)
    .map(
      ([of, { table, stateOf }]) => `
  CREATE FUNCTION transitions.record_${of}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $record$
  DECLARE
    before text := '[*]';
    after text := '[*]';
  BEGIN
    IF current_setting('application_name') = '${testsOwn}' THEN RETURN NULL; END IF;
    IF TG_OP <> 'INSERT' THEN before := ${stateOf('OLD')}; END IF;
    IF TG_OP <> 'DELETE' THEN after := ${stateOf('NEW')}; END IF;
    IF before <> after THEN
      INSERT INTO transitions.seen VALUES ('${of}: ' || before || ' -> ' || after) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
  END $record$;
  CREATE TRIGGER record_transition AFTER INSERT OR UPDATE OR DELETE ON public.${table} FOR EACH ROW
    EXECUTE FUNCTION transitions.record_${of}();`,
    )
    .join('')}`;
