/** Outlook for a booking system without a private mark. */
import { expect, test } from 'vitest';
import { Permanent } from '../../src/errors.ts';
import type { OutlookSide } from '../../src/sync/outlook-side.ts';
import { withPrivacy } from '../../src/sync/with-privacy.ts';
import { openTestDatabase } from '../support/database.ts';

test('an event that cannot be read fails alone: what was sent beside it is answered', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(
    `INSERT INTO bridge_settings (name, value) VALUES ('abilities', 'no-private')
     ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
  );
  const refused = new Permanent('it may not be read', { reach: 'item' });
  const sent: unknown[] = [];
  const outlook = {
    write: async (_room: unknown, writes: readonly unknown[]) => {
      sent.push(...writes);
      return writes.map(() => ({ acceptedAt: 0, callMs: 1, outcome: 'gone' }));
    },
    read: () => Promise.reject(refused),
  } as unknown as OutlookSide;
  const answers = await withPrivacy(db.pool, outlook).write(
    { mailbox: 'room101@example.org' } as never,
    [
      { do: 'change', eventId: 'a', change: { isPrivate: false } },
      { do: 'change', eventId: 'b', change: { title: 'Choir' } },
    ] as never,
    new AbortController().signal,
  );
  expect(answers).toMatchObject([{ outcome: 'failed', error: refused }, { outcome: 'gone' }]);
  expect(sent).toHaveLength(1);
});
