/** A trigger of the booking system changes another field in the statement that writes an edit from Outlook. */
import { expect, test } from 'vitest';
import type { Item } from '../../../src/item.ts';
import { at, both, heard, imported, open, other, room, shown, type Rooms } from '../two-way-world.ts';

const alsoSets = (w: Rooms, assignment: string, when = 'BEFORE UPDATE') =>
  w.db
    .query(`CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${assignment} RETURN NEW; END $$;
    CREATE TRIGGER also ${when} ON bb_event FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION also()`);

const cases: readonly (readonly [string, string, Partial<Item>])[] = [
  ['the end', `NEW.to_ := OLD.to_ + interval '15 minutes';`, { endsAt: at(3, '20:15') }],
  ['the text', `NEW.description := 'Bring chairs';`, { description: 'Bring chairs' }],
  ['the privacy', 'NEW.is_public := 0;', { isPrivate: true }],
];

test.each(cases)('%s is written to Outlook, once', async (_, assignment, also) => {
  await using w = await open();
  const { event } = await shown(w);
  await alsoSets(w, assignment);
  w.outlook.edit(event.id, { title: 'Quartet' });
  await heard(w);
  const [{ item } = { item: null }] = await w.reserved();
  expect(item).toMatchObject({ title: 'Quartet', ...also });
  expect(w.outlook.in(room)).toMatchObject([{ item: also }]);
  expect(w.outlook.writes).toHaveLength(1);
  await heard(w);
  expect(w.outlook.writes).toHaveLength(1);
});

test('by a later statement of the same transaction, too', async () => {
  await using w = await open();
  const { event } = await shown(w);
  await w.db.query(`CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      UPDATE bb_event SET to_ = to_ + interval '15 minutes' WHERE id = NEW.id; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON bb_event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
      WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION later()`);
  w.outlook.edit(event.id, { title: 'Quartet' });
  await heard(w);
  expect(w.outlook.in(room)).toMatchObject([{ item: { title: 'Quartet', endsAt: at(3, '20:15') } }]);
});

test('in each room of the reservation', async () => {
  await using w = await open({}, both);
  const { id } = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [id]);
  await w.settle();
  await alsoSets(w, `NEW.to_ := OLD.to_ + interval '15 minutes';`);
  w.outlook.edit(w.outlook.in(room)[0]!.id, { title: 'Quartet' });
  await heard(w);
  const item = { title: 'Quartet', endsAt: at(3, '20:15') };
  expect([...w.outlook.in(room), ...w.outlook.in(other)]).toMatchObject([{ item }, { item }]);
});

test('an import that it makes private is private in Outlook', async () => {
  await using w = await open();
  await w.db
    .query(`CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.is_public := 0; RETURN NEW; END $$;
    CREATE TRIGGER also BEFORE INSERT ON bb_event FOR EACH ROW EXECUTE FUNCTION also()`);
  const { reservation } = await imported(w);
  expect(reservation).toMatchObject({ active: true, item: { isPrivate: true } });
  expect(w.outlook.in(room)).toMatchObject([{ item: { isPrivate: true } }]);
});

test('without such a trigger nothing is written to Outlook', async () => {
  await using w = await open();
  const { event } = await shown(w);
  w.outlook.edit(event.id, { title: 'Quartet' });
  await heard(w);
  expect(w.outlook.writes).toEqual([]);
});
