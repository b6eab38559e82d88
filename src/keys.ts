/**
 * Keys that are no numbers: uuids and codes of reservations and resources. The bridge counts in numbers; `bridge_key` has the
 * number of each key, and the extended properties of an event carry the key. docs/decisions/010-keys.md.
 */
import { createHash } from 'node:crypto';
import type { Queryable } from './database.ts';
import { readId, toId, type Id } from './id.ts';

/** The number of a reservation's key: made from the key alone, as `bridge_key_hash` of the database makes it. */
export function keyId(type: string, key: string): Id {
  const own = /^[1-9]\d*$/.test(key) ? readId(key) : null;
  if (own !== null) return own;
  const digest = createHash('sha256').update(`${type}/${key}`).digest();
  return toId(String(digest.readBigUInt64BE() & (2n ** 63n - 1n)));
}

/** A uuid, in any letter case. */
export const isUuid = (key: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(key);

/** Whether reservations have keys that are no numbers in this booking system. */
export async function hasKeys(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ has: boolean }>(`SELECT bridge_view_has('{reservation_key}') AS has`);
  return rows[0]!.has;
}
