/** Outlook for a booking system whose reservations have keys: writes and searches use them in the extended properties. */
import { LRUCache } from 'lru-cache';
import type { Queryable } from '../database.ts';
import type { Write } from '../event.ts';
import type { ReservationKey } from '../item.ts';
import { queryRows } from '../query.ts';
import type { OutlookSide } from './outlook-side.ts';

const most = 50_000;

export function withKeys(db: Queryable, outlook: OutlookSide): OutlookSide {
  // a key never changes
  const known = new LRUCache<string, string>({ max: most });
  const nameOf = ({ type, id }: ReservationKey) => `${type}/${id}`;

  async function read(reservations: readonly ReservationKey[]): Promise<void> {
    const unknown = reservations.filter((one) => !known.has(nameOf(one)));
    if (unknown.length === 0) return;
    const rows = await queryRows<ReservationKey & { key: string }>(db, {
      name: 'keys_of',
      text: `SELECT k.kind AS type, k.id, k.key FROM unnest($1::text[], $2::bigint[]) AS r (kind, id)
        JOIN bridge_key k ON k.id = r.id AND k.kind = r.kind`,
      values: [unknown.map(({ type }) => type), unknown.map(({ id }) => id)],
    });
    for (const row of rows) known.set(nameOf(row), row.key);
  }
  const keyed = (properties: ReservationKey): ReservationKey => {
    const key = known.get(nameOf(properties));
    return key === undefined ? properties : { ...properties, key };
  };
  const propertiesOf = (write: Write) => (write.do === 'remove' ? undefined : write.properties);

  return {
    ...outlook,
    async write(room, writes, signal) {
      await read(writes.flatMap((write) => propertiesOf(write) ?? []));
      const named = writes.map((write) => {
        const properties = propertiesOf(write);
        return properties === undefined ? write : ({ ...write, properties: keyed(properties) } as Write);
      });
      return await outlook.write(room, named, signal);
    },
    async find(room, properties, signal) {
      await read([properties]);
      return await outlook.find(room, keyed(properties), signal);
    },
  };
}
