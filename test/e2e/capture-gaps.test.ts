/** What no trigger could write down is found by a comparison, and the signal for it is kept until that was asked for. */
import { expect, test } from 'vitest';
import { day } from '../support/dates.ts';
import { until, untilTrue } from '../support/until.ts';
import { openWorld } from './world.ts';

type World = Awaited<ReturnType<typeof openWorld>>;

/** A booking that no trigger saw: a disk was full, say. It raised the sequence in its transaction. */
const missed = (title: string) => `
  SET LOCAL session_replication_role = replica;
  WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
    VALUES (1, '${title}', '${day(3, '10:00')}', '${day(3, '12:00')}', 'x', 'x', 'x', 'x', 'x') RETURNING id)
  INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 101 FROM e;
  SELECT nextval('bridge_missed_seq');`;

const shown = (world: World, title: string) =>
  until(
    () => world.titles(101),
    (titles) => titles.includes(title),
  );

test('a comparison that could not be asked for is asked for again', async () => {
  await using world = await openWorld({ mapped: [101] });
  await world.start();
  await world.settled();
  await world.db.query(`
    CREATE SEQUENCE refusals;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM nextval('refusals'); RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'No space left on device'; END $$;
    CREATE TRIGGER zz_refuse BEFORE UPDATE ON bridge_room_state FOR EACH ROW
      WHEN (NEW.reconciled_at IS NULL) EXECUTE FUNCTION refuse()`);
  await world.db.query(`BEGIN; ${missed('Not heard of')} COMMIT`);
  await untilTrue(world.db, 'SELECT is_called FROM refusals');
  await world.db.query('DROP TRIGGER zz_refuse ON bridge_room_state');
  await shown(world, 'Not heard of');
});

test('a booking that is committed after the comparison is found by the next one', async () => {
  await using world = await openWorld({ mapped: [101] });
  const { facts } = await world.start();
  await world.settled();
  const [before] = await world.db.query<{ at: string }>(
    'SELECT max(reconciled_at)::text AS at FROM bridge_room_state',
  );
  const clerk = await world.db.pool.connect();
  try {
    await clerk.query(`BEGIN; ${missed('Slow')}`);
    await untilTrue(world.db, `SELECT max(reconciled_at) > '${before!.at}' FROM bridge_room_state`);
    await clerk.query('COMMIT');
  } finally {
    clerk.release();
  }
  await shown(world, 'Slow');
  await world.settled();
  expect(facts.filter(({ fact }) => fact === 'capture-missed')).toEqual([
    { fact: 'capture-missed', times: 1 },
  ]);
});
