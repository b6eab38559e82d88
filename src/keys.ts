/**
 * Keys that are not numbers: uuids and codes of reservations and resources. The bridge uses numbers internally; `bridge_key` has
 * the number of each key, and the extended properties of an event carry the key. docs/decisions/010-keys.md.
 */
import { createHash } from 'node:crypto';
import type { Queryable } from './database.ts';
import { readId, toId, type Id } from './id.ts';
import { queryValue } from './query.ts';

/** The number of a reservation's key, computed from type and key as by `bridge_key_hash` in the database. */
export function keyId(type: string, key: string): Id {
  const own = /^[1-9]\d*$/.test(key) ? readId(key) : null;
  if (own !== null) return own;
  const digest = createHash('sha256').update(`${type}/${key}`).digest();
  return toId(String(digest.readBigUInt64BE() & (2n ** 63n - 1n)));
}

/** A uuid, in any letter case. */
export const isUuid = (key: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(key);

/** Whether reservations of this booking system have keys that are not numbers. */
export async function hasKeys(db: Queryable): Promise<boolean> {
  return await queryValue<boolean>(db, `SELECT bridge_view_has('{reservation_key}') AS has`);
}
