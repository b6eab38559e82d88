/** PorticoEstate with events whose ids a JavaScript number rounds: 2^53 and the one after it are the same to it. */
import { detach, migrate } from '../../src/cli/migrate.ts';
import type { TestDatabase } from './database.ts';
import { bookingConfig } from './settings.ts';

export const roundedIds = ['9007199254740992', '9007199254740993', '9007199254740994'] as const;

/** The next events get the ids of `roundedIds`. */
export async function enlargeIds(db: TestDatabase): Promise<void> {
  const config = bookingConfig(db);
  const never = new AbortController().signal;
  await detach(config, () => undefined, never);
  const columns = await db.query<{ statement: string }>(
    `SELECT format('ALTER TABLE %I ALTER %I TYPE bigint', table_name, column_name) AS statement FROM information_schema.columns
     WHERE table_schema = 'public' AND data_type = 'integer'
       AND (table_name = 'bb_event' AND column_name = 'id' OR column_name = 'event_id' AND table_name LIKE 'bb\\_event\\_%')`,
  );
  for (const { statement } of columns) await db.query(statement);
  await db.query(`ALTER TABLE bb_event ALTER id RESTART WITH ${roundedIds[0]}`);
  await migrate(config, () => undefined, never, 'attach');
}
