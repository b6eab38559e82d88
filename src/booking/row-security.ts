/** Row security (`CREATE POLICY`) of the tables that the booking view reads: rows that it hides look like removed reservations. */
import type { Queryable } from '../database.ts';
import { readRelations } from './read-tables.ts';

export interface SecuredTable {
  readonly table: string;
  /** False: our role is a superuser, the owner, or has BYPASSRLS, so it sees all rows. */
  readonly applies: boolean;
  readonly message: string;
  /** The statement that shows all rows. */
  readonly repair: string;
}

/** The tables below the view whose row security may hide rows. Without the view: none. */
export async function securedTables(db: Queryable): Promise<SecuredTable[]> {
  const { rows: views } = await db.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_items') IS NOT NULL AS there`,
  );
  if (!views[0]!.there) return [];
  const { rows } = await db.query<{ table: string; applies: boolean; role: string }>(tablesText);
  return rows.map(({ table, applies, role }) => ({
    table,
    applies,
    message: applies
      ? `Row security of ${table} may hide rows from the role ${role}: reservations that it hides are missing in Outlook.`
      : `${table} has row security, which does not apply to the role ${role}. A role to which it applies needs a policy.`,
    repair: `CREATE POLICY bridge ON ${table} TO ${applies ? role : 'bridge'} USING (true) WITH CHECK (true);`,
  }));
}

// harmless: a permissive policy for our role shows all rows, and no restrictive one takes any away
const tablesText = `
  WITH RECURSIVE ${readRelations}, policies AS (
    SELECT p.polrelid, p.polpermissive, coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true' AS shows_all
    FROM pg_policy p WHERE p.polcmd IN ('r', '*')
      AND EXISTS (SELECT FROM unnest(p.polroles) role WHERE role = 0 OR pg_has_role(role, 'USAGE'))
  )
  SELECT c.oid::regclass::text AS "table", row_security_active(c.oid) AS applies, quote_ident(current_user) AS role
  FROM reads r JOIN pg_class c ON c.oid = r.id
  WHERE c.relrowsecurity AND NOT (row_security_active(c.oid)
    AND EXISTS (SELECT FROM policies p WHERE p.polrelid = c.oid AND p.polpermissive AND p.shows_all)
    AND NOT EXISTS (SELECT FROM policies p WHERE p.polrelid = c.oid AND NOT p.polpermissive AND NOT p.shows_all))
  ORDER BY 1`;
