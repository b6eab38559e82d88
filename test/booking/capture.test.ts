import { migrateCommand } from '../../src/command-name.ts';
import { expect, test } from 'vitest';
import { readCapture, rememberTriggers } from '../../src/booking/capture.ts';
import { NotInstalled } from '../../src/errors.ts';
import { openTestDatabase } from '../support/database.ts';

async function openInstalled() {
  const db = await openTestDatabase({ schema: 'bridge' });
  await rememberTriggers(db.pool);
  return db;
}

test('with all triggers in place nothing is missing', async () => {
  await using db = await openInstalled();
  expect(await readCapture(db.pool)).toEqual({ missing: [], extra: [], repair: null });
});

test('before the first migrate, no statement fails: each would be an error in the log of the server', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  // thrown by us, not a failure of a statement, which databaseFailure would convert
  await expect(readCapture(db.pool)).rejects.toThrow(NotInstalled);
});

test('a disabled trigger is named, with the statement that enables it', async () => {
  await using db = await openInstalled();
  await db.query('ALTER TABLE bb_event DISABLE TRIGGER bridge_update');
  expect(await readCapture(db.pool)).toEqual({
    missing: ['the trigger bridge_update on bb_event is disabled'],
    extra: [],
    repair: 'ALTER TABLE bb_event ENABLE TRIGGER bridge_update;',
  });
});

test('one dropped trigger of many is named, and migrate mends it', async () => {
  await using db = await openInstalled();
  await db.query('DROP TRIGGER bridge_insert ON bb_booking_resource');
  expect(await readCapture(db.pool)).toEqual({
    missing: ['the trigger bridge_insert on bb_booking_resource is gone'],
    extra: [],
    repair: migrateCommand,
  });
});

test('a partition that was attached after migrate is named, one that migrate saw is not', async () => {
  await using db = await openInstalled();
  await db.query(`CREATE TABLE watched (id integer) PARTITION BY LIST (id);
    CREATE TABLE early PARTITION OF watched FOR VALUES IN (1);
    SELECT bridge_watch_table('watched', 'SELECT ''event'', changed.id', events => '{INSERT}')`);
  await rememberTriggers(db.pool);
  expect(await readCapture(db.pool)).toEqual({ missing: [], extra: [], repair: null });
  await db.query('CREATE TABLE late PARTITION OF watched FOR VALUES IN (2)');
  expect(await readCapture(db.pool)).toEqual({
    missing: ['the partition late of watched came later and has no trigger bridge_insert'],
    extra: [],
    repair: migrateCommand,
  });
});

test('a database without the adapter says so', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(`DELETE FROM bridge_settings WHERE name = 'triggers'; DELETE FROM bridge_watched`);
  expect((await readCapture(db.pool)).missing).toEqual([
    'the adapter is not installed: there are no triggers',
  ]);
});

test('a trigger of ours that nothing declares is named as extra', async () => {
  await using db = await openInstalled();
  await db.query(
    'CREATE TRIGGER bridge_update_too AFTER UPDATE ON bb_resource EXECUTE FUNCTION bridge_on_bb_event()',
  );
  expect(await readCapture(db.pool)).toEqual({
    missing: [],
    extra: ['the trigger bridge_update_too on bb_resource is not declared'],
    repair: null,
  });
});

test('a table whose declared column was renamed is named as broken, on each day and without a write', async () => {
  await using db = await openInstalled();
  await db.query(
    `DROP VIEW bridge_items CASCADE; ALTER TABLE bb_booking_resource RENAME resource_id TO rom_id`,
  );
  expect((await readCapture(db.pool)).missing).toEqual([
    'bb_booking_resource has no column resource_id any more, which the adapter watches',
  ]);
});
