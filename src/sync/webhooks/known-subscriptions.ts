/** The subscriptions that have called, in memory: what has been true of one stays true as long as it lives. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../database.ts';
import { within } from './within.ts';

interface Known {
  readonly roomId: number | null;
  readonly secret: Buffer;
}

/** Far more than there are rooms. */
const knownMost = 50_000;

/** `everyMs`: the rest between two reads of the table; `waitMs`: how long one may take. */
export function createKnownSubscriptions(db: Database, everyMs: number, waitMs: number) {
  const known = new Map<string, Known>();
  let next: { readonly ids: Set<string>; readonly done: Promise<void> } | null = null;
  let last: Promise<unknown> = Promise.resolve();

  function open() {
    const ids = new Set<string>();
    const done = last.then(() => {
      next = null;
      return read([...ids]);
    });
    last = done.then(rest, rest);
    return { ids, done };
  }

  const rest = () => pause(everyMs, undefined, { ref: false });

  async function read(ids: readonly string[]): Promise<void> {
    const { rows } = await within(
      waitMs,
      db.query<{ id: string; secret: string; roomId: number | null }>({
        name: 'known_subscriptions',
        text: `SELECT subscription_id AS id, client_state AS secret, resource_mapping_id AS "roomId"
          FROM bridge_subscriptions WHERE subscription_id = ANY ($1)`,
        values: [ids],
      }),
      'look up a subscription',
    );
    for (const { id, secret, roomId } of rows) known.set(id, { roomId, secret: Buffer.from(secret) });
    while (known.size > knownMost) known.delete(known.keys().next().value!);
  }

  return {
    find: (subscriptionId: string) => known.get(subscriptionId),
    /** Looks these up; what comes meanwhile shares the next read. */
    learn(subscriptionIds: readonly string[]): Promise<void> {
      const batch = (next ??= open());
      for (const id of subscriptionIds) batch.ids.add(id);
      return batch.done;
    },
  };
}
