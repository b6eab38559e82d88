/** The types of reservations of the adapter. */
import type { Queryable } from '../../database.ts';
import { failingAs } from '../store/failing.ts';

const keptMs = 60_000;

/** Stored by `migrate`; null: unknown, so any word may be one. Read once a minute. */
export function createReservationTypes(db: Queryable): () => Promise<readonly string[] | null> {
  let kept: { readonly types: readonly string[] | null; readonly until: number } | null = null;
  return failingAs('read the types of reservations', async () => {
    if (kept !== null && performance.now() < kept.until) return kept.types;
    const { rows } = await db.query<{ value: string }>({
      name: 'reservation_types',
      text: `SELECT value FROM bridge_settings WHERE name = 'reservation_types'`,
    });
    const types = rows[0]?.value.split(',').map((type) => type.trim()) ?? null;
    kept = { types, until: performance.now() + keptMs };
    return types;
  });
}
