/** Row security hides rows from our role without an error: the tables are named, with the statement that shows all rows. */
import { expect, test } from 'vitest';
import { securedTables } from '../../src/booking/row-security.ts';
import { openTestDatabase } from '../support/database.ts';
import { openRole } from '../support/roles.ts';

test('a table whose policies hide rows is named until a policy shows them all', async () => {
  await using db = await openTestDatabase({ schema: 'empty' });
  await db.query(`CREATE SCHEMA cal;
    CREATE TABLE cal.booking (id integer PRIMARY KEY);
    CREATE TABLE cal.room (id integer PRIMARY KEY);
    CREATE VIEW cal.both AS SELECT b.id FROM cal.booking b, cal.room;
    CREATE VIEW bridge_items AS SELECT * FROM cal.both`);
  await using role = await openRole(db, ['GRANT USAGE ON SCHEMA cal TO role']);
  const { client } = await role.session();
  const named = async () => (await securedTables(client)).map(({ table, applies }) => [table, applies]);
  expect(await named()).toEqual([]);
  await db.query('ALTER TABLE cal.booking ENABLE ROW LEVEL SECURITY');
  const [found] = await securedTables(client);
  expect(found).toEqual({
    table: 'cal.booking',
    applies: true,
    message: expect.stringContaining(`may hide rows from the role ${role.name}`),
    repair: `CREATE POLICY bridge ON cal.booking TO ${role.name} USING (true) WITH CHECK (true);`,
  });
  await db.query(
    `CREATE POLICY part ON cal.booking USING (id > 5); CREATE POLICY writes ON cal.booking FOR INSERT WITH CHECK (true)`,
  );
  expect(await named()).toEqual([['cal.booking', true]]);
  await db.query(found!.repair);
  expect(await named()).toEqual([]);
  await db.query('CREATE POLICY fewer ON cal.booking AS RESTRICTIVE USING (id > 5)');
  expect(await named()).toEqual([['cal.booking', true]]);
  // of a role that sees all rows, as of the owner who runs `adapter check`, it is only known that others may not
  expect((await securedTables(db.pool)).map(({ table, applies }) => [table, applies])).toEqual([
    ['cal.booking', false],
  ]);
});

test('without the view there is nothing to say', async () => {
  await using db = await openTestDatabase({ schema: 'empty' });
  expect(await securedTables(db.pool)).toEqual([]);
});
