/** Settlements of several rooms in one statement. */
import { describe, expect, test } from 'vitest';
import { isContended, isFenced, type Queryable } from '../../src/database.ts';
import { createSettle, type Settlement } from '../../src/sync/store/settle.ts';
import type { LeasedRoom } from '../../src/sync/store/work-list.ts';
import { epochOf, event, open, result, rows, take } from './work-list-world.ts';
import type { TestDatabase } from '../support/database.ts';

/** Runs its first statement when `go` is called, and counts all of them. */
function paused(db: Queryable) {
  const { promise, resolve: go } = Promise.withResolvers<void>();
  let statements = 0;
  const query = async (...args: unknown[]) => {
    statements += 1;
    if (statements === 1) await promise;
    return (await Reflect.apply(db.query, db, args)) as unknown;
  };
  return { session: { query: query as Queryable['query'] }, go, statements: () => statements };
}

/** Two events in room 1 and one in room 2, leased; settlements of all three, the last two of them while the first is under way. */
async function settleAll(
  db: TestDatabase,
  before: (ids: readonly number[]) => Promise<unknown> = async () => undefined,
) {
  await db.query(event(1) + event(2, { from: 12, to: 13 }) + event(3, { room: 102 }));
  await take(db.pool);
  const leased = async (id: number) => ({ id, epoch: await epochOf(db, id) }) as LeasedRoom;
  const [one, two] = [await leased(1), await leased(2)];
  const due = await rows(db);
  await before(due.map(({ id }) => id));
  const { session, go, statements } = paused(db.pool);
  const settle = createSettle(session, db.pool);
  const settled = due.map((row, at) =>
    settle(at === 2 ? two : one, [
      result(row, { agreement: { is: 'unanswered' }, sinceAcceptedMs: 0 }) as unknown as Settlement,
    ]),
  );
  go();
  return { answers: await Promise.allSettled(settled), statements: statements() };
}

const reasonOf = (answer: PromiseSettledResult<unknown> | undefined) =>
  answer?.status === 'rejected' ? (answer.reason as unknown) : null;

describe('settlements of several rooms', () => {
  test('that arrive while one is under way are stored together, and each room gets its own answer', async () => {
    await using db = await open();
    const { answers, statements } = await settleAll(db, () =>
      db.query('UPDATE bridge_room_state SET pull_due_at = now() WHERE resource_mapping_id = 2'),
    );
    expect(statements).toBe(2);
    expect(
      answers.map((one) => (one.status === 'fulfilled' ? one.value.written : one.reason) as unknown),
    ).toMatchObject([
      { more: true, pulls: false },
      { more: false, pulls: false },
      { more: false, pulls: true },
    ]);
    expect((await rows(db)).map(({ status, due }) => [status, due])).toEqual(
      Array.from({ length: 3 }, () => ['synced', false]),
    );
    expect(await db.query(`SELECT count(*) AS n FROM bridge_log WHERE action = 'created'`)).toEqual([
      { n: 3 },
    ]);
  });

  test('of which one lost its lease: it is fenced, and the other is stored', async () => {
    await using db = await open();
    const { answers } = await settleAll(db, () =>
      db.query('UPDATE bridge_room_state SET lease_epoch = lease_epoch + 1 WHERE resource_mapping_id = 2'),
    );
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(isFenced(reasonOf(answers[2]))).toBe(true);
    expect((await rows(db)).map(({ status }) => status)).toEqual(['synced', 'synced', 'pending']);
  });

  test('of which one meets a locked row: the other does not wait for it', async () => {
    await using db = await open();
    const person = await db.pool.connect();
    try {
      const { answers } = await settleAll(db, async (ids) => {
        await person.query('BEGIN');
        await person.query('SELECT FROM bridge_mappings WHERE id = $1 FOR UPDATE', [ids[2]]);
      });
      expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
      expect(isContended(reasonOf(answers[2]))).toBe(true);
    } finally {
      person.release(true);
    }
    expect((await rows(db)).map(({ status }) => status)).toEqual(['synced', 'synced', 'pending']);
  });
});
