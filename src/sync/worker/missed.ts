/**
 * Changes that a trigger could not write down. It lets the booking through and raises a sequence, which survives the rollback
 * of what went wrong; then every room is compared. The sequence rises before its booking is committed, so the comparison that
 * counts is the one after every transaction of that moment has ended, and only that one acknowledges the value.
 */
import type { Queryable } from '../../database.ts';
import { sweepRooms } from './sweep.ts';

export interface MissedCaptures {
  /**
   * Reads the sequence and asks for what is to be compared. Returns how many changes were missed since the last value that
   * was acknowledged, in the call that acknowledges this one, whichever daemon makes it; else 0. Throws as the driver does.
   */
  check(): Promise<number>;
}

interface Reading {
  readonly value: string;
  /** The transaction number of this reading, which every transaction that was writing at that moment is below; null: nothing new. */
  readonly horizon: string | null;
  /** All transactions below this number have ended. */
  readonly ended: string;
}

/** `ring`: rooms are due. */
export function watchMissedCaptures(db: Queryable, ring: () => void): MissedCaptures {
  let asked: { readonly value: string; readonly horizon: string } | null = null;

  return {
    async check() {
      const now = await read(db);
      if (now.horizon === null) {
        asked = null;
        return 0;
      }
      if (asked?.value !== now.value) {
        // what is committed already need not wait
        await sweepRooms(db);
        asked = { value: now.value, horizon: now.horizon };
        ring();
        return 0;
      }
      if (BigInt(now.ended) < BigInt(asked.horizon)) return 0;
      const missed = await compareAndAcknowledge(db, now.value);
      asked = null;
      ring();
      return missed;
    },
  };
}

const acknowledged = `coalesce((SELECT value::bigint FROM bridge_settings WHERE name = 'missed_seen'), 0)`;

async function read(db: Queryable): Promise<Reading> {
  const { rows } = await db.query<Reading>({
    name: 'missed_captures',
    text: `SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text AS value,
        CASE WHEN CASE WHEN is_called THEN last_value ELSE 0 END <> ${acknowledged} THEN pg_current_xact_id()::text END AS horizon,
        pg_snapshot_xmin(pg_current_snapshot())::text AS ended
      FROM bridge_missed_seq`,
  });
  return rows[0]!;
}

/** Asks every room for a comparison and stores the value in one statement. Returns 0 when another daemon stored it before. */
async function compareAndAcknowledge(db: Queryable, value: string): Promise<number> {
  const { rows } = await db.query<{ missed: number }>(
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
  return rows[0]!.missed;
}
