/** What Outlook says is written while a clerk writes the same reservation: the clerk's transaction is the one that succeeds. */
import { test } from 'vitest';
import { at, heard, open, room, shown } from '../two-way-world.ts';
import { until } from '../../support/until.ts';

/** Until a session of this database waits for such a lock. */
const untilWaiting = (w: Awaited<ReturnType<typeof open>>, lock: string, pid: number | null = null) =>
  until(
    () =>
      w.db.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = ANY ($1)
           AND ($2::integer IS NULL OR pid = $2)`,
        [lock.split(' '), pid],
      ),
    (waiting) => waiting.length > 0,
  );

test('in the other order, which would be a deadlock: both changes are there in the end', async () => {
  await using w = await open();
  const { reservation, event } = await shown(w);
  // our write stops between its two tables until the gate opens
  await w.db.query(`
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END';
    CREATE TRIGGER gate BEFORE UPDATE ON bb_event FOR EACH ROW EXECUTE FUNCTION gate()`);
  const gate = await w.db.pool.connect();
  const clerk = await w.db.pool.connect();
  const { rows } = await clerk.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await gate.query('SELECT pg_advisory_lock(42)');
  await clerk.query('BEGIN');
  await clerk.query('UPDATE bb_event_date SET from_ = from_ WHERE event_id = $1', [reservation.id]);

  w.outlook.edit(event.id, { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') });
  const hearing = heard(w);
  await untilWaiting(w, 'advisory');
  const retitled = clerk.query("UPDATE bb_event SET name = 'Brass band' WHERE id = $1", [reservation.id]);
  await untilWaiting(w, 'transactionid tuple', rows[0]!.pid);
  await gate.query('SELECT pg_advisory_unlock(42)');
  await retitled;
  await clerk.query('COMMIT');
  await hearing;
  await until(
    async () => {
      await heard(w);
      return [(await w.reserved())[0]!.item, w.outlook.in(room)[0]!.item];
    },
    (items) => items.every((item) => item?.title === 'Brass band' && item.startsAt === at(4, '15:00')),
  );
  clerk.release();
  gate.release();
});
