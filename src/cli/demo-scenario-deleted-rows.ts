/** Scenario: the rows of a room are deleted in the booking system by accident. */
import { inTransaction } from '../database.ts';
import { waitUntil } from './demo-until.ts';
import { seconds, type Scenario, type ScenarioContext } from './demo-scenario.ts';

export const deletedRows: Scenario = {
  name: 'deleted-rows',
  key: 'd',
  title: 'the rows of a room are deleted by accident',
  run,
};

const restore = { key: 'p', text: 'restore the rows, as from a backup' };
const release = { key: 'r', text: 'release the brake, so that the events are deleted too' };
/** The number of rows at which the brake holds a room of any size. */
const rehearsals = 12;

async function run(context: ScenarioContext): Promise<void> {
  const { world, say } = context;
  const room = context.room(103);
  await fill(context, room.resource);
  await context.untilEqual();
  const events = () => world.tenant.eventsIn(room.upn).filter((event) => !event.isCancelled).length;
  const before = events();

  using facts = context.recordFacts();
  const deleted = await deleteRows(context, room.resource);
  const deletedAt = performance.now();
  say(
    'desk',
    `DELETE FROM bb_event_resource, bb_booking_resource WHERE resource_id=${room.resource}: ${deleted.count} rows of ${room.name}`,
  );
  const fact = await facts.first((one) => one.fact === 'brake-held' && one.resourceId === room.resource);
  if (fact.fact !== 'brake-held') return;
  say(
    'daemon',
    `the brake holds the room after ${seconds(performance.now() - deletedAt)}: ${fact.wanted} of ${fact.synced} events would be deleted. ` +
      `In Outlook: ${before} events before, ${events()} now`,
  );
  say('', `GET /rooms/${room.resource} lists them; the dashboard shows an alert`);
  const chosen = await context.choice(
    [restore, release],
    async () => (await heldIn(context, room.resource)) === 0,
  );
  const decidedAt = performance.now();
  if (chosen === restore.key) await deleted.putBack();
  if (chosen === release.key) await context.api(`/rooms/${room.resource}/brake/release`, {});
  const holdsNothing = async () => (await heldIn(context, room.resource)) === 0;
  await waitUntil(holdsNothing, 60_000, () => `The brake still holds ${room.name}.`, context.signal);
  const { comparison } = await context.untilEqual();
  const ms = performance.now() - decidedAt;
  if (chosen === restore.key && events() !== before)
    throw new Error('An event was deleted despite the brake.');
  const outcome =
    chosen === restore.key
      ? `the rows are restored; the brake releases the room after ${seconds(ms)}, ${events()} events as before`
      : `the brake was released; both sides equal after ${seconds(ms)}, ${events()} events left in the room`;
  say('result', `${outcome}; ${comparison.reservations} booked, ${comparison.events} in Outlook`);
  say(
    'why',
    'Many rows that disappear at once are not treated as cancellations: no event is deleted until a person decides. ' +
      'Cancellations in the booking system (active = 0) are sent at once, in any number.',
  );
}

const heldIn = async (context: ScenarioContext, resource: number) =>
  (await context.api<{ readonly removals: readonly unknown[] }>(`/rooms/${resource}`)).removals.length;

/** Books this number of rehearsals, one a day, so that there are rows to delete. */
async function fill({ world, day }: ScenarioContext, resource: number): Promise<void> {
  await world.db.query(
    `WITH made AS (
       INSERT INTO bb_booking (group_id, from_, to_, season_id, activity_id, secret)
       SELECT 3, d + interval '7 hours', d + interval '8 hours', 1, 1, 'demo'
       FROM generate_series($1::timestamp, $1::timestamp + ($2 - 1) * interval '1 day', interval '1 day') AS d RETURNING id)
     INSERT INTO bb_booking_resource (booking_id, resource_id) SELECT id, $3 FROM made`,
    [day(), rehearsals, resource],
  );
}

/** Deletes the rows that place reservations in the room, in one transaction; `putBack` restores them. */
async function deleteRows({ world }: ScenarioContext, resource: number) {
  const deleted = await inTransaction(world.db, async (client) => {
    const of = async (type: 'event' | 'booking') =>
      (
        await client.query<{ id: number }>(
          `DELETE FROM bb_${type}_resource WHERE resource_id = $1 RETURNING ${type}_id AS id`,
          [resource],
        )
      ).rows.map(({ id }) => id);
    return { event: await of('event'), booking: await of('booking') };
  });
  return {
    count: deleted.event.length + deleted.booking.length,
    putBack: () =>
      inTransaction(world.db, async (client) => {
        for (const type of ['event', 'booking'] as const)
          await client.query(
            `INSERT INTO bb_${type}_resource (${type}_id, resource_id) SELECT unnest($1::int[]), $2`,
            [deleted[type], resource],
          );
      }),
  };
}
