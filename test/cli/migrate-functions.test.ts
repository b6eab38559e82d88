/** Our functions in the database: replaced where they are not those of this version, left alone where they are. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { installFunctions } from '../../src/booking/functions.ts';
import { migrate } from '../../src/cli/migrate.ts';
import { Permanent } from '../../src/errors.ts';
import { catalogue } from '../support/catalogue.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { bookingConfig } from '../support/settings.ts';

const never = new AbortController().signal;

/** Runs migrate on `db` and returns what it told. */
async function run(db: TestDatabase, wake: 'adaptive' | 'poll' = 'adaptive'): Promise<string> {
  const told: string[] = [];
  await migrate({ ...bookingConfig(db), wake }, (line) => told.push(line), never);
  return told.join('\n');
}

/** Our functions that no adapter makes, each with the transaction that wrote it last. */
const written = (db: TestDatabase) =>
  db.query(
    `SELECT oid::regprocedure::text AS name, xmin FROM pg_proc
     WHERE proname ~ '^bridge_(watch|window|fold|take|settle|reconcile|notice|write_back|beat|wake|rooms_changed|mapping_)' ORDER BY 1`,
  );

/** As if the functions were those of another version. */
const anotherVersion = (db: TestDatabase) =>
  db.query(`UPDATE bridge_settings SET value = 'another ' || value WHERE name = 'functions'`);

const idleFold = `CREATE OR REPLACE FUNCTION bridge_fold(past_days integer, future_days integer, most integer) RETURNS integer
  LANGUAGE sql AS 'SELECT 0'`;

const mapRoom = `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@example.org');
  UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now()`;
const comparedAnew = (db: TestDatabase) =>
  db.query('SELECT FROM bridge_room_state WHERE baselined_at IS NULL OR reconciled_at IS NULL');

test('those of this version are not written again', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const before = await written(db);
  assert.ok(before.length > 12);
  assert.doesNotMatch(await run(db), /functions/);
  assert.deepEqual(await written(db), before);
});

describe('they are replaced, and no room is compared anew', () => {
  test.each([
    [
      'another version put its own there',
      async (db: TestDatabase) => [await db.query(idleFold), await anotherVersion(db)],
    ],
    ['a person replaced one', (db: TestDatabase) => db.query(idleFold)],
    [
      'a person pointed a trigger elsewhere',
      (db: TestDatabase) =>
        db.query(`CREATE OR REPLACE TRIGGER bridge_mappings_touched BEFORE UPDATE ON bridge_mappings FOR EACH ROW
          WHEN (false) EXECUTE FUNCTION bridge_mapping_touched()`),
    ],
    [
      'the other version did not have one yet',
      async (db: TestDatabase) => [
        await db.query('DROP FUNCTION bridge_beat; DROP TRIGGER bridge_mappings_reset ON bridge_mappings'),
        await anotherVersion(db),
      ],
    ],
  ])('where %s', async (_what, change) => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    const whole = await catalogue(db, 'all');
    await db.query(mapRoom);
    await change(db);
    const told = await run(db);
    assert.match(told, /functions were updated to those of this version/);
    assert.doesNotMatch(told, /made again/);
    assert.deepEqual(await catalogue(db, 'all'), whole);
    assert.deepEqual(await comparedAnew(db), []);
    assert.doesNotMatch(await run(db), /functions/);
  });
});

test('one that was dropped is made again, and every room is compared anew', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const whole = await catalogue(db, 'all');
  await db.query(mapRoom);
  await db.query('DROP FUNCTION bridge_rooms_changed CASCADE');
  assert.match(
    await run(db),
    /recreated: bridge_rooms_changed, bridge_rooms_inserted, bridge_rooms_updated\./,
  );
  assert.deepEqual(await catalogue(db, 'all'), whole);
  assert.equal((await comparedAnew(db)).length, 1);
});

test('another way of waking is installed, and back again', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const adaptive = await catalogue(db, 'all');
  await run(db, 'poll');
  assert.notDeepEqual(await catalogue(db, 'all'), adaptive);
  await run(db);
  assert.deepEqual(await catalogue(db, 'all'), adaptive);
});

test('one whose shape changed without a migration stops all of them, with the statement that drops it', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(idleFold);
  await db.query(`DROP FUNCTION bridge_beat;
    CREATE FUNCTION bridge_beat(replica uuid, sessions integer[], stale_ms integer) RETURNS text LANGUAGE sql AS 'SELECT NULL'`);
  const before = await catalogue(db, 'all');
  await assert.rejects(run(db), (error: Permanent) => {
    assert.ok(error instanceof Permanent);
    assert.match(
      error.hint ?? '',
      /DROP FUNCTION bridge_beat\(uuid,integer\[\],integer\) first\. Then run migrate again/,
    );
    return true;
  });
  assert.deepEqual(await catalogue(db, 'all'), before);
});

test('they are replaced while people book, without a wait on either side', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const [clerk, ours] = [await db.pool.connect(), await db.pool.connect()];
  try {
    // the strongest lock a booking system can have on its tables, and a booking of ours that is not committed
    await clerk.query(`BEGIN; LOCK bb_event, bb_event_resource, bb_event_date, bb_booking, bb_allocation;
      UPDATE bb_event SET cost = 1; INSERT INTO bridge_changes DEFAULT VALUES`);
    await ours.query(`SET lock_timeout = '1ms'; SET search_path = public`);
    const told: string[] = [];
    await installFunctions(ours, 'adaptive', (line) => told.push(line), never);
    assert.deepEqual(told, []);
    await clerk.query('COMMIT');
  } finally {
    clerk.release(true);
    ours.release(true);
  }
});
