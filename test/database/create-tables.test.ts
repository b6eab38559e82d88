/** Our own tables, made by psql or by migrate: the same, and with the user's guide's own SQL. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import { createTables } from '../../database/build.ts';
import { ourMigrations } from '../../src/cli/own-schema.ts';
import { catalogue } from '../support/catalogue.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { install } from '../support/settings.ts';

const file = new URL('../../database/create_tables.sql', import.meta.url);
const script = readFileSync(file, 'utf8');

/** Runs create_tables.sql and returns what it said. */
async function create(db: TestDatabase): Promise<string[]> {
  const client = await db.pool.connect();
  const told: string[] = [];
  client.on('notice', (notice) => told.push(notice.message ?? ''));
  try {
    await client.query(script);
  } finally {
    client.removeAllListeners('notice');
    client.release();
  }
  return told;
}

test('create_tables.sql is what the migrations and functions make (else run: node database/build.ts)', () => {
  assert.equal(script, createTables());
});

test('create_tables.sql and the migrations give the same schema', async () => {
  await using byPsql = await openTestDatabase({ schema: 'portico' });
  await using byMigrate = await openTestDatabase({ schema: 'portico' });
  await create(byPsql);
  await install(byMigrate);
  const [made, migrated] = [await catalogue(byPsql, 'all'), await catalogue(byMigrate, 'all')];
  const seam = new Set(await catalogue(byMigrate, 'not ours'));
  const bare = new Set(await catalogue(byPsql, 'not ours'));
  assert.deepEqual(
    made.filter((line) => !bare.has(line)),
    migrated.filter((line) => !seam.has(line)),
  );
});

test('migrate goes on from create_tables.sql and finds nothing to do for our tables and functions', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  await create(db);
  const written = `SELECT oid::regprocedure::text AS name, xmin FROM pg_proc WHERE proname = ANY ($1) ORDER BY 1`;
  const names = (
    await db.query<{ name: string }>(`SELECT proname AS name FROM pg_proc WHERE proname LIKE 'bridge%'`)
  ).map(({ name }) => name);
  const before = await db.query(written, [names]);
  assert.deepEqual((await install(db)).migrations, []);
  assert.deepEqual(await db.query(written, [names]), before);
  assert.deepEqual(
    await db.query('SELECT name FROM bridge_migrations ORDER BY id'),
    ourMigrations().map((name) => ({ name })),
  );
  assert.equal((await db.query('SELECT * FROM bridge_items')).length, 0);
});

test('create_tables.sql run again changes nothing and says to run migrate', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  assert.deepEqual(await create(db), []);
  const before = await db.query('SELECT * FROM bridge_settings');
  assert.match((await create(db)).join(), /nothing was changed. To update them run migrate/);
  assert.deepEqual(await db.query('SELECT * FROM bridge_settings'), before);
});

test('create_tables.sql refuses tables of another program, names adopt, and leaves nothing behind', async () => {
  await using db = await openTestDatabase({ schema: 'empty' });
  await db.query('CREATE TABLE bridge_mappings (id serial, source_bridge text, target_bridge text)');
  await assert.rejects(create(db), (error: Error & { hint?: string }) => {
    assert.match(error.message, /already exist: bridge_mappings/);
    assert.match(error.hint ?? '', /adopt/);
    return true;
  });
  assert.deepEqual(
    await db.query(`SELECT relname FROM pg_class WHERE relname LIKE 'bridge%' AND relkind = 'r'`),
    [{ relname: 'bridge_mappings' }],
  );
});

test('psql runs it as the guide says', async ({ skip }) => {
  await using db = await openTestDatabase({ schema: 'empty' });
  try {
    await promisify(execFile)('psql', [db.url, '-v', 'ON_ERROR_STOP=1', '-q', '-f', file.pathname]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return skip('there is no psql here');
    throw error;
  }
  assert.deepEqual(await db.query('SELECT name FROM bridge_settings ORDER BY name'), [
    { name: 'functions' },
    { name: 'installation_id' },
  ]);
});

test('a migration can be taken back and leaves nothing', async () => {
  await using db = await openTestDatabase({ schema: 'empty' });
  const text = readFileSync(new URL('../../database/migrations/0001_bridge.sql', import.meta.url), 'utf8');
  const [up, down] = text.split('-- Down Migration');
  await db.query(up!);
  await db.query(down!);
  assert.deepEqual(await catalogue(db, 'all'), []);
});

describe("the guide's SQL", () => {
  test('adds a room, which starts it', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active)
      VALUES (123, 'room-calendar-id', 'Conference Room A', 1);`);
    assert.deepEqual(
      await db.query(
        `SELECT r.sync_direction, s.push_due_at <= now() AS due, s.baselined_at FROM bridge_resource_mappings r
         JOIN bridge_room_state s ON s.resource_mapping_id = r.id`,
      ),
      [{ sync_direction: 'both', due: true, baselined_at: null }],
    );
  });

  test('resets everything but what was cancelled: the rows go, their rooms are compared again before anything is made', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@x'), (102, 'b@x');
      UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now(), push_due_at = NULL;
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status)
      VALUES ('event', 1, 101, 'a@x', 'one', 'synced'), ('event', 2, 101, 'a@x', 'two', 'error'), ('event', 3, 102, 'b@x', 'three', 'cancelled')`);
    await db.query(`UPDATE bridge_mappings
      SET sync_status = 'pending',
          outlook_event_id = NULL,
          reservation_id = NULL
      WHERE sync_status != 'cancelled';`);
    assert.deepEqual(await db.query('SELECT reservation_id, outlook_event_id FROM bridge_mappings'), [
      { reservation_id: 3, outlook_event_id: 'three' },
    ]);
    assert.deepEqual(
      await db.query(`SELECT r.resource_id, s.baselined_at IS NULL AS baseline, s.push_due_at <= now() AS due
        FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id ORDER BY 1`),
      [
        { resource_id: 101, baseline: true, due: true },
        { resource_id: 102, baseline: false, due: null },
      ],
    );
  });

  test('asks for one row again, which is due at once, and keeps its event', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@x');
      UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now(), push_due_at = NULL;
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status, error_message, attempt)
      VALUES ('event', 1, 101, 'a@x', 'one', 'error', 'refused', 9)`);
    await db.query(`UPDATE bridge_mappings SET sync_status = 'pending' WHERE reservation_id = 1`);
    assert.deepEqual(
      await db.query(
        `SELECT outlook_event_id AS event, due_at <= now() AS due, attempt, error_message AS error, lane FROM bridge_mappings`,
      ),
      [{ event: 'one', due: true, attempt: 0, error: null, lane: 0 }],
    );
    assert.deepEqual(
      await db.query(
        'SELECT push_due_at <= now() AS due, baselined_at IS NULL AS baseline FROM bridge_room_state',
      ),
      [{ due: true, baseline: false }],
    );
  });

  test('two active rows for one resource or one mailbox are refused, whatever the case of its letters', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    const add = (resource: number, mailbox: string, active: number) =>
      db.query(
        `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, active) VALUES ($1, $2, $3)`,
        [resource, mailbox, active],
      );
    await add(101, 'Room.A@x.no', 1);
    await assert.rejects(add(101, 'other@x.no', 1), { code: '23505' });
    await assert.rejects(add(102, 'room.a@x.no', 1), { code: '23505' });
    await add(101, 'room.a@x.no', 0);
  });
});

test('what we put into a database is ASCII: it may be in any encoding', () => {
  const texts = globSync('{database/{functions,migrations},sql/*}/*.sql').map((path) => [
    path,
    readFileSync(path, 'utf8'),
  ]);
  assert.deepEqual(
    texts.filter(([, text]) => /\P{ASCII}/u.test(text!)).map(([path]) => path),
    [],
  );
});
