/**
 * Changes that a trigger could not record. It lets the booking pass and raises a sequence, which survives the rollback of the failed
 * part; then every room is compared. The sequence rises before the booking is committed, so only a comparison after the end of every
 * transaction of that moment acknowledges the value.
 */
import type { Queryable } from '../../database.ts';
import { queryRow, queryValue } from '../../query.ts';
import { sweepRooms } from './sweep.ts';

export interface MissedCaptures {
  /**
   * Reads the sequence and requests comparisons. Returns the number of missed changes since the last acknowledged value, in the call
   * that acknowledges the current one, whichever daemon makes it; otherwise 0. Throws the driver's errors.
   */
  check(): Promise<number>;
}

interface Reading {
  readonly value: string;
  /** The transaction id of this reading, above all transactions that were writing then; null: nothing new. */
  readonly horizon: string | null;
  /** All transactions below this id have ended. */
  readonly ended: string;
}

/** `ring`: wakes the loop. */
export function watchMissedCaptures(db: Queryable, ring: () => void): MissedCaptures {
  let requested: { readonly value: string; readonly horizon: string } | null = null;

  return {
    async check() {
      const now = await read(db);
      if (now.horizon === null) {
        requested = null;
        return 0;
      }
      if (requested?.value !== now.value) {
        // finds the changes that are committed already
        await sweepRooms(db);
        requested = { value: now.value, horizon: now.horizon };
        ring();
        return 0;
      }
      if (BigInt(now.ended) < BigInt(requested.horizon)) return 0;
      const missed = await compareAndAcknowledge(db, now.value);
      requested = null;
      ring();
      return missed;
    },
  };
}

const acknowledged = `coalesce((SELECT value::bigint FROM bridge_settings WHERE name = 'missed_seen'), 0)`;

const read = (db: Queryable) =>
  queryRow<Reading>(db, {
    name: 'missed_captures',
    text: `SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text AS value,
        CASE WHEN CASE WHEN is_called THEN last_value ELSE 0 END <> ${acknowledged} THEN pg_current_xact_id()::text END AS horizon,
        pg_snapshot_xmin(pg_current_snapshot())::text AS ended
      FROM bridge_missed_seq`,
  });

/** Requests a comparison of every room and stores the value in one statement. Returns 0 when another daemon stored it before. */
const compareAndAcknowledge = (db: Queryable, value: string) =>
  queryValue<number>(
    db,
    `WITH swept AS (
       UPDATE bridge_room_state s SET reconciled_at = NULL, push_due_at = least(s.push_due_at, now()), updated_at = now(),
         push_lane = CASE WHEN s.push_due_at IS NULL THEN 1 ELSE s.push_lane END
       FROM bridge_resource_mappings r WHERE r.id = s.resource_mapping_id AND r.active = 1
     ), stored AS (
       INSERT INTO bridge_settings (name, value) VALUES ('missed_seen', $1)
       ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now() WHERE bridge_settings.value <> excluded.value
       RETURNING 1)
     SELECT CASE WHEN EXISTS (SELECT FROM stored) THEN abs($1::bigint - ${acknowledged}) ELSE 0 END AS missed`,
    [value],
  );
