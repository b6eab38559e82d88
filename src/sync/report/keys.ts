/**
 * How the adapter names reservations and resources: its types of reservations, and non-numeric keys in input and output, which are
 * numbers inside. See src/keys.ts.
 */
import { cachedFor } from '../../calls.ts';
import type { Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import { readId } from '../../id.ts';
import { queryRow, queryRows, queryValue } from '../../query.ts';
import { isUuid, keyId } from '../../keys.ts';
import { failingAs } from '../store/failing.ts';

export interface Keyed {
  /** Reservations, or resources, have keys. */
  readonly reservations: boolean;
  readonly resources: boolean;
}

export type Keys = ReturnType<typeof createKeys>;

const resourceKind = '';

/** What the adapter names changes only with a new version of it. */
const keptMs = 60_000;

/** The types of reservations of the adapter, stored by `migrate`; null: unknown, so any word may be one. */
export const createReservationTypes = (db: Queryable): (() => Promise<readonly string[] | null>) =>
  failingAs(
    'read the types of reservations',
    cachedFor(keptMs, async () => {
      const rows = await queryRows<{ value: string }>(db, {
        name: 'reservation_types',
        text: `SELECT value FROM bridge_settings WHERE name = 'reservation_types'`,
      });
      return rows[0]?.value.split(',').map((type) => type.trim()) ?? null;
    }),
  );

export function createKeys(db: Queryable) {
  /** Whether the adapter has keys. */
  const keyed = cachedFor(keptMs, () =>
    queryRow<Keyed>(db, {
      name: 'keyed',
      text: `SELECT bridge_view_has('{reservation_key}') AS reservations, bridge_view_has('{resource_key}') AS resources`,
    }),
  );

  /** The number of a reservation by its number or key; null: neither. */
  async function reservation(type: string, named: string): Promise<Id | null> {
    if ((await keyed()).reservations) return keyId(type, await inStoredCase(type, named));
    return readId(named);
  }

  /** The number of a resource by its key; a new key gets one. Null: unknown. */
  async function resource(key: string): Promise<number | null> {
    if (!(await keyed()).resources) return null;
    const known = await resourceOf(await inStoredCase(resourceKind, key));
    if (known !== null) return known;
    await db.query('SELECT bridge_number_resources()');
    return await resourceOf(await inStoredCase(resourceKind, key));
  }

  /** A uuid in the letter case of its key: as given if there is such a key, else in lower case, as PostgreSQL prints uuids. */
  async function inStoredCase(kind: string, key: string): Promise<string> {
    if (!isUuid(key) || key === key.toLowerCase()) return key;
    const exact = await queryValue<boolean>(db, {
      name: 'key_in_this_case',
      text: 'SELECT EXISTS (SELECT FROM bridge_key WHERE kind = $1 AND key = $2) AS exact',
      values: [kind, key],
    });
    return exact ? key : key.toLowerCase();
  }

  const resourceOf = (key: string) =>
    queryValue<number | null>(db, {
      name: 'resource_of_key',
      text: `SELECT coalesce((SELECT k.id FROM bridge_key k WHERE k.kind = '' AND k.key = $1),
          (SELECT r.resource_id FROM bridge_resource_mappings r WHERE r.resource_key = $1 ORDER BY r.active DESC, r.id LIMIT 1)) AS id`,
      values: [key],
    });

  /** The same value, with its key beside each number of a reservation or resource. */
  async function add<T>(value: T): Promise<T> {
    const { reservations, resources } = await keyed();
    if (!reservations && !resources) return value;
    const wanted = new Map<string, { kind: string; id: Id }>();
    walk(value, (found) => {
      for (const { kind, id } of numbersIn(found)) wanted.set(`${kind}/${id}`, { kind, id });
    });
    if (wanted.size === 0) return value;
    const rows = await queryRows<{ name: string; key: string }>(db, {
      name: 'keys_of_numbers',
      text: `SELECT k.kind || '/' || k.id AS name, k.key FROM unnest($1::text[], $2::bigint[]) AS n (kind, id)
        JOIN bridge_key k ON k.id = n.id AND k.kind = n.kind`,
      values: [[...wanted.values()].map(({ kind }) => kind), [...wanted.values()].map(({ id }) => id)],
    });
    const keys = new Map(rows.map(({ name, key }) => [name, key]));
    return withKeys(value, keys) as T;
  }

  return {
    keyed: failingAs('read the use of keys', keyed),
    reservation: failingAs('read a key', reservation),
    resource: failingAs('read a key', resource),
    add,
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** Fields with a number, with those of its type and for its key. */
const numbers = [
  { id: 'reservation_id', type: 'reservation_type', key: 'reservation_key' },
  { id: 'reservationId', type: 'reservationType', key: 'reservationKey' },
  { id: 'item_id', type: 'item_type', key: 'item_key' },
  { id: 'id', type: 'type', key: 'key' },
  { id: 'resource_id', type: null, key: 'resource_key' },
  { id: 'resourceId', type: null, key: 'resourceKey' },
] as const;

function numbersIn(fields: Fields): { kind: string; id: Id; field: string }[] {
  return numbers.flatMap(({ id: name, type, key }) => {
    const id = fields[name];
    const kind = type === null ? resourceKind : fields[type];
    if ((typeof id !== 'number' && typeof id !== 'string') || typeof kind !== 'string') return [];
    return /^\d+$/.test(String(id)) ? [{ kind, id: id as Id, field: key }] : [];
  });
}

const isPlain = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

function walk(value: unknown, visit: (fields: Fields) => void): void {
  if (Array.isArray(value)) for (const one of value) walk(one, visit);
  else if (isPlain(value)) {
    visit(value);
    for (const one of Object.values(value)) walk(one, visit);
  }
}

function withKeys(value: unknown, keys: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((one) => withKeys(one, keys));
  if (!isPlain(value)) return value;
  const added = numbersIn(value).flatMap(({ kind, id, field }) => {
    const key = keys.get(`${kind}/${id}`);
    return key === undefined || value[field] != null ? [] : [[field, key] as const];
  });
  const within = Object.entries(value).map(([name, one]) => [name, withKeys(one, keys)] as const);
  return Object.fromEntries([...within, ...added]);
}

/** For users: `type/key`, or `type/number`. */
export function reservationName(of: {
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
}): string | null {
  const { reservation_key: key } = of as { reservation_key?: string };
  return of.reservation_id === null ? null : `${of.reservation_type}/${key ?? of.reservation_id}`;
}

/** For users. */
export const resourceName = (of: { readonly resource_id: number }): number | string =>
  (of as { resource_key?: string | null }).resource_key ?? of.resource_id;
