/** Writes to Outlook that are carried out and of which no answer is stored. */
import { expect } from 'vitest';
import { Retryable } from '../../src/errors.ts';
import type { Write } from '../../src/event.ts';
import { failed } from './outlook-in-memory.ts';
import type { Rooms } from './two-way-world.ts';

export const lostAnswer = () =>
  failed(new Retryable('the answer was lost', { reach: 'item', ambiguous: true }));

/** What ends the writes that follow a change at the desk; the answers of `lost` are lost. */
export const endsOf = (lost: (write: Write) => boolean) => ({
  'the answer is lost': async (w: Rooms, atDesk: () => Promise<unknown>) => {
    w.outlook.fail((write, apply) => (lost(write) ? (apply(), lostAnswer()) : null));
    await atDesk();
    await w.settle();
    w.outlook.fail(null);
  },
  'the daemon is killed': async (w: Rooms, atDesk: () => Promise<unknown>) => {
    w.outlook.fail((_, apply) => {
      apply();
      throw new Error('killed');
    });
    await atDesk();
    for (const taken of (await w.take()).rooms) await expect(w.drainOne(taken)).rejects.toThrow('killed');
    await w.die();
    w.outlook.fail(null);
  },
});
export type End = keyof ReturnType<typeof endsOf>;

/** What waits for another try is due. */
export async function tryAgain(w: Rooms): Promise<void> {
  await w.db.query(
    'UPDATE bridge_mappings SET due_at = now(), revision = revision + 1 WHERE due_at IS NOT NULL',
  );
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), push_lane = 0');
  await w.settle();
}
