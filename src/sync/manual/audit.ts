/**
 * The audit trail: each requested change is a line of bridge_log with the action 'asked' and the name of its caller, written before the
 * change, so that no crash can lose it.
 */
import type { Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import { queryValue } from '../../query.ts';
import { failingAs } from '../store/failing.ts';

/** A request, as described by its address. */
export interface Request {
  /** The name of the key, and of the person if a proxy provides it. */
  readonly who: string;
  /** Method and path as described, for example 'POST /conflicts/:id/resolve'. */
  readonly what: string;
  readonly mapping: number | null;
  readonly reservation: { readonly type: string; readonly id: Id } | null;
  readonly resourceId: number | null;
  /** Path and body as received. */
  readonly detail: Readonly<Record<string, unknown>>;
}

export type Audit = ReturnType<typeof createAudit>;

export function createAudit(db: Database) {
  /** Logs a request. Returns the id of the line. */
  const asked = ({ who, what, mapping, reservation, resourceId, detail }: Request) =>
    // without the event's id: lines with one identify an event as ours
    queryValue<number>(db, {
      name: 'audit_asked',
      text: `
        INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, action, reason, who, detail)
        SELECT m.id, coalesce(m.resource_id, $2), coalesce(m.reservation_type, $3), coalesce(m.reservation_id, $4), 'asked', $5, $6, $7
        FROM (SELECT coalesce($1::bigint, (SELECT id FROM bridge_mappings
          WHERE reservation_type = $3 AND reservation_id = $4 AND resource_id = $2::integer)) AS id) asked
        LEFT JOIN bridge_mappings m USING (id)
        RETURNING id`,
      values: [
        mapping,
        resourceId,
        reservation?.type ?? null,
        reservation?.id ?? null,
        what,
        who,
        JSON.stringify(detail),
      ],
    });

  /** Adds the HTTP status of the answer. */
  async function answered(id: number, status: number): Promise<void> {
    await db.query({
      name: 'audit_answered',
      text: `UPDATE bridge_log SET detail = detail || jsonb_build_object('status', $2::integer),
          reason = CASE WHEN $2 < 400 THEN reason ELSE reason || ' (refused with ' || $2 || ')' END
        WHERE id = $1`,
      values: [id, status],
    });
  }

  return {
    asked: failingAs('log the request', asked),
    answered: failingAs('log the answer', answered),
  };
}
