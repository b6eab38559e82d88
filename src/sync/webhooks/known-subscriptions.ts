/** The subscriptions that sent notifications, in memory: room and secret of a subscription never change. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../database.ts';
import { createBatches } from './batches.ts';

interface Known {
  readonly roomId: number | null;
  readonly secret: Buffer;
}

/** Far more than there are rooms. */
const knownMost = 50_000;

/** `everyMs`: the pause between two reads of the table; `waitMs`: the time limit of one. */
export function createKnownSubscriptions(db: Database, everyMs: number, waitMs: number) {
  const known = new Map<string, Known>();
  const add = createBatches({
    newBatch: () => new Set<string>(),
    run: read,
    what: 'look up a subscription',
    waitMs,
    rest: () => pause(everyMs, undefined, { ref: false }),
  });

  async function read(ids: ReadonlySet<string>): Promise<void> {
    const { rows } = await db.query<{ id: string; secret: string; roomId: number | null }>({
      name: 'known_subscriptions',
      text: `SELECT subscription_id AS id, client_state AS secret, resource_mapping_id AS "roomId"
        FROM bridge_subscriptions WHERE subscription_id = ANY ($1)`,
      values: [[...ids]],
    });
    for (const { id, secret, roomId } of rows) known.set(id, { roomId, secret: Buffer.from(secret) });
    while (known.size > knownMost) known.delete(known.keys().next().value!);
  }

  return {
    find: (subscriptionId: string) => known.get(subscriptionId),
    /** Reads these from the table. */
    learn: (subscriptionIds: readonly string[]): Promise<void> =>
      add((ids) => {
        for (const id of subscriptionIds) ids.add(id);
      }),
  };
}
