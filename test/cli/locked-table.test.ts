/** Commands beside an open transaction that has locked a table. */
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openOffice } from './command-line.ts';

const remedy = "Another session's open transaction holds a lock that this needs";

async function openLocked(table: string) {
  const office = await openOffice();
  onTestFinished(() => office[Symbol.asyncDispose]());
  await office.map(101);
  const person = new pg.Client(office.db.url);
  await person.connect();
  onTestFinished(() => person.end());
  await person.query(`CREATE TABLE IF NOT EXISTS room_calendars (id integer, resource_id integer, outlook_item_id text,
    outlook_item_name text, active integer)`);
  await person.query(`BEGIN; LOCK TABLE ${table}`);
  return office;
}

test('doctor ends with the cause and the remedy', async () => {
  const office = await openLocked('bridge_mappings');
  const said = await office.run('doctor', '--json');
  expect(said.code).toBe(1);
  expect(said.json().findings).toContainEqual(
    expect.objectContaining({
      state: 'problem',
      message: expect.stringContaining('lock timeout'),
      repair: expect.stringContaining(remedy),
    }),
  );
});

test.each(['room_calendars', 'bridge_resource_mappings'])(
  'adopt ends so beside a lock on %s',
  async (table) => {
    const office = await openLocked(table);
    const { code, err } = await office.run('adopt');
    expect(err).toContain(remedy);
    expect(code).toBe(75);
  },
);
