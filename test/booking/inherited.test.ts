/** Which tables that share rows with one of the booking view are reported. */
import { expect, test } from 'vitest';
import { unrecordedRelatives } from '../../src/booking/inherited.ts';
import { openTestDatabase } from '../support/database.ts';

test('a view that reads only the table itself needs no declaration of its children, however the table is named', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(
    `ALTER TABLE bb_event RENAME TO "Events (own"; CREATE TABLE kept () INHERITS ("Events (own")`,
  );
  expect(await unrecordedRelatives(db.pool)).toHaveLength(1);
  const [{ view }] = (await db.query<{ view: string }>(
    `SELECT pg_get_viewdef('bridge_items'::regclass) AS view`,
  )) as [{ view: string }];
  await db.query(
    `CREATE OR REPLACE VIEW bridge_items AS ${view.replaceAll(/"Events \(own"(?!\.)/g, 'ONLY $&')}`,
  );
  expect(await unrecordedRelatives(db.pool)).toEqual([]);
});
